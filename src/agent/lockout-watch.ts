/**
 * Warns when policy of this node's host endpoints begins to refuse what the node lives by: connections to the datastore
 * and BGP with its peers. Established ones go on, so that it would only show at the next start.
 */
import type { Logger } from '../base/log.ts';
import type { FelixParameters } from '../calc/felix-config.ts';
import type { CalcDelta, Direction, RoutingPlan } from '../calc/output.ts';
import { evaluateHost } from '../explain/evaluate-host.ts';
import { type Socket, standingFor } from '../explain/lockout.ts';
import type { PolicyState } from '../explain/policy-state.ts';
import { type Address, familyOf } from '../net/address.ts';

const TCP = 6;

interface Lifeline {
  readonly what: string;
  readonly direction: Direction;
  readonly local: Address;
  readonly remote: Address;
  readonly port: number;
}

export class LockoutWatch {
  private routing: RoutingPlan | undefined;
  private felix: FelixParameters | undefined;
  /** What was told, and is still so. */
  private told = new Set<string>();

  constructor(
    private readonly state: PolicyState,
    /** Where the datastore is reached, as far as its address is known. */
    private readonly datastore: readonly Socket[],
    private readonly log: Logger,
  ) {}

  /** Takes in a change that the state has seen already; warns of what it closes. */
  follow(delta: CalcDelta): void {
    this.routing = delta.routing ?? this.routing;
    this.felix = delta.felix ?? this.felix;
    const { felix, routing, state } = this;
    if (felix === undefined || routing?.node === undefined) return;
    if (state.hostEndpoints.size === 0) {
      this.told.clear();
      return;
    }
    const failsafes = { inbound: felix.failsafeInboundHostPorts, outbound: felix.failsafeOutboundHostPorts };
    const now = new Set<string>();
    for (const { what, direction, local, remote, port } of this.lifelines(routing)) {
      const packet = {
        source: direction === 'ingress' ? remote : local,
        destination: direction === 'ingress' ? local : remote,
        protocol: TCP,
        destinationPort: port,
      };
      for (const endpoint of standingFor([...state.hostEndpoints.values()], local)) {
        const place = direction === 'ingress' ? 'toHost' : 'fromHost';
        const { verdict, decidedBy } = evaluateHost(endpoint, place, packet, state, failsafes);
        if (verdict !== 'deny') continue;
        const id = `${what} ${endpoint.key}`;
        now.add(id);
        if (this.told.has(id)) continue;
        const facts = { connection: what, hostEndpoint: endpoint.key, deniedBy: decidedBy };
        this.log.warn(facts, 'policy of a host endpoint refuses what this node lives by');
      }
    }
    this.told = now;
  }

  private *lifelines({ node, peers, listenPort }: RoutingPlan): Generator<Lifeline> {
    const addresses = node?.addresses ?? {};
    for (const { address, port, sourceAddress } of peers) {
      const local = sourceAddress ?? addresses[familyOf(address)];
      if (local === undefined) continue;
      const between = { local, remote: address };
      yield { what: `BGP session from ${address}`, direction: 'ingress', ...between, port: listenPort };
      yield { what: `BGP session to ${address}`, direction: 'egress', ...between, port };
    }
    for (const { address, port } of this.datastore) {
      const local = addresses[familyOf(address)];
      if (local === undefined || local === address) continue;
      yield {
        what: `datastore connection to ${address} port ${port}`,
        direction: 'egress',
        local,
        remote: address,
        port,
      };
    }
  }
}
