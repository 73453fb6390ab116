/**
 * A full table from one eBGP peer, all of it received by a second: 20 attribute sets; sets of 5 prefixes, as on the
 * Internet; a set for each prefix, the worst case; and a second receiver that stops reading. Flags: --runs --peers --prefixes --limit --variants.
 */
import { compare, compareFlags, type Variant } from './bgp/compare.ts';
import type { Mix } from './bgp/updates.ts';

const flags = compareFlags(1_000_000);
const { prefixes } = flags;

function variant(name: string, mix: Mix): Variant {
  return {
    name,
    nullRun: true,
    plan: {
      prefixes,
      withdraw: true,
      loads: [
        { sessions: [{ asNumber: 65_001, feed: { first: 0, count: prefixes, mix }, expect: 0 }] },
        { sessions: [{ asNumber: 65_002, expect: prefixes }] },
      ],
    },
  };
}

/** Two receivers, of which one stops reading: what counts is the other. */
const stuckReader: Variant = {
  name: 'stuck-reader',
  plan: {
    prefixes,
    loads: [
      {
        sessions: [
          {
            asNumber: 65_001,
            feed: { first: 0, count: prefixes, mix: { kind: 'sets-of', size: 5 } },
            expect: 0,
          },
        ],
      },
      {
        sessions: [
          { asNumber: 65_002, expect: prefixes },
          { asNumber: 65_002, expect: 0, stuck: true },
        ],
      },
    ],
  },
};

await compare('bgp-table', flags, [
  variant('sets-20', { kind: 'grouped', sets: 20 }),
  variant('sets-20-interleaved', { kind: 'interleaved', sets: 20 }),
  variant('sets-of-5', { kind: 'sets-of', size: 5 }),
  variant('sets-of-1', { kind: 'sets-of', size: 1 }),
  stuckReader,
]);
