import { describe, expect, it } from 'vitest';
import { awaitDrain, drainConfig } from '../../../src/agent/drain-request.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { BgpStatus } from '../../../src/model/agent-status.ts';

describe('a request to drain', () => {
  it('has five seconds of delay and no reason by itself', () => {
    expect(drainConfig(new URLSearchParams())).toEqual({ delay: 5, communication: '' });
    expect(drainConfig(new URLSearchParams('delay=0.5&communication=kernel+update'))).toEqual({
      delay: 0.5,
      communication: 'kernel update',
    });
  });

  it.each([
    ['delay=-1', 'delay must be'],
    ['delay=soon', 'delay must be'],
    ['delay=601', 'delay must be'],
    [`communication=${'ü'.repeat(128)}`, 'more than 255 octets'],
  ])('is refused with %s', (query, message) => {
    expect(() => drainConfig(new URLSearchParams(query))).toThrow(message);
  });

  it('is answered when the speaker has come there', async () => {
    const states = ['serving', 'draining', 'drained'] as const;
    let asked = 0;
    const status = (): Promise<BgpStatus> =>
      Promise.resolve({ state: 'running', drain: states[Math.min(asked++, 2)]!, peers: [] });
    const { signal } = new AbortController();
    expect(await awaitDrain(status, 'drained', 0, systemClock, signal)).toEqual({ drain: 'drained' });
    expect(asked).toBe(3);
  });

  it('fails where BGP does not run, and when the agent stops', async () => {
    const disabled = (): Promise<BgpStatus> => Promise.resolve({ state: 'disabled', peers: [] });
    const serving = (): Promise<BgpStatus> =>
      Promise.resolve({ state: 'running', drain: 'serving', peers: [] });
    const { signal } = new AbortController();
    await expect(awaitDrain(disabled, 'drained', 0, systemClock, signal)).rejects.toThrow(
      'BGP does not run: disabled',
    );
    await expect(awaitDrain(serving, 'drained', 0, systemClock, AbortSignal.abort())).rejects.toThrow(
      'the agent is stopping',
    );
  });
});
