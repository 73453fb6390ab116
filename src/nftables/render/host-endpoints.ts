/**
 * Host endpoints as chains. Nothing of this is in the table while the node has none.
 *
 *     prerouting -300   untracked ingress          output -300   untracked egress
 *     prerouting -150   preDNAT ingress            output    0   normal egress
 *     forward      -1   forward ingress            forward   2   forward egress
 *     input         2   normal ingress
 *
 * Each of these base chains looks the interface up in a verdict map and then tries the endpoint of all interfaces.
 * What untracked or preDNAT policy accepts is marked, and passes later policy, but for forward policy where it leaves. The
 * endpoint of all interfaces has workloads' interfaces, too, for what preDNAT and forward policy say; normal policy is
 * not asked about them: workloads have their own, and `defaultEndpointToHostAction` (felix rules/dispatch.go).
 */
import type { Direction, EndpointTier, HostStage, LocalHostEndpoint } from '../../calc/output.ts';
import type { FailsafePort } from '../../calc/felix-config.ts';
import { familyOf } from '../../net/address.ts';
import { isHostPrefix, prefixAddress, prefixLength } from '../../net/prefix.ts';
import { commentText, objectName } from '../names.ts';
import type {
  AddressPayload,
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
import { policiesIn, tierChainName } from './endpoint.ts';
import type { RenderOptions } from './options.ts';
import { policyChainName } from './policy.ts';
import { HOST_DISCOVERY_SET, reference } from './set-names.ts';

/** A host endpoint and what it stands for now. */
export interface ActiveHostEndpoint {
  readonly endpoint: LocalHostEndpoint;
  /** Names; `*` for every interface that no other endpoint stands for. */
  readonly interfaces: readonly string[];
}

/** What a chain of a host endpoint jumps to. */
export interface HostChainUse {
  /** The chain's name. */
  readonly user: string;
  readonly direction: Direction;
  readonly tiers: readonly EndpointTier[];
  readonly profiles: readonly string[];
}

export interface RenderedHostEndpoints {
  readonly chains: readonly ChainValue[];
  readonly sets: readonly SetValue[];
  readonly uses: readonly HostChainUse[];
}

interface Place {
  readonly stage: HostStage;
  readonly direction: Direction;
  readonly hook: BaseChain['hook'];
  readonly priority: number;
  /** Names of the base chain, the verdict map and, with the endpoint's, the chains that it leads to. */
  readonly name: string;
  /** Whether the host is one end of the packet, or may be. */
  readonly local: boolean;
}

const PLACES: readonly Place[] = [
  {
    stage: 'untracked',
    direction: 'ingress',
    hook: 'prerouting',
    priority: -300,
    name: 'host-untracked-in',
    local: true,
  },
  {
    stage: 'untracked',
    direction: 'egress',
    hook: 'output',
    priority: -300,
    name: 'host-untracked-out',
    local: true,
  },
  {
    stage: 'preDNAT',
    direction: 'ingress',
    hook: 'prerouting',
    priority: -150,
    name: 'host-pre-dnat',
    local: true,
  },
  {
    stage: 'forward',
    direction: 'ingress',
    hook: 'forward',
    priority: -1,
    name: 'host-forward-in',
    local: false,
  },
  {
    stage: 'forward',
    direction: 'egress',
    hook: 'forward',
    priority: 2,
    name: 'host-forward-out',
    local: false,
  },
  {
    stage: 'normal',
    direction: 'ingress',
    hook: 'input',
    priority: 2,
    name: 'host-in',
    local: true,
  },
  {
    stage: 'normal',
    direction: 'egress',
    hook: 'output',
    priority: 0,
    name: 'host-out',
    local: true,
  },
];

/** Stages at which the endpoint of all interfaces has those of workloads, too. */
const STAGES_OF_WORKLOADS: ReadonlySet<HostStage> = new Set(['preDNAT', 'forward']);

const INTERFACE_FIELDS = {
  ingress: { meta: { key: 'iifname' } },
  egress: { meta: { key: 'oifname' } },
} as const satisfies Readonly<Record<Direction, Field>>;
const ALL_INTERFACES = '*';
const LOOPBACK = 'lo';

const FAILSAFE_CHAINS: Readonly<Record<Direction, string>> = {
  ingress: 'failsafe-in',
  egress: 'failsafe-out',
};
/** Before connection tracking, the answers of failsafe connections need rules of their own. */
const FAILSAFE_REPLY_CHAINS: Readonly<Record<Direction, string>> = {
  ingress: 'failsafe-in-replies',
  egress: 'failsafe-out-replies',
};

/** Everything that the endpoints need in the table. */
export function renderHostEndpoints(
  active: readonly ActiveHostEndpoint[],
  options: RenderOptions,
): RenderedHostEndpoints {
  if (active.length === 0) return { chains: [], sets: [], uses: [] };
  const places = PLACES.filter((place) => active.some(({ endpoint }) => polices(endpoint, place)));
  const rendered = places.map((place) => renderPlace(place, active, options));
  const untracked = places.some(({ stage }) => stage === 'untracked');
  const failsafes = [
    failsafeChain('ingress', options.failsafes.inbound, 'dport'),
    failsafeChain('egress', options.failsafes.outbound, 'dport'),
    ...(untracked
      ? [
          failsafeChain('ingress', options.failsafes.outbound, 'sport'),
          failsafeChain('egress', options.failsafes.inbound, 'sport'),
        ]
      : []),
  ];
  const used = new Set(rendered.flatMap(({ chains }) => chains).flatMap(targets));
  return {
    chains: [...rendered.flatMap(({ chains }) => chains), ...failsafes.filter(({ name }) => used.has(name))],
    sets: [...rendered.map(({ map }) => map), HOST_DISCOVERY_SET],
    uses: rendered.flatMap(({ uses }) => uses),
  };
}

function targets({ rules }: ChainValue): string[] {
  return rules.flatMap(({ expr }) =>
    expr.flatMap((statement) => ('jump' in statement ? [statement.jump.target] : [])),
  );
}

/** Whether packets of an endpoint meet anything there. */
function polices(endpoint: LocalHostEndpoint, { stage, direction }: Place): boolean {
  return stage === 'normal' || tiersOf(endpoint, stage, direction).length > 0;
}

function tiersOf(endpoint: LocalHostEndpoint, stage: HostStage, direction: Direction): EndpointTier[] {
  return endpoint.tiers[stage].filter((tier) => policiesIn(direction, tier).length > 0);
}

function renderPlace(
  place: Place,
  active: readonly ActiveHostEndpoint[],
  options: RenderOptions,
): {
  readonly chains: readonly ChainValue[];
  readonly map: SetValue;
  readonly uses: readonly HostChainUse[];
} {
  const { name, direction, hook, priority } = place;
  const field = INTERFACE_FIELDS[direction];
  const chainOf = (endpoint: LocalHostEndpoint): string => objectName(`${name}-`, endpoint.key);
  const policing = active.filter(({ endpoint }) => polices(endpoint, place));
  const map: SetValue = {
    name: `${name}-dispatch`,
    type: ['ifname'],
    interval: false,
    verdicts: true,
    comment: 'policy by interface of the host',
    elements: active.flatMap(({ endpoint, interfaces }) =>
      interfaces
        .filter((one) => one !== ALL_INTERFACES)
        .map((key) => ({
          key,
          // An interface with an endpoint of its own is no affair of the one that stands for all.
          verdict: polices(endpoint, place) ? { goto: { target: chainOf(endpoint) } } : { accept: null },
        })),
    ),
  };
  const other = policing.find(({ interfaces }) => interfaces.includes(ALL_INTERFACES));
  const toOther: Statement =
    other === undefined ? { accept: null } : { goto: { target: chainOf(other.endpoint) } };
  const from = (right: string, statement: Statement): Rule => ({
    expr: [{ match: { op: '==', left: field, right } }, statement],
  });
  const base: ChainValue = {
    name,
    comment: `host endpoints, ${place.stage} ${direction}`,
    base: { type: 'filter', hook, prio: priority, policy: 'accept' },
    rules: [
      ...[LOOPBACK, ...options.interfaceExclude].map((right) => from(right, { accept: null })),
      ...options.interfacePrefixes.map((prefix) =>
        from(`${prefix}*`, STAGES_OF_WORKLOADS.has(place.stage) ? toOther : { accept: null }),
      ),
      { expr: [{ vmap: { key: field, data: reference(map) } }] },
      ...(other === undefined ? [] : [{ expr: [toOther] }]),
    ],
  };
  const uses = policing.map(({ endpoint }): HostChainUse => ({
    user: chainOf(endpoint),
    direction,
    tiers: tiersOf(endpoint, place.stage, direction),
    profiles: place.stage === 'normal' ? endpoint.profiles : [],
  }));
  const chains = policing.map(({ endpoint }, index) => endpointChain(place, endpoint, uses[index]!, options));
  return { chains: [base, ...chains], map, uses };
}

function endpointChain(
  place: Place,
  endpoint: LocalHostEndpoint,
  { user, direction, tiers, profiles }: HostChainUse,
  options: RenderOptions,
): ChainValue {
  const jump = (target: string): Rule => ({ expr: [{ jump: { target } }] });
  const end: Rule = {
    comment: commentText(`HostEndpoint/${endpoint.key}/${direction}/no-profile-match`),
    expr: [{ counter: null }, { drop: null }],
  };
  return {
    name: user,
    comment: commentText(`HostEndpoint ${endpoint.key}, ${place.stage} ${direction}`),
    rules: [
      ...beforePolicy(place, options),
      ...tiers.map((tier) => jump(tierChainName(direction, tier))),
      ...profiles.map((id) => jump(policyChainName('profile', direction, id))),
      ...(place.stage === 'normal' ? [end] : []),
    ],
  };
}

/** What passes whatever policy says, and what nothing can be said about. */
function beforePolicy({ stage, direction, local }: Place, options: RenderOptions): Rule[] {
  const inState = (states: readonly ConntrackState[]): Statement => ({
    match: { op: 'in', left: { ct: { key: 'state' } }, right: states },
  });
  const rules: Rule[] = [];
  if (stage !== 'untracked' && !(stage === 'forward' && direction === 'egress')) {
    const mark = { meta: { key: 'mark' } } as const;
    const accepted: Match = {
      op: '==',
      left: { '&': [mark, options.acceptMark] },
      right: options.acceptMark,
    };
    rules.push({ expr: [{ match: accepted }, { accept: null }] });
  }
  // Earlier stages let them pass to these.
  if (stage === 'normal' || stage === 'forward') rules.push(...cutRules(options));
  if (stage !== 'untracked') {
    rules.push({ expr: [inState(['established', 'related']), { accept: null }] });
  }
  if (local) {
    // ARP, its like in IPv4, meets no policy either.
    const type: Field = { payload: { protocol: 'icmpv6', field: 'type' } };
    const discovery: Match = { op: '==', left: type, right: reference(HOST_DISCOVERY_SET) };
    rules.push({ expr: [{ match: discovery }, { accept: null }] });
    rules.push({ expr: [{ jump: { target: FAILSAFE_CHAINS[direction] } }] });
  }
  if (stage === 'untracked') rules.push({ expr: [{ jump: { target: FAILSAFE_REPLY_CHAINS[direction] } }] });
  else if (options.dropInvalid) {
    rules.push({
      comment: 'invalid conntrack state',
      expr: [inState(['invalid']), { counter: null }, { drop: null }],
    });
  }
  return rules;
}

/** `port` is that of the packet which is the host's (`dport`), or that which it comes from (`sport`). */
function failsafeChain(
  direction: Direction,
  ports: readonly FailsafePort[],
  port: 'dport' | 'sport',
): ChainValue {
  const remote = direction === 'ingress' ? 'saddr' : 'daddr';
  return {
    name: (port === 'dport' ? FAILSAFE_CHAINS : FAILSAFE_REPLY_CHAINS)[direction],
    comment:
      port === 'dport' ? 'ports that no policy closes' : 'their answers, before connections are tracked',
    rules: ports.map(({ protocol, port: number, net }): Rule => {
      const matches: Match[] = [
        { op: '==', left: { meta: { key: 'l4proto' } }, right: protocol },
        ...(net === undefined || prefixLength(net) === 0
          ? []
          : [{ op: '==', left: addressOf(net, remote), right: netValue(net) } as const]),
        ...(net !== undefined && prefixLength(net) === 0
          ? [
              {
                op: '==',
                left: { meta: { key: 'nfproto' } },
                right: familyOf(net) === 4 ? 2 : 10,
              } as const,
            ]
          : []),
        { op: '==', left: { payload: { protocol: 'th', field: port } }, right: number },
      ];
      return { expr: [...matches.map((match) => ({ match })), { counter: null }, { accept: null }] };
    }),
  };
}

function addressOf(net: NonNullable<FailsafePort['net']>, field: 'saddr' | 'daddr'): AddressPayload {
  return { payload: { protocol: familyOf(net) === 4 ? 'ip' : 'ip6', field } };
}

function netValue(net: NonNullable<FailsafePort['net']>) {
  return isHostPrefix(net)
    ? prefixAddress(net)
    : { prefix: { addr: prefixAddress(net), len: prefixLength(net) } };
}
