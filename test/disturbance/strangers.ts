/** What others do to our table with nft: changes of every kind of object, drawn from what the table holds. */
import { run, runChecked } from '../../src/sys/process.ts';
import type { Random } from '../fuzz/random.ts';

interface Listed {
  readonly chain?: { readonly name: string };
  readonly rule?: { readonly chain: string; readonly handle: number };
  readonly set?: ListedSet;
  readonly map?: ListedSet;
}

interface ListedSet {
  readonly name: string;
  readonly type: string | readonly string[];
  readonly elem?: readonly unknown[];
}

const TABLE = ['inet', 'margay'] as const;

/** A change: its name, and the arguments of nft. */
interface Change {
  readonly name: string;
  readonly args: readonly string[];
}

/** Makes one change that nft accepts. Returns what it was. */
export async function disturbTable(namespace: string, random: Random): Promise<string> {
  for (;;) {
    const listing = await runChecked('nft', ['-j', 'list', 'table', ...TABLE], { namespace });
    const objects = (JSON.parse(listing) as { nftables: readonly Listed[] }).nftables;
    const { name, args } = random.one(changes(objects, random));
    const { status } = await run('nft', [...args], { namespace });
    // What is in use cannot be deleted: that would have been no disturbance.
    if (status === 0) return `${name}: nft ${args.join(' ')}`;
  }
}

function changes(objects: readonly Listed[], random: Random): Change[] {
  const chains = objects.flatMap(({ chain }) => (chain === undefined ? [] : [chain.name]));
  const rules = objects.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  const sets = objects.flatMap(({ set, map }) => set ?? map ?? []);
  const chain = random.one(chains);
  const rule = random.one(rules);
  const filled = sets.filter(({ elem }) => elem !== undefined && elem.length > 0);
  const addresses = sets.filter(({ type }) => type === 'ipv4_addr');
  return [
    { name: 'flush ruleset', args: ['flush', 'ruleset'] },
    { name: 'delete table', args: ['delete', 'table', ...TABLE] },
    { name: 'flush table', args: ['flush', 'table', ...TABLE] },
    { name: 'flush chain', args: ['flush', 'chain', ...TABLE, rule.chain] },
    { name: 'delete rule', args: ['delete', 'rule', ...TABLE, rule.chain, 'handle', String(rule.handle)] },
    {
      name: 'insert rule',
      args: ['insert', 'rule', ...TABLE, chain, random.one(['accept', 'drop', 'return'])],
    },
    { name: 'add rule', args: ['add', 'rule', ...TABLE, chain, 'counter', 'accept'] },
    {
      name: 'replace rule',
      args: ['replace', 'rule', ...TABLE, rule.chain, 'handle', String(rule.handle), 'accept'],
    },
    { name: 'add chain', args: ['add', 'chain', ...TABLE, 'strange'] },
    {
      name: 'add base chain',
      args: ['add', 'chain', ...TABLE, 'strange', '{ type filter hook forward priority -5; }'],
    },
    {
      name: 'add set',
      args: ['add', 'set', ...TABLE, 'strange', '{ type ipv4_addr; elements = { 203.0.113.1 } }'],
    },
    ...(filled.length === 0
      ? []
      : [{ name: 'flush set', args: ['flush', 'set', ...TABLE, random.one(filled).name] }]),
    ...(addresses.length === 0
      ? []
      : [
          {
            name: 'add element',
            args: ['add', 'element', ...TABLE, random.one(addresses).name, '{ 203.0.113.7 }'],
          },
        ]),
  ];
}

/** Our table as nft lists it, without handles and counts: equal for tables that do the same; undefined if there is none. */
export async function tableText(namespace: string): Promise<string | undefined> {
  const { status, stdout } = await run('nft', ['list', 'table', ...TABLE], { namespace });
  return status === 0
    ? stdout
        .replaceAll(/packets [0-9]+ bytes [0-9]+/g, '')
        .split('\n')
        .toSorted()
        .join('\n')
    : undefined;
}
