/**
 * A restart: once everyone has everything, the speaker is killed (kill -9) and started again, as after a crash. Its
 * peers help (RFC 4724), connect every 20 ms and tell everything anew; time runs from the new start until each peer has
 * everything again and its end-of-RIB. Processor time and memory are those of the new process. Flags: --runs --peers --prefixes --variants --limit.
 */
import { compare, compareFlags } from './bgp/compare.ts';

const flags = compareFlags(100_000);
const { prefixes } = flags;
const mix = { kind: 'sets-of', size: 5 } as const;
const NODES = 50;
const own = Math.floor(prefixes / 100 / NODES);

await compare('bgp-restart', flags, [
  {
    name: `table-to-${NODES}`,
    plan: {
      prefixes,
      restart: true,
      loads: [
        { sessions: [{ asNumber: 65_001, feed: { first: 0, count: prefixes, mix }, expect: 0 }] },
        {
          sessions: Array.from({ length: NODES }, (_, index) => ({
            asNumber: 65_100 + index,
            expect: prefixes,
          })),
        },
      ],
    },
  },
  {
    name: `${NODES}-nodes-of-${own}`,
    plan: {
      prefixes: NODES * own,
      restart: true,
      loads: [
        {
          sessions: Array.from({ length: NODES }, (_, index) => ({
            asNumber: 65_100 + index,
            feed: { first: index * own, count: own, mix },
            expect: (NODES - 1) * own,
          })),
        },
      ],
    },
  },
]);
