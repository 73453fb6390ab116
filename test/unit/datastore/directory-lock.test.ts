import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryLock, decidingEntry } from '../../../src/datastore/directory/lock.ts';

describe('the entry that decides who has the lock of a directory', () => {
  it('is that of the highest generation, by number', () => {
    expect(decidingEntry(['9.held', '10.free', 'owner-1-a.sock'])).toEqual({ generation: 10, held: false });
    expect(decidingEntry(['10.held', '9.free'])).toEqual({ generation: 10, held: true });
    expect(decidingEntry([])).toEqual({ generation: 0, held: false });
  });

  it('is free where a slow contender has linked again what was released, in whatever order they are listed', () => {
    for (const names of [
      ['6.free', '6.held'],
      ['6.held', '6.free'],
    ]) {
      expect(decidingEntry(names)).toEqual({ generation: 6, held: false });
    }
  });
});

describe('the lock of a directory', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'margay-lock-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('goes on past a generation that was released and linked again', async () => {
    const [first, second] = [new DirectoryLock(folder, 500), new DirectoryLock(folder, 500)];
    await first.acquire();
    // What a contender leaves for a moment that stood still between looking and linking.
    await writeFile(join(folder, '1.free'), '');
    await second.acquire();
    second.release();
    await Promise.all([first.close(), second.close()]);
  });
});
