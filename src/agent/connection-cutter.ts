/**
 * Cuts established connections that a change of policy denies, where a policy wants that. The evaluator that answers
 * `explain` judges every connection of the endpoints in question as if it began now (design D12); denied ones are
 * marked in connection tracking, and the table ends what is marked (nftables/render/cut-connections.ts). A marked
 * connection that policy allows again is forgotten, so that its next packet begins it anew.
 */
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { CalcDelta, LocalEndpoint, LocalHostEndpoint } from '../calc/output.ts';
import { evaluateEndpoint } from '../explain/evaluate.ts';
import { type Failsafes, type HostPlace, evaluateHost, forAllInterfaces } from '../explain/evaluate-host.ts';
import { FlushScope, hostKey } from '../explain/flush-scope.ts';
import type { Packet } from '../explain/packet.ts';
import type { PolicyState } from '../explain/policy-state.ts';
import type { Address } from '../net/address.ts';
import type { Connection, Conntrack } from '../netlink/conntrack.ts';
import { CUT_MARK } from '../nftables/render/cut-connections.ts';

export interface ConnectionCutterOptions {
  readonly open: () => Conntrack;
  /** Whether the host itself has the address: what it sends to its own workloads is not policed. */
  readonly isHost: (address: Address) => boolean;
  /** The name of the host endpoint that stands for an address of the host. */
  readonly hostEndpointAt: (address: Address) => string | undefined;
  /** The names of the host endpoints that packets to an address leave by, as routes are now. */
  readonly hostEndpointsTowards: () => Promise<(address: Address) => readonly string[]>;
  readonly log: Logger;
}

/** An end of a connection, or an interface of the host that it passes. */
interface Policed {
  readonly key: string;
  readonly denies: () => boolean;
}

/** What is known of this host while connections are judged. */
interface Surroundings {
  readonly endpoints: ReadonlyMap<Address, LocalEndpoint>;
  /** The host endpoint of all interfaces, if any. */
  readonly besideWorkloads: readonly LocalHostEndpoint[];
  readonly hostEndpointsTowards: (address: Address) => readonly string[];
}

/** Milliseconds of judging before others get their turn. */
const TURN = 5;

export class ConnectionCutter {
  private readonly scope: FlushScope;
  private failsafes: Failsafes = { inbound: [], outbound: [] };
  /** Endpoints whose connections are to be judged. */
  private pending = new Set<string>();
  private running: Promise<void> | undefined;
  private conntrack: Conntrack | undefined;
  private closed = false;

  constructor(
    private readonly state: PolicyState,
    private readonly options: ConnectionCutterOptions,
  ) {
    this.scope = new FlushScope(state);
  }

  /** Takes in a change that the state has seen already and that the kernel is about to get. */
  follow(delta: CalcDelta): void {
    const { felix } = delta;
    if (felix !== undefined) {
      const { failsafeInboundHostPorts: inbound, failsafeOutboundHostPorts: outbound } = felix;
      this.failsafes = { inbound, outbound };
    }
    for (const key of this.scope.follow(delta)) this.pending.add(key);
  }

  /**
   * To be called when what was followed is in force. Resolves when everything that was in question then is judged;
   * never rejects.
   */
  async run(): Promise<void> {
    while (this.running !== undefined) await this.running;
    if (this.pending.size === 0 || this.closed) return;
    this.running = this.judgeAll().finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  close(): void {
    this.closed = true;
    this.conntrack?.close();
  }

  private async judgeAll(): Promise<void> {
    const keys = this.pending;
    this.pending = new Set();
    try {
      this.conntrack ??= this.options.open();
      const surroundings = await this.surroundings();
      const denied: Connection[] = [];
      const revived: Connection[] = [];
      let turnEnds = Date.now() + TURN;
      for (const connection of await this.conntrack.connections()) {
        const isMarked = (connection.mark & CUT_MARK) !== 0;
        const isDenied = this.isDenied(connection, surroundings, keys);
        if (isDenied === true && !isMarked) denied.push(connection);
        else if (isDenied === false && isMarked) revived.push(connection);
        if (Date.now() < turnEnds) continue;
        await new Promise((resolve) => setImmediate(resolve));
        turnEnds = Date.now() + TURN;
      }
      const cut = await this.conntrack.mark(denied, CUT_MARK);
      await this.conntrack.delete(revived);
      if (cut > 0) this.options.log.info({ connections: cut }, 'connections cut that policy denies now');
    } catch (error) {
      if (this.closed) return;
      this.conntrack?.close();
      this.conntrack = undefined;
      for (const key of keys) this.pending.add(key);
      this.options.log.warn(
        { reason: describeError(error) },
        'established connections cannot be judged anew; the next change of policy tries again',
      );
    }
  }

  /** Whether policy denies the connection now; undefined if it has nothing to do with the endpoints. */
  private isDenied(
    { original, reply }: Connection,
    surroundings: Surroundings,
    keys: ReadonlySet<string>,
  ): boolean | undefined {
    // Policy sees destinations as they are after translation, sources as they are before.
    const packet: Packet = {
      source: original.source,
      destination: reply.source,
      protocol: original.protocol,
      ...(original.sourcePort === undefined ? {} : { sourcePort: original.sourcePort }),
      ...(reply.sourcePort === undefined ? {} : { destinationPort: reply.sourcePort }),
      ...(original.icmp === undefined ? {} : { icmp: original.icmp }),
    };
    const { isHost } = this.options;
    const { endpoints } = surroundings;
    const from = endpoints.get(packet.source);
    const to = isHost(packet.source) ? undefined : endpoints.get(packet.destination);
    const ends: Policed[] = [];
    for (const [endpoint, direction] of [
      [from, 'egress'],
      [to, 'ingress'],
    ] as const) {
      if (endpoint === undefined) continue;
      const denies = (): boolean =>
        evaluateEndpoint(endpoint, direction, packet, this.state).verdict === 'deny';
      ends.push({ key: endpoint.key, denies });
    }
    ends.push(...this.hostEnds(packet, endpoints), ...this.passed(packet, surroundings));
    if (!ends.some(({ key }) => keys.has(key))) return undefined;
    return ends.some(({ denies }) => denies());
  }

  /** The host's end, where a host endpoint stands for it: not towards its own workloads, nor towards itself. */
  private *hostEnds(packet: Packet, endpoints: ReadonlyMap<Address, LocalEndpoint>): Generator<Policed> {
    const { isHost, hostEndpointAt } = this.options;
    for (const [own, other, place] of [
      [packet.source, packet.destination, 'fromHost'],
      [packet.destination, packet.source, 'toHost'],
    ] as const) {
      if (!isHost(own) || isHost(other) || endpoints.has(other)) continue;
      const endpoint = this.state.hostEndpoints.get(hostEndpointAt(own) ?? '');
      if (endpoint === undefined) continue;
      const denies = (): boolean =>
        evaluateHost(endpoint, place, packet, this.state, this.failsafes).verdict === 'deny';
      yield { key: hostKey(endpoint.key), denies };
    }
  }

  /** Host endpoints that a forwarded connection comes in by and leaves by; workloads have the one of all interfaces. */
  private *passed(
    packet: Packet,
    { endpoints, besideWorkloads, hostEndpointsTowards }: Surroundings,
  ): Generator<Policed> {
    for (const [end, place] of placesOf(packet, this.options.isHost, (one) => endpoints.has(one))) {
      const ways = endpoints.has(end)
        ? besideWorkloads
        : hostEndpointsTowards(end).flatMap((name) => this.state.hostEndpoints.get(name) ?? []);
      // Of several ways nobody knows which one it takes: it is cut if it may take none.
      const denies = (): boolean =>
        ways.every((way) => evaluateHost(way, place, packet, this.state, this.failsafes).verdict === 'deny');
      for (const { key } of ways) yield { key: hostKey(key), denies };
    }
  }

  private async surroundings(): Promise<Surroundings> {
    const endpoints = new Map(
      [...this.state.endpoints.values()].flatMap((endpoint) =>
        endpoint.addresses.map((address) => [address, endpoint] as const),
      ),
    );
    // A host may have very many routes, and most have no policy for what they forward.
    const polices = [...this.state.hostEndpoints.values()].some(
      ({ tiers }) => tiers.forward.length + tiers.preDNAT.length > 0,
    );
    const forAll = forAllInterfaces([...this.state.hostEndpoints.values()]);
    const hostEndpointsTowards = polices ? await this.options.hostEndpointsTowards() : () => [];
    return { endpoints, besideWorkloads: forAll === undefined ? [] : [forAll], hostEndpointsTowards };
  }
}

/** Where a connection passes host endpoints, by the end that lies beyond. */
function placesOf(
  { source, destination }: Packet,
  isHost: (address: Address) => boolean,
  isWorkload: (address: Address) => boolean,
): (readonly [Address, HostPlace])[] {
  if (isHost(source)) return [];
  if (isHost(destination)) return isWorkload(source) ? [[source, 'fromWorkloadToHost']] : [];
  return [
    [source, isWorkload(source) ? 'fromWorkload' : 'intoHost'],
    [destination, isWorkload(destination) ? 'toWorkload' : 'outOfHost'],
  ];
}
