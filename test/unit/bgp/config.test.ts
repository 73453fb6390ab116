import { describe, expect, it } from 'vitest';
import { type PeerConfig, peerChangeEffect } from '../../../src/bgp/config.ts';
import { address } from '../../../src/net/address.ts';

const before: PeerConfig = {
  name: 'Global_10_0_0_2',
  type: 'global',
  address: address('10.0.0.2'),
  port: 179,
  asNumber: 65001,
  localAsNumber: 64512,
  families: [4, 6],
  passive: false,
  reflectorClient: false,
  nextHopMode: 'auto',
  restartTime: 120,
  allowedOwnAs: 0,
  filters: [],
};

describe('a change of a peer', () => {
  it.each<[string, Partial<PeerConfig>, string]>([
    ['nothing', {}, 'none'],
    ['what counts from the next connection on', { passive: true, connectRetryTime: 9, port: 1790 }, 'none'],
    [
      'what counts at once',
      { keepaliveTime: 1, password: 'x', maxPrefix: { limit: 1, warning: 75, beyond: 'idle' } },
      'none',
    ],
    ['what it is told', { nextHopMode: 'self', asOverride: true }, 'export'],
    ['what the OPEN says', { holdTime: 9 }, 'reopen'],
    [
      'what the OPEN says, and what it is told',
      { role: { name: 'peer', strict: false }, filters: ['a'] },
      'reopen',
    ],
    ['another peer', { asNumber: 65002, holdTime: 9 }, 'reset'],
  ])('of %s asks for no more than it needs', (_, change, effect) => {
    expect(peerChangeEffect(before, { ...before, ...change })).toBe(effect);
    expect(peerChangeEffect({ ...before, ...change }, before)).toBe(effect);
  });
});
