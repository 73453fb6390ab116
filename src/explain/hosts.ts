/**
 * Policy of the hosts that a packet begins, ends or passes at: their host endpoints, stage by stage, as the table has
 * them (src/nftables/render/host-endpoints.ts). Which interface a packet takes, resources alone do not say: it is taken
 * to be the one that has an address of the node.
 */
import { FelixConfig, type FelixParameters } from '../calc/felix-config.ts';
import { CalcGraph } from '../calc/graph.ts';
import type { LocalHostEndpoint } from '../calc/output.ts';
import { anyInterface } from '../model/kinds/host-endpoint.ts';
import type { Node } from '../model/kinds/node.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyOf } from '../model/resource.ts';
import { type Address, parseAddress } from '../net/address.ts';
import type { EndpointWalk } from './evaluate.ts';
import { type HostPlace, forAllInterfaces, walkHost } from './evaluate-host.ts';
import type { Packet } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

interface HostPolicy {
  /** Of the interface that packets between nodes take. */
  readonly endpoint: LocalHostEndpoint | undefined;
  /** Of all interfaces, if there is one: those of workloads belong to it. */
  readonly forAll: LocalHostEndpoint | undefined;
}

const besideWorkloads: ReadonlySet<HostPlace> = new Set(['fromWorkload', 'fromWorkloadToHost', 'toWorkload']);

export class Hosts {
  private readonly known = new Map<string, HostPolicy>();
  private readonly felix = new Map<string, FelixParameters>();

  /** Sets and policies that hosts need are added to the state. */
  constructor(
    private readonly resources: readonly KnownResource[],
    private readonly state: PolicyState,
  ) {}

  /** Adds to the state what the host endpoints of every node need, for who looks at all policy at once. */
  addAll(): void {
    for (const one of this.resources) {
      if (one.kind === 'HostEndpoint' && one.spec.node !== undefined) this.policyOf(one.spec.node);
    }
  }

  /** What a packet meets of a node's host endpoint at one of its places. */
  walks(node: string, place: HostPlace, packet: Packet): EndpointWalk[] {
    if (!this.resources.some((one) => one.kind === 'HostEndpoint' && one.spec.node === node)) return [];
    const { endpoint, forAll } = this.policyOf(node);
    const met = besideWorkloads.has(place) ? forAll : endpoint;
    if (met === undefined) return [];
    const felix = this.felixOf(node);
    const failsafes = {
      inbound: felix.failsafeInboundHostPorts,
      outbound: felix.failsafeOutboundHostPorts,
    };
    const name = `host endpoint ${met.key} of ${node}`;
    return walkHost(met, place, packet, this.state, failsafes, name);
  }

  /** The parameters of a node, of resources alone: what its own file and environment say is not among them. */
  felixOf(node: string): FelixParameters {
    const known = this.felix.get(node);
    if (known !== undefined) return known;
    const config = new FelixConfig(node);
    for (const one of this.resources) {
      const { name, labels = {} } = one.metadata;
      if (one.kind === 'FelixConfiguration') config.setObject(name, one);
      else if (one.kind === 'Node' && name === node) config.setNodeLabels(new Map(Object.entries(labels)));
    }
    const felix = config.flush();
    if (felix === undefined) throw new Error('the first calculation has no parameters');
    this.felix.set(node, felix);
    return felix;
  }

  private policyOf(node: string): HostPolicy {
    const known = this.known.get(node);
    if (known !== undefined) return known;
    const graph = new CalcGraph({ nodeName: node });
    for (const resource of this.resources) {
      // Workloads on the node are calculated elsewhere; here they only fill sets.
      graph.update(
        keyOf(resource),
        resource.kind === 'WorkloadEndpoint' && resource.spec.node === node
          ? { ...resource, spec: { ...resource.spec, node: `${node} workloads` } }
          : resource,
      );
    }
    const delta = graph.flush();
    this.state.apply({ ...delta, endpoints: new Map(), problems: new Map() });
    const endpoints = [...delta.hostEndpoints.values()].filter((one) => one !== undefined);
    const own = this.resources.find((one): one is Node => one.kind === 'Node' && one.metadata.name === node);
    const addresses = own === undefined ? [] : nodeAddresses(own);
    const policy = {
      endpoint: crossed(endpoints, addresses),
      forAll: forAllInterfaces(endpoints),
    };
    this.known.set(node, policy);
    return policy;
  }
}

/** The addresses of a node, those of BGP first. */
export function nodeAddresses({ spec }: Node): Address[] {
  const bgp = [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address].flatMap(
    (text) => (text === undefined ? undefined : parseAddress(text.split('/')[0]!)) ?? [],
  );
  const others = (spec.addresses ?? []).flatMap(({ address }) => parseAddress(address) ?? []);
  return [...new Set([...bgp, ...others])];
}

/** The node that has an address. */
export function nodeAt(resources: readonly KnownResource[], address: Address): string | undefined {
  return resources.find((one): one is Node => one.kind === 'Node' && nodeAddresses(one).includes(address))
    ?.metadata.name;
}

/** The endpoint of the interface that packets between nodes take. */
function crossed(
  endpoints: readonly LocalHostEndpoint[],
  addresses: readonly Address[],
): LocalHostEndpoint | undefined {
  const ordered = endpoints.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const specific = ordered.filter(({ interfaceName }) => interfaceName !== anyInterface);
  return (
    specific.find(({ expectedAddresses }) => expectedAddresses.some((one) => addresses.includes(one))) ??
    forAllInterfaces(ordered) ??
    specific.find(({ expectedAddresses }) => expectedAddresses.length === 0)
  );
}
