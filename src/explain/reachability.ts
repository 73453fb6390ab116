/** All workloads of a state, and the world outside, ready to be asked about. */
import { workloadName } from '../calc/endpoint-facts.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { Cluster } from './cluster.ts';
import type { ResolvedEnd } from './ends.ts';
import type { Verdict } from './evaluate.ts';
import { answer, noNode } from './explanation.ts';
import { Hosts, nodeAddresses } from './hosts.ts';
import { outsideParts } from './outside.ts';
import { type Packet, icmpProtocols, portProtocols } from './packet.ts';

/** A protocol, and a port where it has ports. */
export interface Asked {
  readonly protocol: number;
  readonly port?: number | undefined;
}

const echo = { 4: { type: 8, code: 0 }, 6: { type: 128, code: 0 } } as const;

/** Answers about one state. */
export class Reachability {
  private readonly cluster: Cluster;
  private readonly hosts: Hosts;
  private readonly workloads: readonly WorkloadEndpoint[];

  constructor(private readonly resources: readonly KnownResource[]) {
    this.workloads = resources
      .filter((one): one is WorkloadEndpoint => one.kind === 'WorkloadEndpoint')
      .toSorted((a, b) => (workloadName(a) < workloadName(b) ? -1 : 1));
    this.cluster = new Cluster(resources, this.workloads);
    this.hosts = new Hosts(resources, this.cluster.state);
    this.hosts.addAll();
  }

  /** The workloads that have an address of a family. */
  ends(family: Family): ResolvedEnd[] {
    return this.workloads.flatMap((workload) => {
      const address = this.cluster.endpoint(workload).addresses.find((one) => familyOf(one) === family);
      if (address === undefined) return [];
      const name = workloadName(workload);
      return [
        { name, kind: 'workload', workload, host: undefined, addresses: [address], service: { protocol: 0 } },
      ];
    });
  }

  /** The world outside this state, in the parts that any of the states tells apart. */
  outside(family: Family, states: readonly Reachability[]): ResolvedEnd[] {
    const inside = states.flatMap(({ resources, workloads, cluster }) => [
      ...workloads.flatMap((workload) => cluster.endpoint(workload).addresses),
      ...resources.flatMap((one) => (one.kind === 'Node' ? nodeAddresses(one) : [])),
    ]);
    const known = states.map(({ cluster }) => cluster.state);
    return outsideParts(family, known, inside).map(({ name, address }) => ({
      name,
      kind: 'cidr',
      workload: undefined,
      host: undefined,
      addresses: [address],
      service: { protocol: 0 },
    }));
  }

  verdict(from: ResolvedEnd, to: ResolvedEnd, { protocol, port }: Asked): Verdict {
    if (from.workload === to.workload) return 'allow';
    const [source, destination] = [from.addresses[0]!, to.addresses[0]!];
    const packet = packetOf(source, destination, protocol, port);
    return answer(packet, from, to, this.cluster, this.hosts).verdict;
  }

  /** Ports at which a rule, a named port or what workloads may send begins, and those behind their ends. */
  *portStarts(): Generator<number> {
    const { policies, profiles } = this.cluster.state;
    for (const { ingress, egress } of [...policies.values(), ...profiles.values()]) {
      for (const { destination } of [...ingress, ...egress]) {
        for (const { first, last } of [...destination.ports, ...destination.notPorts]) {
          yield first;
          yield last + 1;
        }
      }
    }
    for (const { spec } of this.workloads) {
      const { vxlanPort } = this.hosts.felixOf(spec.node ?? noNode);
      yield vxlanPort;
      yield vxlanPort + 1;
      for (const { port } of spec.ports ?? []) {
        yield port;
        yield port + 1;
      }
    }
  }
}

function packetOf(source: Address, destination: Address, protocol: number, port: number | undefined): Packet {
  const family = familyOf(source);
  if (protocol === icmpProtocols[4] || protocol === icmpProtocols[6]) {
    return { source, destination, protocol: icmpProtocols[family], icmp: echo[family] };
  }
  const hasPort = port !== undefined && portProtocols.has(protocol);
  return { source, destination, protocol, ...(hasPort ? { destinationPort: port } : {}) };
}
