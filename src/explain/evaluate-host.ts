/**
 * What policy of a host endpoint does with the first packet of a connection that begins or ends at the host, in the
 * order of `nftables/render/host-endpoints.ts`: failsafe ports, untracked, preDNAT, then normal policy and profiles.
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
  const ports = direction === 'ingress' ? failsafes.inbound : failsafes.outbound;
  if (ports.some((port) => isFailsafe(port, direction, packet))) {
    return { verdict: 'allow', decidedBy: ['failsafe'] };
  }
  const key = `HostEndpoint/${endpoint.key}`;
  const walk = (stage: HostStage): HostVerdict =>
    evaluateEndpoint(
      {
        key,
        workload: key,
        tiers: endpoint.tiers[stage],
        profiles: stage === 'normal' ? endpoint.profiles : [],
      },
      direction,
      packet,
      state,
    );
  for (const stage of stages[direction]) {
    const { verdict, decidedBy } = walk(stage);
    // What no rule of an early stage decides goes on to the next.
    if (decidedBy.includes(endOfProfilesId(key, direction))) continue;
    return { verdict, decidedBy };
  }
  return walk('normal');
}

function isFailsafe({ protocol, port, net }: FailsafePort, direction: Direction, packet: Packet): boolean {
  const remote = direction === 'ingress' ? packet.source : packet.destination;
  return (
    packet.protocol === protocol &&
    packet.destinationPort === port &&
    (net === undefined || prefixContains(net, remote))
  );
}
