/**
 * Cuts established connections that a change of policy denies, where a policy wants that. The evaluator that answers
 * `explain` judges every connection of the endpoints in question as if it began now (design D12); denied ones are
 * marked in connection tracking, and the table ends what is marked (nftables/render/cut-connections.ts). A marked
 * connection that policy allows again is forgotten, so that its next packet begins it anew.
 */
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { CalcDelta, LocalEndpoint } from '../calc/output.ts';
import { evaluateEndpoint } from '../explain/evaluate.ts';
import { FlushScope } from '../explain/flush-scope.ts';
import type { Packet } from '../explain/packet.ts';
import type { PolicyState } from '../explain/policy-state.ts';
import type { Address } from '../net/address.ts';
import type { Connection, Conntrack } from '../netlink/conntrack.ts';
import { CUT_MARK } from '../nftables/render/cut-connections.ts';

export interface ConnectionCutterOptions {
  readonly open: () => Conntrack;
  /** Whether the host itself has the address: what it sends to its own workloads is not policed. */
  readonly isHost: (address: Address) => boolean;
  readonly log: Logger;
}

/** Milliseconds of judging before others get their turn. */
const TURN = 5;

export class ConnectionCutter {
  private readonly scope: FlushScope;
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
      const endpoints = this.endpointsByAddress();
      const denied: Connection[] = [];
      const revived: Connection[] = [];
      let turnEnds = Date.now() + TURN;
      for (const connection of await this.conntrack.connections()) {
        const isMarked = (connection.mark & CUT_MARK) !== 0;
        const isDenied = this.isDenied(connection, endpoints, keys);
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

  /** Whether policy denies the connection now; undefined if none of the endpoints is an end of it. */
  private isDenied(
    { original, reply }: Connection,
    endpoints: ReadonlyMap<Address, LocalEndpoint>,
    keys: ReadonlySet<string>,
  ): boolean | undefined {
    const from = endpoints.get(original.source);
    const to = this.options.isHost(original.source) ? undefined : endpoints.get(reply.source);
    if (![from, to].some((endpoint) => endpoint !== undefined && keys.has(endpoint.key))) return undefined;
    // Policy sees destinations as they are after translation, sources as they are before.
    const packet: Packet = {
      source: original.source,
      destination: reply.source,
      protocol: original.protocol,
      ...(original.sourcePort === undefined ? {} : { sourcePort: original.sourcePort }),
      ...(reply.sourcePort === undefined ? {} : { destinationPort: reply.sourcePort }),
      ...(original.icmp === undefined ? {} : { icmp: original.icmp }),
    };
    const denies = (endpoint: LocalEndpoint | undefined, direction: 'egress' | 'ingress'): boolean =>
      endpoint !== undefined && evaluateEndpoint(endpoint, direction, packet, this.state).verdict === 'deny';
    return denies(from, 'egress') || denies(to, 'ingress');
  }

  private endpointsByAddress(): Map<Address, LocalEndpoint> {
    return new Map(
      [...this.state.endpoints.values()].flatMap((endpoint) =>
        endpoint.addresses.map((address) => [address, endpoint] as const),
      ),
    );
  }
}
