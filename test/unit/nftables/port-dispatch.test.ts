import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActivePolicy, CompiledRule, Direction, EndpointTier } from '../../../src/calc/output.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { Reconciler, type DesiredTable } from '../../../src/nftables/reconciler.ts';
import {
  type PolicyInTier,
  type RenderedTier,
  renderTier,
  tierChainName,
} from '../../../src/nftables/render/endpoint.ts';
import { footprintOf } from '../../../src/nftables/render/footprint.ts';
import { DEFAULT_RENDER_OPTIONS } from '../../../src/nftables/render/options.ts';
import { hasPass, policyChainName, renderPolicy } from '../../../src/nftables/render/policy.ts';
import { calculatedSet } from '../../../src/nftables/render/set-names.ts';
import { SharedSets } from '../../../src/nftables/render/sharing.ts';
import { TierTable } from '../../../src/nftables/render/tier-table.ts';
import type { ChainValue, Ruleset, SetValue, Statement } from '../../../src/nftables/ruleset.ts';
import { HTTP_SET, RULE_SHAPES, WEB_SET, peer, policy, rule } from './fixtures.ts';
import { type Packet, matchesHold } from './packet.ts';

const SETS: readonly SetValue[] = ([4, 6] as const).flatMap((family) =>
  [
    { id: 's:web', ...WEB_SET },
    { id: 's:other', ...WEB_SET, added: [] },
    { id: 'n:http', ...HTTP_SET },
  ].map(({ id, kind, description, added }) => ({
    ...calculatedSet(kind === 'addresses' ? 'networks' : 'ports', id, family, description),
    elements: added.filter((key) => key.includes(':') === (family === 6)).map((key) => ({ key })),
  })),
);

/** The rules, by comment, that a packet meets and that match, in order; ends with the verdict of the tier. */
class Walk {
  readonly met: string[] = [];
  private marked = false;

  constructor(
    private readonly chains: ReadonlyMap<string, ChainValue>,
    private readonly sets: readonly SetValue[],
    private readonly packet: Packet,
  ) {}

  /** The verdict; `return` if the chain leaves it open. */
  run(chain: string): 'accept' | 'drop' | 'return' {
    for (const { expr, comment } of this.chains.get(chain)!.rules) {
      const verdict = this.rule(expr, comment);
      if (verdict !== undefined) return verdict;
    }
    return 'return';
  }

  private rule(
    expr: readonly Statement[],
    comment: string | undefined,
  ): 'accept' | 'drop' | 'return' | undefined {
    for (const statement of expr) {
      if ('match' in statement) {
        const { match } = statement;
        const holds =
          match.op !== 'in' && '&' in match.left ? this.marked : matchesHold([match], this.packet, this.sets);
        if (!holds) return undefined;
      } else if ('vmap' in statement) {
        const { key, data } = statement.vmap;
        if ('concat' in key) throw new Error('not in a tier');
        const map = this.sets.find(({ name }) => `@${name}` === data)!;
        const element = map.elements.find((one) =>
          matchesHold([{ op: '==', left: key, right: data }], this.packet, [{ ...map, elements: [one] }]),
        );
        return element?.verdict === undefined ? undefined : this.rule([element.verdict], undefined);
      } else if ('mangle' in statement) {
        const { value } = statement.mangle;
        this.marked = typeof value === 'object' && '|' in value;
      } else if ('counter' in statement) {
        this.met.push(comment ?? '');
      } else if ('accept' in statement) return 'accept';
      else if ('drop' in statement) return 'drop';
      else if ('return' in statement) return 'return';
      else if ('goto' in statement) return this.run(statement.goto.target);
      else if ('jump' in statement) {
        const verdict = this.run(statement.jump.target);
        return verdict === 'return' ? undefined : verdict;
      }
    }
    return undefined;
  }

  get leavesMark(): boolean {
    return this.marked;
  }
}

const port = fc.oneof(fc.integer({ min: 78, max: 84 }), fc.constantFrom(0, 22, 53, 443, 8_080, 65_535));

/** Mostly rules about a port, as most are; some about sources alone. */
const arbitraryRule: fc.Arbitrary<CompiledRule> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...Object.values(RULE_SHAPES)) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        action: fc.constantFrom<CompiledRule['action'][]>('allow', 'deny', 'pass', 'log'),
        protocol: fc.constantFrom(undefined, 6, 17),
        nets: fc.subarray(['10.9.0.0/16', '10.65.0.2/32', '172.16.0.0/30', '172.16.0.8/30', 'fd99::/16'], {
          minLength: 1,
        }),
      })
      .map(({ action, protocol, nets }) =>
        rule({
          action,
          ...(protocol === undefined ? {} : { protocol }),
          source: peer({ nets: nets.map((net) => prefix(net)) }),
        }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        action: fc.constantFrom<CompiledRule['action'][]>('allow', 'deny', 'pass', 'log'),
        protocol: fc.constantFrom(6, 17, 132),
        ports: fc.array(fc.tuple(port, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 }),
        web: fc.boolean(),
      })
      .map(({ action, protocol, ports, web }) =>
        rule({
          action,
          protocol,
          source: peer(web ? { sets: ['s:web'] } : {}),
          destination: peer({
            ports: ports.map(([first, more]) => ({ first, last: Math.min(first + more, 65_535) })),
          }),
        }),
      ),
  },
);

const arbitraryPolicies: fc.Arbitrary<ActivePolicy[]> = fc
  .array(fc.array(arbitraryRule, { maxLength: 3 }), { minLength: 1, maxLength: 10 })
  .map((lists) =>
    lists.map((rules, index) =>
      policy(`p${index}`, { ingress: rules.map((one, number) => ({ ...one, id: `p${index}/${number}` })) }),
    ),
  );

const arbitraryPacket: fc.Arbitrary<Packet> = fc
  .record({
    source: fc.constantFrom(
      address('10.65.0.2'),
      address('10.9.9.9'),
      address('fd65::2'),
      address('fd99::9'),
    ),
    protocol: fc.constantFrom(6, 6, 6, 17, 17, 132, 136, 1, 58, 47),
    sport: port,
    dport: port,
    icmpType: fc.constantFrom(0, 8, 128),
    icmpCode: fc.constantFrom(0, 1),
  })
  .map((packet) => ({
    ...packet,
    destination: packet.source.includes(':') ? address('fd65::9') : address('10.65.0.9'),
  }));

describe('a tier that is dispatched by port', () => {
  function render(
    policies: readonly ActivePolicy[],
    defaultAction: 'deny' | 'pass',
    leastPolicies: number,
    listedPerPolicy = 100,
  ) {
    const chains = policies.map((one) => renderPolicy(one, 'policy', 'ingress', DEFAULT_RENDER_OPTIONS));
    const rendered: RenderedTier = renderTier(
      'ingress',
      { name: 'default', defaultAction, ingress: policies.map(({ id }) => id), egress: [] },
      (id) => {
        const index = policies.findIndex((one) => one.id === id);
        const { chain, sets } = chains[index]!;
        return { passes: hasPass(policies[index], 'ingress'), footprint: footprintOf(chain.rules, sets) };
      },
      DEFAULT_RENDER_OPTIONS,
      { leastPolicies, listedPerPolicy, sources: 100 },
    );
    const all = [...chains.map(({ chain }) => chain), ...rendered.chains];
    const maps = [...rendered.portMaps, ...rendered.sets];
    return {
      tier: rendered.chains[0].name,
      maps,
      chains: new Map(all.map((chain) => [chain.name, chain])),
      sets: [...SETS, ...chains.flatMap(({ sets }) => sets), ...maps],
    };
  }

  it('lets every packet meet the same matching rules, in the same order, as the plain list', () => {
    let dispatched = 0;
    let bySource = 0;
    fc.assert(
      fc.property(
        arbitraryPolicies,
        fc.constantFrom<('deny' | 'pass')[]>('deny', 'pass'),
        fc.constantFrom(100, 1),
        fc.array(arbitraryPacket, { minLength: 8, maxLength: 8 }),
        (policies, defaultAction, listedPerPolicy, packets) => {
          const plain = render(policies, defaultAction, Number.POSITIVE_INFINITY);
          const fast = render(policies, defaultAction, 1, listedPerPolicy);
          if (fast.maps.length > 0) dispatched++;
          if (fast.chains.has(`${fast.tier}-list`)) bySource++;
          for (const packet of packets) {
            const [one, other] = [plain, fast].map(({ chains, sets, tier }) => {
              const walk = new Walk(chains, sets, packet);
              return { verdict: walk.run(tier), met: walk.met, marked: walk.leavesMark };
            });
            expect(other).toEqual(one);
          }
        },
      ),
      { numRuns: 1_000 },
    );
    expect(dispatched).toBeGreaterThan(300);
    expect(bySource).toBeGreaterThan(30);
  });

  it('stays a list when every policy is about every port', () => {
    const policies = Array.from({ length: 20 }, (_, index) => policy(`p${index}`, { ingress: [rule()] }));
    expect(render(policies, 'deny', 4).maps).toEqual([]);
  });

  it('writes a few ports one by one into a hash, and wide ranges into a tree', () => {
    const policies = Array.from({ length: 50 }, (_, index) => {
      const ports = [{ first: 1_000 + index * 20, last: 1_000 + index * 20 + (index % 20) }];
      return policy(`p${index}`, { ingress: [rule({ protocol: 6, destination: peer({ ports }) })] });
    });
    const { maps, chains } = render(policies, 'deny', 4);
    expect(maps.map(({ interval }) => interval)).toEqual([false, true]);
    const [narrow, wide] = maps.map(({ elements }) => elements);
    expect(narrow!.every(({ key }) => !key.includes('-'))).toBe(true);
    // 17 to 20 ports, of policies 16 to 19 and 36 to 39.
    expect(wide!.map(({ key }) => key)).toEqual(
      [16, 17, 18, 19, 36, 37, 38, 39].map((index) => {
        const first = 1_000 + index * 20;
        return `${first}-${first + (index % 20)}`;
      }),
    );
    const ranges = [...narrow!, ...wide!]
      .map(({ key }) => key.split('-').map(Number))
      .toSorted(([a], [b]) => a! - b!);
    for (const [index, [first]] of ranges.entries()) {
      if (index > 0) expect(first).toBeGreaterThan(ranges[index - 1]!.at(-1)!);
    }
    for (const { verdict } of [...narrow!, ...wide!]) {
      const target = verdict !== undefined && 'goto' in verdict ? verdict.goto.target : '';
      expect(chains.has(target)).toBe(true);
    }
    expect(chains.get(policyChainName('policy', 'ingress', policies[0]!.id))!.rules.length).toBe(1);
  });

  describe('of which a policy changes', () => {
    /** A tier as the table has it, and the keys of elements that were written since it was asked last. */
    class Table {
      private readonly written = new Set<string>();
      private readonly reconciler = new Reconciler();
      private readonly tiers: TierTable;

      constructor(
        private policies: readonly ActivePolicy[],
        listedPerPolicy = 100,
      ) {
        const { reconciler, written } = this;
        const desired: DesiredTable = {
          setChain: (chain) => reconciler.setChain(chain),
          removeChain: (name) => reconciler.removeChain(name),
          setSet: (set) => reconciler.setSet(set),
          removeSet: (name) => reconciler.removeSet(name),
          keysOf: (set) => reconciler.keysOf(set),
          addElements: (set, elements) => {
            const all = [...elements];
            for (const { key } of all) written.add(key);
            reconciler.addElements(set, all);
          },
          removeElements: (set, keys) => {
            const all = [...keys];
            for (const key of all) written.add(key);
            reconciler.removeElements(set, all);
          },
        };
        const limits = { leastPolicies: 1, listedPerPolicy, sources: 100 };
        this.tiers = new TierTable(desired, new SharedSets(desired), this.known, limits);
        this.tiers.set('ingress', this.tier, DEFAULT_RENDER_OPTIONS);
      }

      private readonly known = (_: Direction, id: string): PolicyInTier => {
        const one = this.policies.find((known) => known.id === id)!;
        const { chain, sets } = renderPolicy(one, 'policy', 'ingress', DEFAULT_RENDER_OPTIONS);
        return { passes: hasPass(one, 'ingress'), footprint: footprintOf(chain.rules, sets) };
      };

      private get tier(): EndpointTier {
        const ingress = this.policies.map(({ id }) => id);
        return { name: 'default', defaultAction: 'deny', ingress, egress: [] };
      }

      change(policies: readonly ActivePolicy[], changed: readonly string[]): void {
        this.policies = policies;
        this.tiers.change('ingress', this.tier, changed, DEFAULT_RENDER_OPTIONS);
      }

      remove(): void {
        this.tiers.remove(tierChainName('ingress', this.tier));
      }

      ruleset(): Ruleset {
        return this.reconciler.ruleset('margay');
      }

      writtenKeys(): string[] {
        const keys = [...this.written].toSorted();
        this.written.clear();
        return keys;
      }
    }

    it('comes to the same chains and maps as when it is made anew, whatever changes', () => {
      fc.assert(
        fc.property(
          arbitraryPolicies,
          fc.array(fc.tuple(fc.nat({ max: 9 }), fc.array(arbitraryRule, { maxLength: 3 })), { maxLength: 6 }),
          fc.constantFrom(100, 2, 1),
          (first, changes, listedPerPolicy) => {
            const policies = [...first];
            const table = new Table(policies, listedPerPolicy);
            for (const [number, rules] of changes) {
              const index = number % policies.length;
              policies[index] = policy(`p${index}`, { ingress: rules });
              table.change(policies, [policies[index].id]);
              expect(table.ruleset()).toEqual(new Table(policies, listedPerPolicy).ruleset());
            }
            table.remove();
            expect(table.ruleset()).toMatchObject({ chains: [], sets: [] });
          },
        ),
        { numRuns: 300 },
      );
    });

    const onPorts = (index: number, ...ports: number[]): ActivePolicy =>
      policy(`p${index}`, {
        ingress: ports.map((first) =>
          rule({ protocol: 6, destination: peer({ ports: [{ first, last: first }] }) }),
        ),
      });

    it('writes the elements of the ports that moved, and no others', () => {
      const policies = Array.from({ length: 100 }, (_, index) =>
        onPorts(index, 1_000 + index, 1_001 + index),
      );
      const table = new Table(policies);
      expect(table.writtenKeys()).toHaveLength(101);
      policies[50] = onPorts(50, 1_050, 3_000);
      policies[70] = onPorts(70, 1_010, 1_071);
      table.change(policies, [policies[50].id, policies[70].id]);
      expect(table.writtenKeys()).toEqual(['1010', '1051', '1070', '3000']);
      expect(table.ruleset()).toEqual(new Table(policies).ruleset());
    });

    it('keeps the name of a map only while an element of it stands for the same', () => {
      const policies = Array.from({ length: 8 }, (_, index) => onPorts(index, 80 + index));
      const maps = (table: Table): string[] =>
        table.ruleset().sets.flatMap(({ name, interval }) => (interval ? [] : [name]));
      const [plain] = maps(new Table(policies));
      const other: Readonly<Record<string, ActivePolicy>> = {
        'asked about every packet': policy('p0', { ingress: [rule({ protocol: 1 })] }),
        'handing packets to the next tier': policy('p0', {
          ingress: onPorts(0, 80).ingress.map((one) => ({ ...one, action: 'pass' })),
        }),
      };
      for (const first of Object.values(other)) {
        const [name] = maps(new Table([first, ...policies.slice(1)]));
        expect(name).not.toBe(plain);
      }
      // Three on all ports, for some sources, are more than one a policy.
      const bySources = (...nets: string[]): string[] => {
        const denying = nets.map((net, index) =>
          policy(`d${index}`, { ingress: [rule({ source: peer({ nets: [prefix(net)] }) })] }),
        );
        return maps(new Table([...policies, ...denying], 1));
      };
      const [beside, another] = [
        bySources('10.1.0.0/16', '10.2.0.0/16'),
        bySources('10.1.0.0/16', '10.3.0.0/16'),
      ];
      expect(beside[0]).toContain('-beside-');
      expect(another[0]).toContain('-beside-');
      expect(another[0]).not.toBe(beside[0]);
    });
  });
});
