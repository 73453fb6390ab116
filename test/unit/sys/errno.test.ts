import { constants } from 'node:os';
import { expect, it } from 'vitest';
import { errnoName } from '../../../src/sys/errno.ts';
import { kernelError, kernelErrorFrom } from '../../../src/sys/kernel-error.ts';
import { watchdogInterval } from '../../../src/sys/notify.ts';

it('names every error number that Node knows', () => {
  const aliases = new Map([
    ['EWOULDBLOCK', 'EAGAIN'],
    ['EDEADLOCK', 'EDEADLK'],
    ['ENOTSUP', 'EOPNOTSUPP'],
  ]);
  for (const [name, number] of Object.entries(constants.errno)) {
    expect(errnoName(number), name).toBe(aliases.get(name) ?? name);
  }
  expect([errnoName(85), errnoName(524), errnoName(4000)]).toEqual(['ERESTART', 'ENOTSUPP', 'E4000']);
});

it('gives kernel errors the fix of their errno and keeps their cause', () => {
  const cause = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  const error = kernelErrorFrom('open thing', cause);
  expect(error).toMatchObject({ message: 'open thing: EACCES', errno: 'EACCES', cause });
  expect(error).toHaveProperty('fix', 'run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN');
  expect(kernelError('bind', 'EINVAL', 'why').fix).toBeUndefined();
  expect(kernelErrorFrom('outer', kernelError('inner', 'EBUSY', 'why')).message).toBe('outer: EBUSY (why)');
  const other = new RangeError('not of the kernel');
  expect(kernelErrorFrom('x', other)).toBe(other);
  expect(kernelErrorFrom('x', 'text')).toMatchObject({ message: 'text' });
});

it('feeds the watchdog twice in its time, and only when it asks this process (sd_watchdog_enabled)', () => {
  expect(watchdogInterval({})).toBeUndefined();
  expect(watchdogInterval({ WATCHDOG_USEC: '30000000' })).toBe(15_000);
  expect(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) })).toBe(15_000);
  expect(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' })).toBeUndefined();
});
