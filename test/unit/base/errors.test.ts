import { describe, expect, it } from 'vitest';
import { ConfigError, InternalError, KernelError, describeError } from '../../../src/base/errors.ts';

describe('errors', () => {
  it('tell what failed, why and what to do, each once', () => {
    const kernel = new KernelError('add route', 'EPERM', 'no', { fix: 'become root' });
    const outer = new ConfigError('config.bad', 'cannot start', {
      cause: new Error('cannot start', { cause: kernel }),
    });
    expect(describeError(outer)).toBe('cannot start: add route: EPERM (no)\n  fix: become root');
    expect([outer.name, outer.code, kernel.code, kernel.errno]).toEqual([
      'ConfigError',
      'config.bad',
      'kernel.EPERM',
      'EPERM',
    ]);
    expect(new KernelError('bind', 'EINVAL', undefined).message).toBe('bind: EINVAL');
    expect(new InternalError('oops').code).toBe('internal');
  });

  it('describe whatever was thrown', () => {
    expect(describeError('text')).toBe('text');
    expect(describeError({ some: 1 })).toBe('{"some":1}');
    expect(describeError(new Error('outer', { cause: 'inner' }))).toBe('outer: inner');
  });
});
