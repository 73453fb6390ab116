/** What a running agent answers on its local socket (`GET /status`); read by margayctl and by the lab. */
import type { Address, Family } from '../net/address.ts';

export interface AgentStatus {
  readonly node: string;
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly datastore: {
    readonly type: 'directory' | 'etcdv3' | 'memory';
    readonly inSync: boolean;
    /** Newest revision received. */
    readonly revision: number;
    /** Why the datastore cannot be read now, if so. The last good state stays in force. */
    readonly error?: string;
    /** Resources that were refused, each on its own. */
    readonly invalid: readonly { readonly resource: string; readonly error: string }[];
    /** Resources of which something cannot be in force as it is written, and what holds instead. */
    readonly problems: readonly { readonly resource: string; readonly problem: string }[];
  };
  readonly dataplane: DataplaneStatus;
  readonly bgp: BgpStatus;
}

export interface DataplaneStatus {
  /** Every change up to this datastore revision is acknowledged by the kernel. */
  readonly revisionInForce: number;
  readonly endpoints: number;
  readonly policies: number;
  /** Whether the kernel protects our table from others (owner and persist flags). */
  readonly ownsTable: boolean;
  /** How often a foreign change was repaired, and how long the last repair took. */
  readonly repairs: number;
  readonly lastRepairMilliseconds?: number;
  /** nf_tables transactions that met a stranger's commit and were sent again. */
  readonly retries: number;
  readonly problems: readonly string[];
}

export interface BgpStatus {
  /** `disabled` when no node address or AS is known yet, `failed` with `problem` when it cannot listen. */
  readonly state: 'disabled' | 'running' | 'failed';
  readonly problem?: string;
  readonly asNumber?: number;
  readonly routerId?: Address;
  /** `draining`: peers know that our routes are about to go; `drained`: sessions have ended (`margayctl node drain`). */
  readonly drain?: 'serving' | 'draining' | 'drained';
  /** After a restart routes are chosen when peers have told theirs (RFC 4724 §4.1); until then the kernel's stay. */
  readonly restarting?: boolean;
  readonly peers: readonly BgpPeerStatus[];
  /** BGPPeers that dynamic peers are made of; absent where there are none. */
  readonly dynamic?: readonly BgpDynamicStatus[];
}

/** Peers that connect from prefixes and are not configured one by one. */
export interface BgpDynamicStatus {
  /** Name of the BGPPeer. */
  readonly template: string;
  readonly prefixes: readonly string[];
  /** Peers that there may be, and are. */
  readonly limit: number;
  readonly peers: number;
  /** Connections refused for the limit since the agent started. */
  readonly refused: number;
}

export type BgpPeerType = 'node-to-node mesh' | 'node specific' | 'global' | 'local workload' | 'dynamic';

export interface BgpPeerStatus {
  /** As Calico names it: `Mesh_10_0_0_2`, `Global_…`, `Node_…`; `Dynamic_…` if it came by itself. */
  readonly name: string;
  readonly address: Address;
  readonly port: number;
  readonly asNumber: number;
  readonly type: BgpPeerType;
  /** Of a dynamic peer the BGPPeer that it was made of. */
  readonly template?: string;
  /** RFC 4271 §8.2.2 state. */
  readonly state: 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';
  /** ISO 8601 of the last state change into or out of Established. */
  readonly since: string;
  readonly families: readonly Family[];
  /** Prefixes held from the peer, stale ones included. */
  readonly received: number;
  readonly stale: number;
  readonly advertised: number;
  /** Last error or NOTIFICATION, sent or received, in words. */
  readonly info: string;
  /** Present once the path to the peer is watched by BFD. */
  readonly bfd?: BfdSessionStatus;
}

/** A BFD session (RFC 5880). Intervals in milliseconds. */
export interface BfdSessionStatus {
  readonly state: 'AdminDown' | 'Down' | 'Init' | 'Up';
  /** The peer's state as it last said; undefined if it is silent. */
  readonly remoteState?: BfdSessionStatus['state'];
  /** Why the session last went down, in the words of RFC 5880; empty if it did not. */
  readonly diagnostic: string;
  readonly remoteDiagnostic: string;
  /** Whether routers may be between us and the peer (RFC 5883). */
  readonly multihop: boolean;
  /** Between our packets, before jitter; undefined: the peer wants none. */
  readonly transmitInterval?: number;
  /** Silence that takes the session down; undefined while the peer is silent. */
  readonly detectionTime?: number;
  /** ISO 8601 of the last change into or out of Up. */
  readonly since: string;
  /** Why no packet can be sent or received, and what to do. */
  readonly problem?: string;
}
