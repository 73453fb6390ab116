/**
 * Churn: one peer tells its prefixes again and again with other attributes, 100,000 prefixes a second for some seconds,
 * and 50 peers are told. What counts is the processor time that it takes, and how long after the last change everyone
 * knows it. Flags: --runs --peers --prefixes --limit.
 */
import { compare, compareFlags } from './bgp/compare.ts';
import { updates } from './bgp/updates.ts';

const flags = compareFlags(20_000);
const { prefixes } = flags;
const PER_SECOND = 100_000;
const ROUNDS = 25;
const feed = { first: 0, count: prefixes, mix: { kind: 'sets-of', size: 5 }, rounds: ROUNDS } as const;
const speaks = { asNumber: 65_001, address: '10.99.1.1', internal: false };
const octets = updates(speaks, feed).reduce((sum, { length }) => sum + length, 0);

const plan = {
  prefixes,
  octetsPerSecond: (octets / (prefixes * ROUNDS)) * PER_SECOND,
  loads: [
    { sessions: [{ asNumber: 65_001, feed, expect: 0 }] },
    { sessions: Array.from({ length: 50 }, (_, index) => ({ asNumber: 65_100 + index, expect: prefixes })) },
  ],
};
await compare('bgp-churn', flags, [
  {
    name: 'churn',
    nullRun: true,
    plan,
    figures: [
      { name: 'cpu', of: ({ cpu }) => cpu },
      { name: 'lag', of: ({ seconds, fed }) => Math.max(0.001, seconds - fed) },
    ],
  },
]);
