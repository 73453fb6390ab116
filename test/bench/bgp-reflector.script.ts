/**
 * A route reflector: 500 clients with 10 prefixes each, all told to all; and 100,000 prefixes of one client told to 100
 * others. Flags: --runs --peers --prefixes (of the second) --limit --variants.
 */
import { compare, compareFlags } from './bgp/compare.ts';
import { SPEAKER_AS } from './bgp/speakers.ts';

const flags = compareFlags(100_000);
const clients = Math.max(10, Math.round(flags.prefixes / 200));
const own = 10;
const receivers = 100;

await compare('bgp-reflector', flags, [
  {
    name: `${clients}-clients`,
    plan: {
      prefixes: clients * own,
      loads: [
        {
          sessions: Array.from({ length: clients }, (_, index) => ({
            asNumber: SPEAKER_AS,
            feed: { first: index * own, count: own, mix: { kind: 'grouped', sets: 1 } as const },
            expect: (clients - 1) * own,
          })),
        },
      ],
    },
  },
  {
    name: `one-to-${receivers}`,
    plan: {
      prefixes: flags.prefixes,
      withdraw: true,
      loads: [
        {
          sessions: [
            {
              asNumber: SPEAKER_AS,
              feed: { first: 0, count: flags.prefixes, mix: { kind: 'sets-of', size: 5 } },
              expect: 0,
            },
          ],
        },
        {
          sessions: Array.from({ length: receivers }, () => ({
            asNumber: SPEAKER_AS,
            expect: flags.prefixes,
          })),
        },
      ],
    },
  },
]);
