/**
 * The part of the table that is there before any workload: base chains, dispatch, and what they look up.
 *
 * Two base chains hang on the forward hook, because a packet between two workloads of one node must pass the egress
 * policy of the one and the ingress policy of the other: an accept in the first ends that chain and goes on to the
 * second. Packets from the host itself to its workloads are not policed, as in Calico.
 */
import type { Direction, LocalEndpoint } from '../../calc/output.ts';
import { type Family, familyOf } from '../../net/address.ts';
import type {
  BaseChain,
  ChainValue,
  ConntrackState,
  Field,
  Match,
  Rule,
  SetValue,
  Statement,
} from '../ruleset.ts';
import { cutRules } from './cut-connections.ts';
import { joinPrefixes, prefixListSet } from './lists.ts';
import type { RenderOptions } from './options.ts';
import type { RenderedChain } from './policy.ts';
import { rateRules } from './qos.ts';
import {
  DISPATCH_SETS,
  INTERFACE_FIELDS,
  NEIGHBOUR_DISCOVERY_SET,
  PROFILE_VERDICT_SETS,
  reference,
  sourceSet,
} from './set-names.ts';

/** NF_IP_PRI_FILTER. */
const FILTER_PRIORITY = 0;
const DISPATCH_CHAINS: Readonly<Record<Direction, string>> = {
  egress: 'from-workload',
  ingress: 'to-workload',
};
const FOREIGN_SOURCE_CHAIN = 'foreign-source';

/** The sets that are always there. */
export function fixedSets(): SetValue[] {
  return [
    { ...DISPATCH_SETS.egress, elements: [] },
    { ...DISPATCH_SETS.ingress, elements: [] },
    { ...PROFILE_VERDICT_SETS.egress, elements: [] },
    { ...PROFILE_VERDICT_SETS.ingress, elements: [] },
    { ...sourceSet(4), elements: [] },
    { ...sourceSet(6), elements: [] },
    NEIGHBOUR_DISCOVERY_SET,
  ];
}

/** The chains that are always there, but for {@link dispatchChain}. */
export function fixedChains(options: RenderOptions): ChainValue[] {
  const base = (hook: BaseChain['hook'], offset: number): BaseChain => ({
    type: 'filter',
    hook,
    prio: FILTER_PRIORITY + offset,
    policy: 'accept',
  });
  const dispatch = (direction: Direction): Rule[] =>
    workloads(options, direction, [{ goto: { target: DISPATCH_CHAINS[direction] } }]);
  return [
    { name: 'forward-egress', base: base('forward', 0), rules: dispatch('egress') },
    { name: 'forward-ingress', base: base('forward', 1), rules: dispatch('ingress') },
    {
      name: 'input-egress',
      base: base('input', 0),
      rules: [...acceptNeighbourDiscovery(options), ...dispatch('egress')],
    },
    { name: 'input-to-host', base: base('input', 1), rules: toHost(options) },
  ];
}

/** The chain that finds the place at which a workload's packets are judged; some rules ask about groups of them, some
 * endpoints are `limited`. */
export function dispatchChain(
  direction: Direction,
  options: RenderOptions,
  groupRules: readonly Rule[],
  limited: readonly LocalEndpoint[],
): ChainValue {
  const isEgress = direction === 'egress';
  const rules = [
    ...(isEgress ? spoofProtection() : []),
    ...rateRules(direction, limited),
    ...dispatchRules(direction, options, isEgress ? tunnelRules(options) : [], groupRules),
  ];
  return { name: DISPATCH_CHAINS[direction], rules };
}

/** The same rule for every prefix that workload interfaces may have. */
function workloads(
  options: RenderOptions,
  direction: Direction,
  statements: readonly Statement[],
  comment?: string,
): Rule[] {
  return options.interfacePrefixes.map((prefix) => ({
    ...(comment === undefined ? {} : { comment }),
    expr: [{ match: { op: '==', left: INTERFACE_FIELDS[direction], right: `${prefix}*` } }, ...statements],
  }));
}

/** Never forwarded, sent from addresses that are not the workload's yet, and needed before any policy makes sense. */
function acceptNeighbourDiscovery(options: RenderOptions): Rule[] {
  const type: Field = { payload: { protocol: 'icmpv6', field: 'type' } };
  return workloads(options, 'egress', [
    { match: { op: '==', left: type, right: reference(NEIGHBOUR_DISCOVERY_SET) } },
    { accept: null },
  ]);
}

function inState(states: readonly ConntrackState[]): Statement {
  return { match: { op: 'in', left: { ct: { key: 'state' } }, right: states } };
}

/** What a workload may send to the host once its egress policy has let it. */
function toHost(options: RenderOptions): Rule[] {
  const rules = [
    ...acceptNeighbourDiscovery(options),
    ...workloads(options, 'egress', [inState(['established', 'related']), { accept: null }]),
  ];
  switch (options.endpointToHostAction) {
    case 'Drop':
      return [
        ...rules,
        ...workloads(options, 'egress', [{ counter: null }, { drop: null }], 'workload to host'),
      ];
    case 'Accept':
      return [
        ...rules,
        ...workloads(options, 'egress', [{ counter: null }, { accept: null }], 'workload to host'),
      ];
    case 'Return':
      return rules;
    default:
      return options.endpointToHostAction satisfies never;
  }
}

/**
 * Before anything else, conntrack included: a packet with another's source address could otherwise join another's
 * connection.
 */
function spoofProtection(): Rule[] {
  return ([4, 6] as const).map((family: Family) => ({
    comment: "source address is not the workload's",
    expr: [
      {
        match: {
          op: '!=',
          left: {
            concat: [
              INTERFACE_FIELDS.egress,
              { payload: { protocol: family === 4 ? 'ip' : 'ip6', field: 'saddr' } },
            ],
          },
          right: reference(sourceSet(family)),
        },
      },
      { jump: { target: FOREIGN_SOURCE_CHAIN } },
    ],
  }));
}

/** The end of packets whose source is not the workload's, but for endpoints that may send from more. */
export function foreignSourceChain(
  endpoints: readonly Pick<LocalEndpoint, 'interfaceName' | 'allowSpoofedSourcePrefixes'>[],
  options: RenderOptions,
): RenderedChain {
  const sets: SetValue[] = [];
  const exceptions = endpoints.flatMap(({ interfaceName, allowSpoofedSourcePrefixes = [] }) =>
    options.families.flatMap((family): Rule[] => {
      const own = allowSpoofedSourcePrefixes.filter((prefix) => familyOf(prefix) === family);
      if (own.length === 0 || !options.allowSpoofing) return [];
      const set = prefixListSet(joinPrefixes(own, family), family);
      sets.push(set);
      const source: Field = { payload: { protocol: family === 4 ? 'ip' : 'ip6', field: 'saddr' } };
      return [
        {
          expr: [
            { match: { op: '==', left: INTERFACE_FIELDS.egress, right: interfaceName } },
            { match: { op: '==', left: source, right: reference(set) } },
            { return: null },
          ],
        },
      ];
    }),
  );
  const end: Rule = {
    comment: "source address is not the workload's",
    expr: [{ counter: null }, { drop: null }],
  };
  return { chain: { name: FOREIGN_SOURCE_CHAIN, rules: [...exceptions, end] }, sets };
}

const IPPROTO_IPIP = 4;

/** Tunnels end at nodes: a packet that a workload wraps itself would seem to come from a node. */
function tunnelRules({ blockedTunnels: { vxlanPort, ipip } }: RenderOptions): Rule[] {
  const blocked = (comment: string, match: Match): Rule => ({
    comment,
    expr: [{ match }, { counter: null }, { drop: null }],
  });
  const vxlan = { payload: { protocol: 'udp', field: 'dport' } } as const;
  return [
    ...(vxlanPort === undefined
      ? []
      : [blocked('VXLAN from a workload', { op: '==', left: vxlan, right: vxlanPort })]),
    ...(ipip
      ? [
          blocked('IP-in-IP from a workload', {
            op: '==',
            left: { meta: { key: 'l4proto' } },
            right: IPPROTO_IPIP,
          }),
        ]
      : []),
  ];
}

/**
 * Replies and related packets pass whatever policy says now; the rest goes to the endpoint's place. The dispatch
 * jumps and does not go: should a packet in flight meet the new map and the chain as it was before the transaction
 * that made it (empty), it comes back here and is dropped.
 */
function dispatchRules(
  direction: Direction,
  options: RenderOptions,
  beforePolicy: readonly Rule[],
  groupRules: readonly Rule[],
): Rule[] {
  const invalid: Rule = {
    comment: 'invalid conntrack state',
    expr: [inState(['invalid']), { counter: null }, { drop: null }],
  };
  return [
    ...cutRules(options),
    { expr: [inState(['established', 'related']), { accept: null }] },
    ...(options.dropInvalid ? [invalid] : []),
    ...beforePolicy,
    { expr: [{ vmap: { key: INTERFACE_FIELDS[direction], data: reference(DISPATCH_SETS[direction]) } }] },
    ...groupRules,
    { comment: 'unknown workload interface', expr: [{ counter: null }, { drop: null }] },
  ];
}
