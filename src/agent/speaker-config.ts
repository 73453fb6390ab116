/** From what the calculation wants of BGP to what a speaker is told: pure. */
import { createHash } from 'node:crypto';
import {
  DEFAULT_GRACEFUL_RESTART,
  type DrainConfig,
  type PeerConfig,
  type SpeakerConfig,
} from '../bgp/config.ts';
import { DEFAULT_DECISION, type DecisionOptions } from '../bgp/rib/decision.ts';
import type { RoutingPlan } from '../calc/output.ts';
import type { SpeakerOptions } from '../model/bgp-options.ts';
import { type Address, formatAddress } from '../net/address.ts';
import { TABLE_MAIN } from '../netlink/kernel.ts';

export interface SpeakerSettings {
  /** rtm_protocol of learned routes. */
  readonly protocol: number;
  readonly gracefulRestart: boolean;
  /** Present while the node is to be drained. */
  readonly drain?: DrainConfig;
  /** The plan's peers with their passwords. */
  readonly peers: readonly PeerConfig[];
}

/**
 * Undefined as long as this node has no address that a BGP session could use: then there is nothing to speak. The
 * router id is the node's IPv4 address, else derived from its name (design D15).
 */
export function speakerConfig(plan: RoutingPlan, settings: SpeakerSettings): SpeakerConfig | undefined {
  const { node } = plan;
  if (node === undefined || (node.addresses[4] === undefined && node.addresses[6] === undefined))
    return undefined;
  return {
    asNumber: node.asNumber,
    routerId: node.addresses[4] ?? routerIdFromName(node.name),
    listen: { port: plan.listenPort, addresses: plan.listenAddresses },
    nodeAddresses: node.addresses,
    decision: decisionOptions(plan.options),
    ...(plan.options.confederation === undefined ? {} : { confederation: plan.options.confederation }),
    ...(node.clusterId === undefined ? {} : { clusterId: node.clusterId }),
    peers: settings.peers,
    blocks: plan.blocks,
    outsideWorkloads: plan.outsideWorkloads,
    pools: plan.pools,
    services: plan.services,
    serviceAddresses: plan.serviceAddresses,
    advertisements: plan.advertisements,
    aggregates: plan.options.aggregates ?? [],
    filters: plan.filters,
    kernel: { protocol: settings.protocol, table: TABLE_MAIN, metric: plan.routePriority },
    gracefulRestart: {
      ...DEFAULT_GRACEFUL_RESTART,
      ...(plan.options.deferralTime === undefined ? {} : { deferralTime: plan.options.deferralTime }),
      enabled: settings.gracefulRestart,
    },
    ...monitoringOf(plan.options),
    ...(settings.drain === undefined ? {} : { drain: settings.drain }),
  };
}

/** The decision process with what BGPConfiguration has otherwise. */
function decisionOptions(options: SpeakerOptions): DecisionOptions {
  const { multipath } = DEFAULT_DECISION;
  return {
    alwaysCompareMed: options.alwaysCompareMed ?? DEFAULT_DECISION.alwaysCompareMed,
    preferOlder: options.preferOlder ?? DEFAULT_DECISION.preferOlder,
    multipathAsPath: options.multipathAsPath ?? DEFAULT_DECISION.multipathAsPath,
    multipath: {
      external: options.multipathExternal ?? multipath.external,
      internal: options.multipathInternal ?? multipath.internal,
    },
  };
}

function monitoringOf({ bmp, mrtUpdates }: SpeakerOptions): Pick<SpeakerConfig, 'monitoring'> {
  if (bmp === undefined && mrtUpdates === undefined) return {};
  return {
    monitoring: {
      ...(bmp === undefined ? {} : { bmp }),
      ...(mrtUpdates === undefined ? {} : { mrtUpdates }),
    },
  };
}

/** A stable router id that is neither zero nor multicast (RFC 6286 §2.1 wants only non-zero and unique in the AS). */
function routerIdFromName(name: string): Address {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 4);
  bytes[0] = 1 + (bytes[0]! % 223);
  return formatAddress(bytes);
}
