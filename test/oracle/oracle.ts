/**
 * What becomes of a packet, the naive way: from resources straight to a verdict, nothing prepared and nothing shared
 * with the calculation (design D12) but the model's types, parser of selectors and numbers of protocols.
 */
import type { KnownResource } from '../../src/model/registry.ts';
import type { Direction, OraclePacket } from './packet.ts';
import { type Stage, TierWalk } from './tiers.ts';
import { type Host, type Workload, World, contains, holds, numberOf } from './world.ts';

/** The interfaces of the node: to whom they lead, and which addresses they have. */
export interface Topology {
  readonly isHost: (address: string) => boolean;
  /** The interface that packets from and to an address beyond the node pass, unless it is a workload's. */
  readonly interfaceTo: (address: string) => string;
  readonly addressesOf: (interfaceName: string) => readonly string[];
}

type FailsafePorts = readonly {
  readonly protocol: string;
  readonly port: number;
  readonly net?: string;
}[];

const tcp = (...ports: readonly number[]) => ports.map((port) => ({ protocol: 'TCP', port }));
const udp = (...ports: readonly number[]) => ports.map((port) => ({ protocol: 'UDP', port }));
/** As Calico documents them. */
const defaultFailsafes = {
  ingress: [...tcp(22, 179, 2379, 2380, 5473, 6443, 6666, 6667), ...udp(68)],
  egress: [...tcp(179, 2379, 2380, 5473, 6443, 6666, 6667), ...udp(53, 67)],
};

/** Multicast listener query to done (RFC 2710), router and neighbour solicitation, neighbour advertisement (RFC 4861). */
const workloadDiscovery = [130, 131, 132, 133, 135, 136];
/** With router advertisement, and the listener report of RFC 3810. */
const hostDiscovery = [...workloadDiscovery, 134, 143];

function isDiscovery({ protocol, icmp }: OraclePacket, types: readonly number[]): boolean {
  return protocol === numberOf('ICMPv6') && icmp !== undefined && types.includes(icmp.type);
}

/** Judges packets in a cluster of resources, at one node. */
export class Oracle {
  private readonly world: World;
  private readonly tiers: TierWalk;

  constructor(
    resources: readonly KnownResource[],
    private readonly node: string,
    private readonly topology: Topology,
  ) {
    this.world = new World(resources);
    this.tiers = new TierWalk(this.world);
  }

  /** Whether the packet gets where it is going: by the interfaces it passes, and the workloads at its ends. */
  judge(packet: OraclePacket): boolean {
    const { topology } = this;
    const to = this.workloadAt(packet.destination);
    if (topology.isHost(packet.source)) return to !== undefined || this.leavesHost(packet);
    const from = this.workloadAt(packet.source);
    const toHost = topology.isHost(packet.destination);
    // Of a workload's interface, the endpoint of all interfaces polices what is forwarded and not yet translated.
    const host = from === undefined ? this.hostAt(topology.interfaceTo(packet.source)) : this.hostForAll();
    let accepted = false;
    for (const stage of from === undefined ? (['untracked', 'preDNAT'] as const) : (['preDNAT'] as const)) {
      if (accepted || host === undefined || this.isFailsafe(stage, 'ingress', packet)) continue;
      const outcome = this.tiers.decide(host, stage, 'ingress', packet);
      if (outcome === 'deny') return false;
      accepted = outcome === 'allow';
    }
    if (toHost && from === undefined) return accepted || this.isOpen(host, 'ingress', packet);
    if (!toHost && !accepted && !this.forwards(host, 'ingress', packet)) return false;
    // The host hears what finds its workloads' neighbours and routers before anything is said of them.
    if (from !== undefined && toHost && isDiscovery(packet, workloadDiscovery)) return true;
    if (from !== undefined && this.isTunnel(packet)) return false;
    if (from !== undefined && !this.admits(from, 'egress', packet)) return false;
    if (toHost) return (this.felix?.defaultEndpointToHostAction ?? 'Drop') !== 'Drop';
    if (to !== undefined && !this.admits(to, 'ingress', packet)) return false;
    const last = to === undefined ? this.hostAt(topology.interfaceTo(packet.destination)) : this.hostForAll();
    return this.forwards(last, 'egress', packet);
  }

  /** What Calico drops of a workload unless FelixConfiguration allows it: VXLAN to the port of VXLAN, and IP-in-IP. */
  private isTunnel({ protocol, destinationPort }: OraclePacket): boolean {
    const { vxlanPort = 4789, ...felix } = this.felix ?? {};
    const isVxlan = protocol === numberOf('UDP') && destinationPort === vxlanPort;
    const isIpip = protocol === 4;
    return (
      (isVxlan && felix.allowVXLANPacketsFromWorkloads !== true) ||
      (isIpip && felix.allowIPIPPacketsFromWorkloads !== true)
    );
  }

  private leavesHost(packet: OraclePacket): boolean {
    const host = this.hostAt(this.topology.interfaceTo(packet.destination));
    if (host === undefined) return true;
    if (!this.isFailsafe('untracked', 'egress', packet)) {
      const outcome = this.tiers.decide(host, 'untracked', 'egress', packet);
      if (outcome === 'allow' || outcome === 'deny') return outcome === 'allow';
    }
    return this.isOpen(host, 'egress', packet);
  }

  private admits(workload: Workload, direction: Direction, packet: OraclePacket): boolean {
    return this.tiers.decide(workload, 'workload', direction, packet) === 'allow';
  }

  private isOpen(host: Host | undefined, direction: Direction, packet: OraclePacket): boolean {
    if (host === undefined || this.isFailsafe('normal', direction, packet)) return true;
    return this.tiers.decide(host, 'normal', direction, packet) === 'allow';
  }

  private forwards(host: Host | undefined, direction: Direction, packet: OraclePacket): boolean {
    return host === undefined || this.tiers.decide(host, 'forward', direction, packet) !== 'deny';
  }

  private workloadAt(address: string): Workload | undefined {
    return this.world
      .of('WorkloadEndpoint')
      .find((workload) => workload.spec.node === this.node && holds(workload, address));
  }

  /** The endpoint that names the interface, that has one of its addresses, or of all; the first of each by name. */
  private hostAt(interfaceName: string): Host | undefined {
    const hosts = this.hosts();
    const own = this.topology.addressesOf(interfaceName);
    return (
      hosts.find(({ spec }) => spec.interfaceName === interfaceName) ??
      hosts.find(
        ({ spec }) =>
          spec.interfaceName === undefined && (spec.expectedIPs ?? []).some((one) => own.includes(one)),
      ) ??
      this.hostForAll()
    );
  }

  private hostForAll(): Host | undefined {
    return this.hosts().find(({ spec }) => spec.interfaceName === '*');
  }

  private hosts(): Host[] {
    return this.world
      .of('HostEndpoint')
      .filter(({ spec }) => spec.node === this.node)
      .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  private get felix() {
    return this.world.of('FelixConfiguration').find(({ metadata }) => metadata.name === 'default')?.spec;
  }

  /** So is what a host needs of ICMPv6. Before connections are tracked, answers of failsafe connections pass, too. */
  private isFailsafe(stage: Stage, direction: Direction, packet: OraclePacket): boolean {
    if (isDiscovery(packet, hostDiscovery)) return true;
    const lists: Record<Direction, FailsafePorts> = {
      ingress: this.felix?.failsafeInboundHostPorts ?? defaultFailsafes.ingress,
      egress: this.felix?.failsafeOutboundHostPorts ?? defaultFailsafes.egress,
    };
    const remote = direction === 'ingress' ? packet.source : packet.destination;
    const has = (ports: FailsafePorts, number: number | undefined): boolean =>
      ports.some(
        ({ protocol, port, net }) =>
          numberOf(protocol.toUpperCase()) === packet.protocol &&
          port === number &&
          (net === undefined || contains(net, remote)),
      );
    if (has(lists[direction], packet.destinationPort)) return true;
    return (
      stage === 'untracked' && has(lists[direction === 'ingress' ? 'egress' : 'ingress'], packet.sourcePort)
    );
  }
}
