/** 100,000 routes of one BGP peer into the kernel: ours, BIRD's kernel protocol, zebra. Flags: --runs --peers --prefixes. */
import { readFileSync } from 'node:fs';
import { inNamespace } from '../../src/sys/netns.ts';
import { compare, compareFlags } from './bgp/compare.ts';

const flags = compareFlags(100_000);
const { prefixes } = flags;

/** Prefixes in the namespace's IPv4 tables, as its own trie counts them. */
function kernelPrefixes(namespace: string): number {
  const text = inNamespace(namespace, () => readFileSync('/proc/thread-self/net/fib_triestat', 'utf8'));
  return [...text.matchAll(/Prefixes:\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

await compare('fib', flags, [
  {
    name: 'install',
    withoutGobgp: true,
    plan: {
      prefixes,
      kernel: true,
      done: (namespace) => kernelPrefixes(namespace) >= prefixes,
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
      ],
    },
  },
]);
