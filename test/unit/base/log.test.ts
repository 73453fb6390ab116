import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.ts';

describe('the silent logger', () => {
  it('says nothing at any level', () => {
    expect(silentLogger().isLevelEnabled('fatal')).toBe(false);
  });
});
