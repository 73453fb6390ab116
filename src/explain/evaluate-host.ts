/**
 * What policy of a host endpoint does with the first packet of a connection that begins or ends at the host or passes
 * it, stage by stage, as the table has them (nftables/render/host-endpoints.ts). What an early stage accepts passes the
 * later ones of the same place; failsafe ports, and the ICMPv6 that IPv6 needs, pass every stage but `forward`.
 */
import type { FailsafePort } from '../calc/felix-config.ts';
import type { Direction, HostStage, LocalHostEndpoint } from '../calc/output.ts';
import { hostDiscoveryTypes } from '../net/icmpv6.ts';
import { anyInterface } from '../model/kinds/host-endpoint.ts';
import { prefixContains } from '../net/prefix.ts';
import { type EndpointWalk, type Verdict, evaluateEndpoint } from './evaluate.ts';
import { type Packet, icmpProtocols } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

export type Failsafes = Readonly<Record<'inbound' | 'outbound', readonly FailsafePort[]>>;

type Stages = readonly (readonly [HostStage, Direction])[];

/**
 * What a packet meets at a host that it comes from, passes, or goes to; and of the endpoint of all interfaces, where it
 * comes from or goes to a workload of the host.
 */
const stagesOf = {
  fromHost: [
    ['untracked', 'egress'],
    ['normal', 'egress'],
  ],
  outOfHost: [['forward', 'egress']],
  intoHost: [
    ['untracked', 'ingress'],
    ['preDNAT', 'ingress'],
    ['forward', 'ingress'],
  ],
  toHost: [
    ['untracked', 'ingress'],
    ['preDNAT', 'ingress'],
    ['normal', 'ingress'],
  ],
  fromWorkload: [
    ['preDNAT', 'ingress'],
    ['forward', 'ingress'],
  ],
  fromWorkloadToHost: [['preDNAT', 'ingress']],
  toWorkload: [['forward', 'egress']],
} as const satisfies Readonly<Record<string, Stages>>;

export type HostPlace = keyof typeof stagesOf;

/** Names of the chains that accept failsafe ports, and their answers before connections are tracked. */
const failsafeChains = { ingress: 'failsafe-in', egress: 'failsafe-out' } as const;
const replyChains = { ingress: 'failsafe-in-replies', egress: 'failsafe-out-replies' } as const;
/** Name of the set of ICMPv6 types that pass. */
const discoverySet = 'host-discovery';

/** What a packet meets of a host endpoint at one of its places, up to a stage that denies it. */
export function walkHost(
  { key, tiers, profiles }: LocalHostEndpoint,
  place: HostPlace,
  packet: Packet,
  state: PolicyState,
  failsafes: Failsafes,
  name = `HostEndpoint/${key}`,
): EndpointWalk[] {
  const walks: EndpointWalk[] = [];
  let accepted = false;
  for (const [stage, direction] of stagesOf[place] as Stages) {
    const policed = stage === 'normal' || tiers[stage].some((tier) => tier[direction].length > 0);
    if (accepted || !policed) continue;
    const spared = sparedBy(stage, direction, packet, failsafes);
    if (spared !== undefined) {
      const nothing = { tiers: [], profiles: [] };
      walks.push({
        direction,
        endpoint: key,
        workload: name,
        stage,
        ...nothing,
        verdict: 'allow',
        decidedBy: [spared],
      });
      continue;
    }
    const endpoint = {
      key: `HostEndpoint/${key}`,
      workload: name,
      tiers: tiers[stage],
      profiles: stage === 'normal' ? profiles : [],
    };
    const undecided = stage === 'normal' ? 'deny' : 'allow';
    const walk = { ...evaluateEndpoint(endpoint, direction, packet, state, undecided), stage };
    walks.push(walk);
    if (walk.verdict === 'deny') break;
    // What no rule decides is left to the next stage.
    accepted = walk.decidedBy.length > 0;
  }
  return walks;
}

export interface HostVerdict {
  readonly verdict: Verdict;
  /** Ids of the rules or ends that decide, or what {@link sparedBy} says; none where nothing polices the packet. */
  readonly decidedBy: readonly string[];
}

/** The verdict of {@link walkHost}. */
export function evaluateHost(
  endpoint: LocalHostEndpoint,
  place: HostPlace,
  packet: Packet,
  state: PolicyState,
  failsafes: Failsafes,
): HostVerdict {
  const walks = walkHost(endpoint, place, packet, state, failsafes);
  const { verdict, decidedBy } = walks.find((walk) => walk.verdict !== 'allow') ??
    walks.at(-1) ?? { verdict: 'allow', decidedBy: [] };
  return { verdict, decidedBy };
}

/** The endpoint of all interfaces: of several, the first by name. */
export function forAllInterfaces(endpoints: readonly LocalHostEndpoint[]): LocalHostEndpoint | undefined {
  return endpoints
    .filter(({ interfaceName }) => interfaceName === anyInterface)
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))[0];
}

/** What lets the packet pass whatever the stage's policy says: a chain (FelixConfiguration failsafe…HostPorts) or a set. */
function sparedBy(
  stage: HostStage,
  direction: Direction,
  packet: Packet,
  { inbound, outbound }: Failsafes,
): string | undefined {
  if (stage === 'forward') return undefined;
  const { protocol, icmp } = packet;
  if (protocol === icmpProtocols[6] && icmp !== undefined && hostDiscoveryTypes.includes(icmp.type)) {
    return discoverySet;
  }
  const [own, others] = direction === 'ingress' ? [inbound, outbound] : [outbound, inbound];
  const remote = direction === 'ingress' ? packet.source : packet.destination;
  const holds = (ports: readonly FailsafePort[], number: number | undefined): boolean =>
    ports.some(
      ({ protocol, port, net }) =>
        protocol === packet.protocol && port === number && (net === undefined || prefixContains(net, remote)),
    );
  if (holds(own, packet.destinationPort)) return failsafeChains[direction];
  return stage === 'untracked' && holds(others, packet.sourcePort) ? replyChains[direction] : undefined;
}
