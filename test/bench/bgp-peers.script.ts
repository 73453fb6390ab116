/**
 * Many peers that tell, one more that is told everything: 100 with 10,000 prefixes of their own each, and 10 with the
 * same 100,000. Flags: --runs --peers --prefixes (of all together) --limit --variants.
 */
import { compare, compareFlags } from './bgp/compare.ts';

const flags = compareFlags(1_000_000);
const each = Math.round(flags.prefixes / 100);
const same = Math.round(flags.prefixes / 10);
const mix = { kind: 'sets-of', size: 50 } as const;

await compare('bgp-peers', flags, [
  {
    name: `100-with-${each}`,
    plan: {
      prefixes: each * 100,
      withdraw: true,
      loads: [
        {
          sessions: Array.from({ length: 100 }, (_, index) => ({
            asNumber: 64_600 + index,
            feed: { first: index * each, count: each, mix },
            expect: 0,
          })),
        },
        { sessions: [{ asNumber: 65_002, expect: each * 100 }] },
      ],
    },
  },
  {
    name: `10-with-the-same-${same}`,
    plan: {
      prefixes: same,
      withdraw: true,
      loads: [
        {
          sessions: Array.from({ length: 10 }, (_, index) => ({
            asNumber: 64_600 + index,
            feed: { first: 0, count: same, mix },
            expect: 0,
          })),
        },
        { sessions: [{ asNumber: 65_002, expect: same }] },
      ],
    },
  },
]);
