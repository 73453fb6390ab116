/** What every NftablesKernel does: run on the kernel's netlink and on memory. */
import { describe, expect, it } from 'vitest';
import {
  type ForeignChange,
  type NftablesKernel,
  type Operation,
  RejectedError,
  StaleError,
} from '../../../src/nftables/kernel.ts';
import type { Element, NamedSet, Rule } from '../../../src/nftables/ruleset.ts';

export interface ContractKernel {
  readonly kernel: NftablesKernel;
  readonly foreignChanges: readonly ForeignChange[];
}

export interface ContractPlace {
  open(ownership?: 'never'): ContractKernel;
  /** Commits as somebody else; rejects as the kernel refuses. */
  stranger(operations: readonly Operation[]): Promise<unknown>;
  /** Lets notifications arrive. */
  settle(condition: () => boolean): Promise<void>;
}

const ADDRESSES: NamedSet = { name: 'addresses', type: ['ipv4_addr'], interval: true, verdicts: false };
const ADDRESSES6: NamedSet = { name: 'addresses6', type: ['ipv6_addr'], interval: true, verdicts: false };
const PORTS: NamedSet = { name: 'ports', type: ['inet_service'], interval: true, verdicts: false };
const NAMED: NamedSet = {
  name: 'named',
  type: ['ipv4_addr', 'inet_proto', 'inet_service'],
  interval: false,
  verdicts: false,
  counters: true,
  comment: 'named ports',
};
const BOXES: NamedSet = {
  name: 'boxes',
  type: ['ipv6_addr', 'inet_proto', 'inet_service'],
  interval: true,
  verdicts: true,
};
const DISPATCH: NamedSet = {
  name: 'dispatch',
  type: ['ifname'],
  interval: false,
  verdicts: true,
  counters: true,
};
const MARKS: NamedSet = { name: 'marks', type: ['mark'], interval: false, verdicts: false };

const addSet = (set: NamedSet): Operation => ({ kind: 'add-set', set });
const addChain = (name: string): Operation => ({ kind: 'add-chain', chain: { name } });
const addRule = (chain: string, rule: Rule, before?: number): Operation =>
  before === undefined ? { kind: 'add-rule', chain, rule } : { kind: 'add-rule', chain, rule, before };
const elements = (set: NamedSet, ...list: (string | Element)[]): Operation => ({
  kind: 'add-elements',
  set,
  elements: list.map((one) => (typeof one === 'string' ? { key: one } : one)),
});
const without = (set: NamedSet, ...keys: string[]): Operation => ({
  kind: 'delete-elements',
  set,
  elements: keys.map((key) => ({ key })),
});
const drop = (comment: string): Rule => ({ comment, expr: [{ counter: null }, { drop: null }] });
const jump = (target: string): Rule => ({ expr: [{ jump: { target } }] });
const lookUp = (set: string): Rule => ({
  expr: [
    {
      match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: `@${set}` },
    },
    { accept: null },
  ],
});
const dispatchRule: Rule = { expr: [{ vmap: { key: { meta: { key: 'iifname' } }, data: '@dispatch' } }] };
const to = (key: string, target: string): Element => ({ key, verdict: { jump: { target } } });
const base: Operation = {
  kind: 'add-chain',
  chain: { name: 'base', base: { type: 'filter', hook: 'forward', prio: 1, policy: 'accept' } },
};

/** What each transaction on an empty table is refused for; the last operation is the one refused. */
const REFUSALS: readonly (readonly [what: string, errno: string, operations: readonly Operation[]])[] = [
  ['adding a chain that is there', 'EEXIST', [addChain('a'), addChain('a')]],
  ['adding a set that is there', 'EEXIST', [addSet(PORTS), addSet(PORTS)]],
  ['deleting a chain that is not there', 'ENOENT', [{ kind: 'delete-chain', chain: 'a' }]],
  ['flushing a chain that is not there', 'ENOENT', [{ kind: 'flush-chain', chain: 'a' }]],
  ['deleting a set that is not there', 'ENOENT', [{ kind: 'delete-set', set: 'ports' }]],
  ['a rule in a chain that is not there', 'ENOENT', [addRule('a', drop('x'))]],
  ['a jump to a chain that is not there', 'ENOENT', [addChain('a'), addRule('a', jump('b'))]],
  ['a jump to a base chain', 'EOPNOTSUPP', [addChain('a'), base, addRule('a', jump('base'))]],
  ['a lookup in a set that is not there', 'ENOENT', [addChain('a'), addRule('a', lookUp('addresses'))]],
  ['a rule before one that is not there', 'ENOENT', [addChain('a'), addRule('a', drop('x'), 999)]],
  [
    'deleting a rule that is not there',
    'ENOENT',
    [addChain('a'), { kind: 'delete-rule', chain: 'a', handle: 999 }],
  ],
  ['elements for a set that is not there', 'ENOENT', [elements(PORTS, '80')]],
  ['deleting an element that is not there', 'ENOENT', [addSet(PORTS), without(PORTS, '80')]],
  [
    'deleting a part of an interval',
    'ENOENT',
    [addSet(PORTS), elements(PORTS, '80-90'), without(PORTS, '80-85')],
  ],
  ['an element that jumps nowhere', 'ENOENT', [addSet(DISPATCH), elements(DISPATCH, to('cali1', 'a'))]],
  [
    'an element with another verdict',
    'EEXIST',
    [
      addSet(DISPATCH),
      addChain('a'),
      addChain('b'),
      elements(DISPATCH, to('cali1', 'a')),
      elements(DISPATCH, to('cali1', 'b')),
    ],
  ],
  [
    'an interval inside another',
    'EEXIST',
    [addSet(ADDRESSES), elements(ADDRESSES, '10.0.0.0/8'), elements(ADDRESSES, '10.1.0.0/16')],
  ],
  [
    'an interval around another',
    'EEXIST',
    [addSet(ADDRESSES6), elements(ADDRESSES6, 'fd00:1::/32'), elements(ADDRESSES6, 'fd00::/8')],
  ],
  ['intervals that overlap', 'EEXIST', [addSet(PORTS), elements(PORTS, '80-90'), elements(PORTS, '85-95')]],
  [
    'boxes that overlap',
    'EEXIST',
    [
      addSet(BOXES),
      elements(BOXES, { key: 'fd00::/64,6,80-90', verdict: { accept: null } }),
      elements(BOXES, { key: 'fd00::/16,6,90', verdict: { drop: null } }),
    ],
  ],
  [
    'deleting a chain that a rule jumps to',
    'EBUSY',
    [addChain('a'), addChain('b'), addRule('a', jump('b')), { kind: 'delete-chain', chain: 'b' }],
  ],
  [
    'deleting a chain that an element jumps to',
    'EBUSY',
    [
      addChain('a'),
      addSet(DISPATCH),
      elements(DISPATCH, to('cali1', 'a')),
      { kind: 'delete-chain', chain: 'a' },
    ],
  ],
  [
    'deleting a set that a rule looks up',
    'EBUSY',
    [
      addSet(ADDRESSES),
      addChain('a'),
      addRule('a', lookUp('addresses')),
      { kind: 'delete-set', set: 'addresses' },
    ],
  ],
];

const SET_CONTENTS: readonly (readonly [NamedSet, readonly Element[]])[] = [
  [
    ADDRESSES,
    ['0.0.0.0/32', '10.0.0.0/24', '10.0.1.0/24', '10.0.2.1/32', '192.168.0.0/16', '255.255.255.255/32'].map(
      (key) => ({
        key,
      }),
    ),
  ],
  [ADDRESSES6, ['::/128', 'fd00::/8', 'fe80::1/128', 'ffff::/16'].map((key) => ({ key }))],
  [PORTS, [{ key: '0-21' }, { key: '22', comment: 'ssh' }, { key: '23-80' }, { key: '65535' }]],
  [
    NAMED,
    [{ key: '10.0.0.1,6,80', comment: 'default/NetworkPolicy/a/b/ingress/0' }, { key: '10.0.0.1,17,53' }],
  ],
  [
    BOXES,
    [
      { key: 'fd00::/64,6,80-90', verdict: { accept: null } },
      { key: 'fd00:1::/64,17,53', verdict: { drop: null } },
    ],
  ],
  [MARKS, [{ key: '65536' }, { key: '4294901760' }]],
];

async function refused(work: Promise<unknown>): Promise<RejectedError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RejectedError);
  return error as RejectedError;
}

const key = ({ element }: { readonly element: Element }): string => element.key;

/** Registers the suite; `place` makes an empty namespace for each test. */
export function describeKernelContract(name: string, place: () => ContractPlace): void {
  describe(`${name}: transactions`, () => {
    const claimed = async (): Promise<NftablesKernel> => {
      const { kernel } = place().open();
      await kernel.claim();
      return kernel;
    };

    it('makes the table, empty, and adopts it when claimed again', async () => {
      const kernel = await claimed();
      expect(await kernel.dumpTable()).toEqual({ chains: [], sets: [] });
      expect(await kernel.claim()).toBe('owned');
    });

    it('finds no table before it is claimed', async () => {
      expect(await place().open().kernel.dumpTable()).toBeUndefined();
    });

    it('gives the handles of added rules in order and keeps rules where they were put', async () => {
      const kernel = await claimed();
      const [first, third] = await kernel.transaction([
        addChain('a'),
        addRule('a', drop('1')),
        addRule('a', drop('3')),
      ]);
      const [second, fourth, zeroth] = await kernel.transaction([
        addRule('a', drop('2'), third),
        addRule('a', drop('4')),
        addRule('a', drop('0'), first),
      ]);
      const rules = (await kernel.dumpTable())!.chains[0]!.rules;
      expect(rules.map((rule) => [rule.comment, rule.handle])).toEqual([
        ['0', zeroth],
        ['1', first],
        ['2', second],
        ['3', third],
        ['4', fourth],
      ]);
      await kernel.transaction([{ kind: 'delete-rule', chain: 'a', handle: second! }]);
      const left = (await kernel.dumpTable())!.chains[0]!.rules;
      expect(left.map((rule) => rule.comment)).toEqual(['0', '1', '3', '4']);
    });

    it('gives back chains as they were made', async () => {
      const kernel = await claimed();
      const regular = { name: 'a', comment: 'prod/web' };
      await kernel.transaction([base, { kind: 'add-chain', chain: regular }]);
      const { chains } = (await kernel.dumpTable())!;
      expect(chains.map(({ chain }) => chain)).toEqual([
        (base as Extract<Operation, { kind: 'add-chain' }>).chain,
        regular,
      ]);
    });

    it.each(SET_CONTENTS)('gives back set $name with its elements', async (set, content) => {
      const kernel = await claimed();
      await kernel.transaction([addSet(set), { kind: 'add-elements', set, elements: content }]);
      const [dump] = (await kernel.dumpTable())!.sets;
      expect(dump!.set).toEqual(set);
      const byKey = (a: Element, b: Element): number => (a.key < b.key ? -1 : 1);
      expect(dump!.elements.map(({ element }) => element).toSorted(byKey)).toEqual(
        [...content].toSorted(byKey),
      );
      await kernel.transaction([{ kind: 'delete-elements', set, elements: content }]);
      expect((await kernel.dumpTable())!.sets[0]!.elements).toEqual([]);
    });

    it.each(REFUSALS)(
      'refuses %s with %s, and does nothing of the transaction',
      async (_, errno, operations) => {
        const kernel = await claimed();
        const marker = addChain('marker');
        const error = await refused(kernel.transaction([marker, ...operations]));
        expect(error.errno).toBe(errno);
        expect(error.index).toBe(operations.length);
        expect(error.rejected).toBe(operations.at(-1));
        expect(await kernel.dumpTable()).toEqual({ chains: [], sets: [] });
      },
    );

    it('refuses chains that jump in a circle', async () => {
      const kernel = await claimed();
      const circle = [
        base,
        addChain('a'),
        addChain('b'),
        addRule('base', jump('a')),
        addRule('a', jump('b')),
        addRule('b', jump('a')),
      ];
      await refused(kernel.transaction(circle));
      expect(await kernel.dumpTable()).toEqual({ chains: [], sets: [] });
    });

    it('takes an element that is there already for done', async () => {
      const kernel = await claimed();
      await kernel.transaction([addSet(ADDRESSES), elements(ADDRESSES, '10.0.0.0/8')]);
      await kernel.transaction([elements(ADDRESSES, '10.0.0.0/8')]);
      expect((await kernel.dumpTable())!.sets[0]!.elements.map(key)).toEqual(['10.0.0.0/8']);
    });

    it('replaces an interval by one around it in one transaction', async () => {
      const kernel = await claimed();
      await kernel.transaction([addSet(ADDRESSES), elements(ADDRESSES, '10.0.0.0/24', '10.0.1.0/24')]);
      await kernel.transaction([
        without(ADDRESSES, '10.0.0.0/24', '10.0.1.0/24'),
        elements(ADDRESSES, '10.0.0.0/23'),
      ]);
      expect((await kernel.dumpTable())!.sets[0]!.elements.map(key)).toEqual(['10.0.0.0/23']);
    });

    it('moves an element to another chain in one transaction', async () => {
      const kernel = await claimed();
      await kernel.transaction([
        addSet(DISPATCH),
        addChain('a'),
        addChain('b'),
        addRule('a', drop('x')),
        elements(DISPATCH, to('cali1', 'a')),
      ]);
      await kernel.transaction([
        without(DISPATCH, 'cali1'),
        elements(DISPATCH, to('cali1', 'b')),
        { kind: 'delete-chain', chain: 'a' },
      ]);
      const dump = (await kernel.dumpTable())!;
      expect(dump.chains.map(({ chain }) => chain.name)).toEqual(['b']);
      expect(dump.sets[0]!.elements.map(({ element }) => element)).toEqual([to('cali1', 'b')]);
    });

    it('deletes chains that jump to one another, and the map that leads to them, at once', async () => {
      const kernel = await claimed();
      await kernel.transaction([
        base,
        addSet(DISPATCH),
        addChain('a'),
        addChain('b'),
        addRule('a', jump('b')),
        elements(DISPATCH, to('cali1', 'a')),
        addRule('base', dispatchRule),
      ]);
      await kernel.transaction([
        { kind: 'flush-chain', chain: 'base' },
        { kind: 'flush-chain', chain: 'a' },
        { kind: 'delete-set', set: 'dispatch' },
        { kind: 'delete-chain', chain: 'b' },
        { kind: 'delete-chain', chain: 'a' },
        { kind: 'delete-chain', chain: 'base' },
      ]);
      expect(await kernel.dumpTable()).toEqual({ chains: [], sets: [] });
    });

    it('makes the table anew in one transaction', async () => {
      const kernel = await claimed();
      await kernel.transaction([addChain('a')]);
      await kernel.transaction([{ kind: 'delete-table' }, { kind: 'add-table' }, addChain('b')]);
      expect((await kernel.dumpTable())!.chains.map(({ chain }) => chain.name)).toEqual(['b']);
    });

    it('takes more elements than fit one message', async () => {
      const kernel = await claimed();
      const many = Array.from({ length: 5000 }, (_, index) => ({
        key: `10.${index >> 8}.${index & 255}.1,6,80`,
      }));
      await kernel.transaction([addSet(NAMED), { kind: 'add-elements', set: NAMED, elements: many }]);
      expect((await kernel.dumpTable())!.sets[0]!.elements.length).toBe(many.length);
      await kernel.transaction([{ kind: 'delete-elements', set: NAMED, elements: many.slice(1) }]);
      expect((await kernel.dumpTable())!.sets[0]!.elements.map(key)).toEqual([many[0]!.key]);
    });

    it('says that it is closed', async () => {
      const kernel = await claimed();
      kernel.close();
      await expect(kernel.transaction([addChain('a')])).rejects.toMatchObject({ errno: 'EBADF' });
    });
  });

  describe(`${name}: who may change the table`, () => {
    it('keeps others out of a table that it owns', async () => {
      const here = place();
      const { kernel } = here.open();
      expect(await kernel.claim()).toBe('owned');
      expect((await refused(here.stranger([addChain('theirs')]))).errno).toBe('EPERM');
      await expect(here.open().kernel.claim()).rejects.toMatchObject({ errno: 'EPERM' });
    });

    it('leaves the table when it closes, and the next one adopts it with its handles', async () => {
      const here = place();
      const { kernel } = here.open();
      await kernel.claim();
      const handles = await kernel.transaction([addChain('a'), addRule('a', drop('x'))]);
      kernel.close();
      const { kernel: next } = here.open();
      expect(await next.claim()).toBe('owned');
      expect((await next.dumpTable())!.chains[0]!.rules.map((rule) => rule.handle)).toEqual(handles);
      expect((await refused(here.stranger([addChain('theirs')]))).errno).toBe('EPERM');
    });

    it('tells of foreign changes of a shared table, and refuses to go on before it is read again', async () => {
      const here = place();
      const { kernel, foreignChanges } = here.open('never');
      expect(await kernel.claim()).toBe('shared');
      await kernel.dumpTable();
      await kernel.transaction([addChain('mine')]);
      await here.stranger([addChain('theirs')]);
      await here.settle(() => foreignChanges.length > 0);
      expect(foreignChanges).toMatchObject([{ kind: 'changed' }]);
      await expect(kernel.transaction([addChain('next')])).rejects.toBeInstanceOf(StaleError);
      const dump = (await kernel.dumpTable())!;
      expect(dump.chains.map(({ chain }) => chain.name)).toEqual(['mine', 'theirs']);
      await kernel.transaction([addChain('next')]);
      expect(foreignChanges.length).toBe(1);
    });

    it('tells when a shared table is deleted', async () => {
      const here = place();
      const { kernel, foreignChanges } = here.open('never');
      await kernel.claim();
      await kernel.dumpTable();
      await here.stranger([{ kind: 'delete-table' }]);
      await here.settle(() => foreignChanges.length > 0);
      expect(foreignChanges).toMatchObject([{ kind: 'table-deleted' }]);
      expect(await kernel.dumpTable()).toBeUndefined();
      await kernel.transaction([{ kind: 'add-table' }, addChain('mine')]);
    });

    it('does not take a table over that was made without an owner', async () => {
      const here = place();
      const { kernel: first } = here.open('never');
      await first.claim();
      first.close();
      expect(await here.open().kernel.claim()).toBe('shared');
    });
  });
}
