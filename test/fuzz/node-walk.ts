/** What a packet meets at the node of a trial, by the evaluator: whatever is its interface, and is at its ends. */
import type { FelixParameters } from '../../src/calc/felix-config.ts';
import type { LocalEndpoint, LocalHostEndpoint } from '../../src/calc/output.ts';
import { type EndpointWalk, evaluateEndpoint } from '../../src/explain/evaluate.ts';
import { type HostPlace, forAllInterfaces, walkHost } from '../../src/explain/evaluate-host.ts';
import { leaveWorkload } from '../../src/explain/leave-workload.ts';
import { standingFor } from '../../src/explain/lockout.ts';
import type { Packet } from '../../src/explain/packet.ts';
import type { PolicyState } from '../../src/explain/policy-state.ts';
import { type Address, address } from '../../src/net/address.ts';
import { topology } from './policy-places.ts';

export class NodeWalk {
  private readonly byAddress: ReadonlyMap<Address, LocalEndpoint>;
  private readonly hosts: readonly LocalHostEndpoint[];

  constructor(
    private readonly state: PolicyState,
    private readonly felix: FelixParameters,
  ) {
    this.byAddress = new Map(
      [...state.endpoints.values()].flatMap((endpoint) =>
        endpoint.addresses.map((own) => [own, endpoint] as const),
      ),
    );
    this.hosts = [...state.hostEndpoints.values()];
  }

  /** Up to what denies the packet, in the order of the kernel. */
  walk(packet: Packet): EndpointWalk[] {
    const walks: EndpointWalk[] = [];
    for (const step of this.steps(packet)) {
      for (const walk of step()) {
        walks.push(walk);
        if (walk.verdict === 'deny') return walks;
      }
    }
    return walks;
  }

  private *steps(packet: Packet): Generator<() => EndpointWalk[]> {
    const { source, destination } = packet;
    const from = this.byAddress.get(source);
    const to = this.byAddress.get(destination);
    const isHost = { from: topology.isHost(source), to: topology.isHost(destination) };
    const outward = this.hostAt(topology.interfaceTo(destination));
    if (isHost.from) {
      if (to === undefined) yield this.host(outward, 'fromHost', packet);
      return;
    }
    if (from === undefined) {
      const inward = this.hostAt(topology.interfaceTo(source));
      yield this.host(inward, isHost.to ? 'toHost' : 'intoHost', packet);
    } else {
      yield this.host(this.hostForAll(), isHost.to ? 'fromWorkloadToHost' : 'fromWorkload', packet);
      yield () => leaveWorkload(from, packet, this.state, this.felix, isHost.to);
    }
    if (isHost.to) return;
    if (to === undefined) {
      yield this.host(outward, 'outOfHost', packet);
    } else {
      yield () => [evaluateEndpoint(to, 'ingress', packet, this.state)];
      yield this.host(this.hostForAll(), 'toWorkload', packet);
    }
  }

  private host(endpoint: LocalHostEndpoint | undefined, place: HostPlace, packet: Packet) {
    const failsafes = {
      inbound: this.felix.failsafeInboundHostPorts,
      outbound: this.felix.failsafeOutboundHostPorts,
    };
    return (): EndpointWalk[] =>
      endpoint === undefined ? [] : walkHost(endpoint, place, packet, this.state, failsafes);
  }

  private hostAt(interfaceName: string): LocalHostEndpoint | undefined {
    const found = topology
      .addressesOf(interfaceName)
      .flatMap((own) => standingFor(this.hosts, address(own), interfaceName));
    const forAll = this.hostForAll();
    const ordered = found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return ordered.find((one) => one !== forAll) ?? forAll;
  }

  private hostForAll(): LocalHostEndpoint | undefined {
    return forAllInterfaces(this.hosts);
  }
}
