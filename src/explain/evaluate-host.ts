/**
 * What policy of a host endpoint does with the first packet of a connection that begins or ends at the host or passes
 * it, in the order of `nftables/render/host-endpoints.ts`: failsafe ports, untracked, preDNAT, then normal policy and profiles.
 */
import type { FailsafePort } from '../calc/felix-config.ts';
import type { Direction, HostStage, LocalHostEndpoint } from '../calc/output.ts';
import { prefixContains } from '../net/prefix.ts';
import { type Verdict, endOfProfilesId, evaluateEndpoint } from './evaluate.ts';
import type { Packet } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

export interface HostVerdict {
  readonly verdict: Verdict;
  /** Id of the rule or end that decides; `failsafe` for a port that no policy closes. */
  readonly decidedBy: readonly string[];
}

export type Failsafes = Readonly<Record<'inbound' | 'outbound', readonly FailsafePort[]>>;

const stages: Readonly<Record<Direction, readonly Exclude<HostStage, 'forward' | 'normal'>[]>> = {
  ingress: ['untracked', 'preDNAT'],
  egress: ['untracked'],
};

/** Judges a packet at the host end of its connection. */
export function evaluateHost(
  endpoint: LocalHostEndpoint,
  direction: Direction,
  packet: Packet,
  state: PolicyState,
  failsafes: Failsafes,
): HostVerdict {
  if (isSpared(direction, packet, failsafes)) return { verdict: 'allow', decidedBy: ['failsafe'] };
  for (const stage of stages[direction]) {
    const verdict = walk(endpoint, stage, direction, packet, state);
    if (verdict !== undefined) return verdict;
  }
  return walk(endpoint, 'normal', direction, packet, state)!;
}

/**
 * Judges a packet that passes the host: where it comes in by the endpoint (`ingress`), or where it leaves by it. What
 * an early stage allows passes the later ones; what none decides passes.
 */
export function evaluateForwarded(
  endpoint: LocalHostEndpoint,
  direction: Direction,
  packet: Packet,
  state: PolicyState,
  failsafes: Failsafes,
): HostVerdict {
  const early = direction === 'egress' || isSpared(direction, packet, failsafes) ? [] : stages.ingress;
  for (const stage of [...early, 'forward' as const]) {
    const verdict = walk(endpoint, stage, direction, packet, state);
    if (verdict !== undefined) return verdict;
  }
  return { verdict: 'allow', decidedBy: [] };
}

/** What a stage decides; undefined if no rule of a stage does that leaves it to others. */
function walk(
  { key: name, tiers, profiles }: LocalHostEndpoint,
  stage: HostStage,
  direction: Direction,
  packet: Packet,
  state: PolicyState,
): HostVerdict | undefined {
  const key = `HostEndpoint/${name}`;
  const policed = {
    key,
    workload: key,
    tiers: tiers[stage],
    profiles: stage === 'normal' ? profiles : [],
  };
  const { verdict, decidedBy } = evaluateEndpoint(policed, direction, packet, state);
  if (stage !== 'normal' && decidedBy.includes(endOfProfilesId(key, direction))) return undefined;
  return { verdict, decidedBy };
}

function isSpared(direction: Direction, packet: Packet, failsafes: Failsafes): boolean {
  const ports = direction === 'ingress' ? failsafes.inbound : failsafes.outbound;
  return ports.some((port) => isFailsafe(port, direction, packet));
}

function isFailsafe({ protocol, port, net }: FailsafePort, direction: Direction, packet: Packet): boolean {
  const remote = direction === 'ingress' ? packet.source : packet.destination;
  return (
    packet.protocol === protocol &&
    packet.destinationPort === port &&
    (net === undefined || prefixContains(net, remote))
  );
}
