/**
 * What the agent counts, for Prometheus: under Felix' names where the meaning is Felix' (so that dashboards of Calico
 * go on working), under `bgp_` for the speaker. Pure.
 */
import type { BgpMessageType, BgpNeighborView } from '../base/bgp-view.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import type { MetricFamily, MetricSample } from './prometheus-text.ts';

export interface MetricFacts {
  readonly status: AgentStatus;
  /** Empty while BGP does not run. */
  readonly neighbors: readonly BgpNeighborView[];
  readonly applies: ApplyCounts;
  /** Undefined: not wanted (prometheusProcessMetricsEnabled). */
  readonly process?: ProcessFacts;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The work of bringing the kernel up to date. */
export interface ApplyCounts {
  readonly count: number;
  readonly failures: number;
  /** Of all, in seconds. */
  readonly seconds: number;
}

export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly startSeconds: number;
}

/** bgpPeerState of RFC 4273. */
const STATES: Readonly<Record<BgpNeighborView['state'], number>> = {
  Idle: 1,
  Connect: 2,
  Active: 3,
  OpenSent: 4,
  OpenConfirm: 5,
  Established: 6,
};

const one = (value: number): readonly MetricSample[] => [{ value }];

export function agentMetrics(facts: MetricFacts): MetricFamily[] {
  return [...felixMetrics(facts), ...bgpMetrics(facts), ...processMetrics(facts.process)];
}

function felixMetrics({ status, applies }: MetricFacts): MetricFamily[] {
  const { datastore, dataplane } = status;
  return [
    {
      name: 'felix_active_local_endpoints',
      type: 'gauge',
      help: 'Number of active endpoints on this host.',
      samples: one(dataplane.endpoints),
    },
    {
      name: 'felix_active_local_policies',
      type: 'gauge',
      help: 'Number of active policies on this host.',
      samples: one(dataplane.policies),
    },
    {
      name: 'felix_resync_state',
      type: 'gauge',
      help: 'Current datastore state: 1 waiting for it, 2 reading it, 3 in sync.',
      samples: one(datastore.inSync ? 3 : datastore.error === undefined ? 2 : 1),
    },
    {
      name: 'felix_int_dataplane_failures',
      type: 'counter',
      help: 'Number of times the kernel could not be brought up to date and that was tried again.',
      samples: one(applies.failures),
    },
    {
      name: 'felix_int_dataplane_apply_time_seconds',
      type: 'summary',
      help: 'Time that it took to apply changes to the kernel.',
      samples: [
        { suffix: '_sum', value: applies.seconds },
        { suffix: '_count', value: applies.count },
      ],
    },
    {
      name: 'margay_datastore_revision',
      type: 'gauge',
      help: 'Newest revision received from the datastore.',
      samples: one(datastore.revision),
    },
    {
      name: 'margay_revision_in_force',
      type: 'gauge',
      help: 'Every change up to this revision is acknowledged by the kernel.',
      samples: one(dataplane.revisionInForce),
    },
    {
      name: 'margay_invalid_resources',
      type: 'gauge',
      help: 'Resources that were refused.',
      samples: one(datastore.invalid.length),
    },
    {
      name: 'margay_table_repairs_total',
      type: 'counter',
      help: 'Foreign changes of our nftables table that were repaired.',
      samples: one(dataplane.repairs),
    },
    {
      name: 'margay_build_info',
      type: 'gauge',
      help: 'Constant 1, with the version of the agent.',
      samples: [{ labels: { version: status.version, node: status.node }, value: 1 }],
    },
  ];
}

function bgpMetrics({ status, neighbors, now }: MetricFacts): MetricFamily[] {
  const each = (value: (peer: BgpNeighborView) => number): MetricSample[] =>
    neighbors.map((peer) => ({ labels: labelsOf(peer), value: value(peer) }));
  const messages = neighbors.flatMap((peer) =>
    (['received', 'sent'] as const).flatMap((direction) => {
      const counts = direction === 'received' ? peer.messagesReceived : peer.messagesSent;
      return (Object.entries(counts) as [BgpMessageType, number][]).map(([type, value]) => ({
        labels: { ...labelsOf(peer), direction, type },
        value,
      }));
    }),
  );
  return [
    {
      name: 'bgp_speaker_up',
      type: 'gauge',
      help: '1 while the BGP speaker runs.',
      samples: one(status.bgp.state === 'running' ? 1 : 0),
    },
    {
      name: 'bgp_peer_state',
      type: 'gauge',
      help: 'bgpPeerState of RFC 4273: 1 idle, 2 connect, 3 active, 4 opensent, 5 openconfirm, 6 established.',
      samples: each(({ state }) => STATES[state]),
    },
    {
      name: 'bgp_peer_up',
      type: 'gauge',
      help: '1 while the session is established.',
      samples: each(({ state }) => (state === 'Established' ? 1 : 0)),
    },
    {
      name: 'bgp_peer_state_seconds',
      type: 'gauge',
      help: 'Seconds since the session came up or went down.',
      samples: each(({ since }) => Math.max(0, Math.floor((now - Date.parse(since)) / 1000))),
    },
    {
      name: 'bgp_peer_established_transitions_total',
      type: 'counter',
      help: 'Times that the session came up (bgpPeerFsmEstablishedTransitions of RFC 4273).',
      samples: each(({ timesEstablished }) => timesEstablished),
    },
    {
      name: 'bgp_peer_received_prefixes',
      type: 'gauge',
      help: 'Prefixes held from the peer, stale ones included.',
      samples: each(({ received }) => received),
    },
    {
      name: 'bgp_peer_stale_prefixes',
      type: 'gauge',
      help: 'Prefixes kept from before a restart of the peer (RFC 4724).',
      samples: each(({ stale }) => stale),
    },
    {
      name: 'bgp_peer_advertised_prefixes',
      type: 'gauge',
      help: 'Prefixes that the peer holds from us.',
      samples: each(({ advertised }) => advertised),
    },
    {
      name: 'bgp_peer_messages_total',
      type: 'counter',
      help: 'Messages by direction and type.',
      samples: messages,
    },
  ];
}

function labelsOf({ name, address, asNumber, type }: BgpNeighborView): Record<string, string | number> {
  return { peer: name, address, as: asNumber, type };
}

function processMetrics(facts: ProcessFacts | undefined): MetricFamily[] {
  if (facts === undefined) return [];
  return [
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'Total user and system CPU time spent in seconds.',
      samples: one(facts.cpuSeconds),
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory size in bytes.',
      samples: one(facts.residentBytes),
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      help: 'Start time of the process since unix epoch in seconds.',
      samples: one(facts.startSeconds),
    },
  ];
}
