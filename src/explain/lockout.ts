/**
 * Connections that a cluster lives by (the operator's own, those to the datastore, BGP between nodes), and whether a
 * change of resources would have policy of host endpoints refuse one that it lets through now.
 */
import { FelixConfig } from '../calc/felix-config.ts';
import { CalcGraph } from '../calc/graph.ts';
import type { Direction, LocalHostEndpoint } from '../calc/output.ts';
import { interfaceAddressParts } from '../model/fields.ts';
import { anyInterface } from '../model/kinds/host-endpoint.ts';
import type { Node } from '../model/kinds/node.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyOf } from '../model/resource.ts';
import { type Address, familyOf } from '../net/address.ts';
import { type Failsafes, evaluateHost } from './evaluate-host.ts';
import { PolicyState } from './policy-state.ts';

/** An address and a TCP port. */
export interface Socket {
  readonly address: Address;
  readonly port: number;
}

/** What is known about who asks and where the datastore is. */
export interface Surroundings {
  /** The operator's SSH connection, as sshd tells it (SSH_CONNECTION), and the interface that it came in by. */
  readonly operator?: {
    readonly from: Socket;
    readonly to: Socket;
    readonly interfaceName?: string;
  };
  /** Where the datastore is reached. */
  readonly datastore: readonly Socket[];
}

export interface Lockout {
  /** `your SSH connection from 192.0.2.7`. */
  readonly connection: string;
  readonly node: string;
  /** Name of the HostEndpoint. */
  readonly endpoint: string;
  /** What denies it. */
  readonly decidedBy: readonly string[];
}

interface Lifeline {
  readonly connection: string;
  readonly node: string;
  /** The node's own end. */
  readonly local: Address;
  readonly interfaceName?: string;
  readonly direction: Direction;
  readonly remote: Address;
  readonly port: number;
}

const TCP = 6;
const BGP_PORT = 179;
/** Nodes whose connections to each other are judged; more of them fare alike or are too many to ask about. */
const mostNodes = 50;
/** The node that every host endpoint is put on, to calculate them together. */
const here = 'lockout';

/** What the change from one state of the cluster to another would cut, worst first. */
export function lockouts(
  before: readonly KnownResource[],
  after: readonly KnownResource[],
  surroundings: Surroundings,
): Lockout[] {
  const [now, then] = [new Hosts(before), new Hosts(after)];
  if (then.isEmpty) return [];
  const found = new Map<string, Lockout>();
  for (const lifeline of lifelines(after, surroundings)) {
    const denied = then.denials(lifeline);
    if (denied.length === 0 || now.denials(lifeline).length > 0) continue;
    const { connection, node } = lifeline;
    for (const { endpoint, decidedBy } of denied) {
      // One connection of a kind tells it for a node.
      const kind = `${node} ${connection.split(' ').slice(0, 3).join(' ')} ${endpoint} ${decidedBy.join()}`;
      if (!found.has(kind)) found.set(kind, { connection, node, endpoint, decidedBy });
    }
  }
  return [...found.values()];
}

function* lifelines(
  resources: readonly KnownResource[],
  { operator, datastore }: Surroundings,
): Generator<Lifeline> {
  const nodes = resources.filter((one): one is Node => one.kind === 'Node').slice(0, mostNodes);
  const addressed = nodes.map((node) => ({ name: node.metadata.name, addresses: addressesOf(node) }));
  if (operator !== undefined) {
    const home = addressed.find(({ addresses }) => addresses.includes(operator.to.address));
    const { from, to, interfaceName } = operator;
    yield {
      connection: `your SSH connection from ${from.address}`,
      // An address that no Node has may still be that of a host endpoint.
      node: home?.name ?? '',
      local: to.address,
      ...(interfaceName === undefined ? {} : { interfaceName }),
      direction: 'ingress',
      remote: from.address,
      port: to.port,
    };
  }
  for (const { name: node, addresses } of addressed) {
    for (const local of addresses) {
      const sameFamily = (address: Address): boolean => familyOf(address) === familyOf(local);
      const others = addressed.filter(({ name }) => name !== node).flatMap((other) => other.addresses);
      for (const { address, port } of datastore.filter((one) => sameFamily(one.address))) {
        if (addresses.includes(address)) {
          if (address !== local) continue;
          for (const remote of others.filter(sameFamily)) {
            const connection = `datastore connection from ${remote} to port ${port}`;
            yield { connection, node, local, direction: 'ingress', remote, port };
          }
        } else {
          const connection = `datastore connection to ${address} port ${port}`;
          yield { connection, node, local, direction: 'egress', remote: address, port };
        }
      }
      for (const remote of bgpPeers(node, others, resources).filter(sameFamily)) {
        for (const direction of ['ingress', 'egress'] as const) {
          const way = direction === 'ingress' ? 'from' : 'to';
          yield {
            connection: `BGP session ${way} ${remote}`,
            node,
            local,
            direction,
            remote,
            port: BGP_PORT,
          };
        }
      }
    }
  }
}

function addressesOf({ spec }: Node): Address[] {
  return [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address].flatMap((text) =>
    text === undefined ? [] : [interfaceAddressParts(text).address],
  );
}

/** Other nodes while the mesh is on, and peers at addresses. */
function bgpPeers(node: string, others: readonly Address[], resources: readonly KnownResource[]): Address[] {
  const settings = resources.find(
    (one) => one.kind === 'BGPConfiguration' && one.metadata.name === 'default',
  );
  const mesh = settings?.kind !== 'BGPConfiguration' || settings.spec.nodeToNodeMeshEnabled !== false;
  const explicit = resources.flatMap((one) => {
    if (one.kind !== 'BGPPeer' || (one.spec.node !== undefined && one.spec.node !== node)) return [];
    // A port may be given with the address; it is the peer's, and ours is BGP's anyway.
    const text = one.spec.peerIP?.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([0-9.]+):\d+$/, '$1');
    return text === undefined ? [] : [text as Address];
  });
  return [...(mesh ? others : []), ...explicit];
}

/**
 * The host endpoints of a node that stand for one of its addresses, as in dataplane/host-interfaces.ts: by the name of
 * the interface, by address, then the endpoint of all interfaces. If the interface is not known, it may be that of any
 * endpoint that names one and does not say its addresses.
 */
export function standingFor(
  endpoints: readonly LocalHostEndpoint[],
  local: Address,
  interfaceName?: string,
): LocalHostEndpoint[] {
  const own = endpoints.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const named = own.filter((one) => one.interfaceName !== undefined && one.interfaceName !== anyInterface);
  const certain =
    named.find((one) =>
      interfaceName === undefined
        ? one.expectedAddresses.includes(local)
        : one.interfaceName === interfaceName,
    ) ??
    own.find((one) => one.interfaceName === undefined && one.expectedAddresses.includes(local)) ??
    own.find((one) => one.interfaceName === anyInterface);
  const possible =
    interfaceName === undefined
      ? named.filter(({ expectedAddresses }) => expectedAddresses.length === 0)
      : [];
  return [...new Set([...(certain === undefined ? [] : [certain]), ...possible])];
}

/** Every host endpoint of the cluster, calculated. */
class Hosts {
  private readonly state = new PolicyState();
  /** Nodes of host endpoints by their names. */
  private readonly nodes = new Map<string, string>();
  private readonly failsafes = new Map<string, Failsafes>();

  constructor(private readonly resources: readonly KnownResource[]) {
    if (!resources.some(({ kind }) => kind === 'HostEndpoint')) return;
    const graph = new CalcGraph({ nodeName: here });
    for (const resource of resources) {
      if (resource.kind === 'HostEndpoint') {
        this.nodes.set(resource.metadata.name, resource.spec.node);
        graph.update(keyOf(resource), { ...resource, spec: { ...resource.spec, node: here } });
      } else {
        graph.update(keyOf(resource), resource);
      }
    }
    this.state.apply(graph.flush());
  }

  get isEmpty(): boolean {
    return this.state.hostEndpoints.size === 0;
  }

  /** The host endpoints that certainly or possibly stand for the node's end and deny the connection. */
  denials({
    node,
    local,
    interfaceName,
    direction,
    remote,
    port,
  }: Lifeline): Omit<Lockout, 'connection' | 'node'>[] {
    const packet = {
      source: direction === 'ingress' ? remote : local,
      destination: direction === 'ingress' ? local : remote,
      protocol: TCP,
      destinationPort: port,
    };
    return this.candidates(node, local, interfaceName).flatMap((endpoint) => {
      const home = this.nodes.get(endpoint.key)!;
      const place = direction === 'ingress' ? 'toHost' : 'fromHost';
      const outcome = evaluateHost(endpoint, place, packet, this.state, this.failsafesOf(home));
      return outcome.verdict === 'deny' ? [{ endpoint: endpoint.key, decidedBy: outcome.decidedBy }] : [];
    });
  }

  private candidates(node: string, local: Address, interfaceName: string | undefined): LocalHostEndpoint[] {
    const own = [...this.state.hostEndpoints.values()].filter(({ key, expectedAddresses }) =>
      node === '' ? expectedAddresses.includes(local) : this.nodes.get(key) === node,
    );
    return standingFor(own, local, interfaceName);
  }

  private failsafesOf(node: string): Failsafes {
    const known = this.failsafes.get(node);
    if (known !== undefined) return known;
    const config = new FelixConfig(node);
    for (const one of this.resources) {
      if (one.kind === 'FelixConfiguration') config.setObject(one.metadata.name, one);
      if (one.kind === 'Node' && one.metadata.name === node) {
        config.setNodeLabels(new Map(Object.entries(one.metadata.labels ?? {})));
      }
    }
    const { failsafeInboundHostPorts: inbound, failsafeOutboundHostPorts: outbound } = config.flush()!;
    const failsafes = { inbound, outbound };
    this.failsafes.set(node, failsafes);
    return failsafes;
  }
}
