/**
 * The BGP port. Whoever connects is handed to the peer configured for that address; strangers are told so and closed
 * (RFC 4486: Cease, Connection Rejected). A port that is taken is one clear error and is tried again: sessions that
 * we open ourselves go on meanwhile.
 */
import { type Server, type Socket, createServer } from 'node:net';
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { KernelError, MargayError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { setMd5Key, tcpListenSocket } from '../sys/socket.ts';
import { addressOf } from './connection.ts';
import { encodeMessage } from './wire/codec.ts';
import { CEASE_CONNECTION_REJECTED } from './wire/iana.ts';
import { BASIC_WIRE } from './wire/message.ts';
import { cease } from './wire/notification.ts';

/** DSCP CS6, internetwork control: what routers give BGP. */
export const TRAFFIC_CLASS = 0xc0;
/** RFC 5082: the only hop limit that a distant sender cannot fake. */
export const GTSM_TIME_TO_LIVE = 255;

const STRANGERS_REMEMBERED = 1000;
/**
 * Connections that one address may have open at a time: a peer needs two (RFC 4271 §6.8), and those that are closing
 * count until they are gone. What comes beyond is reset without a word.
 */
const CONNECTIONS_PER_ADDRESS = 8;
/** Strangers that are told why they are not welcome at a time, and milliseconds that they have to take it. */
const STRANGERS_AT_A_TIME = 64;
const FAREWELL_TIME = 2000;
const ANY: readonly Address[] = ['0.0.0.0' as Address, '::' as Address];

export interface ListenConfig {
  readonly port: number;
  /** All addresses of both families if empty. */
  readonly addresses: readonly Address[];
  /** Keys by peer, or for all of a prefix that have none of their own (RFC 2385). */
  readonly passwords: ReadonlyMap<Address | Prefix, string>;
  /** Some peer checks the hop limit, so it must be the highest from the first segment on. */
  readonly ttlSecurity: boolean;
}

export interface ListenerOptions {
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes a connection over, or says why not. */
  readonly accept: (socket: Socket, remote: Address, local: Address | undefined) => Reception;
}

/** What becomes of a connection: `unknown`, nobody expects this peer; `refused`, for a reason that has been logged. */
export type Reception = 'accepted' | 'unknown' | 'refused';

interface OpenServer {
  readonly server: Server;
  readonly fd: number;
}

export class Listener {
  private readonly servers = new Map<Address, OpenServer>();
  private readonly problems = new Map<Address, string>();
  private readonly strangers = new Set<Address>();
  private strangersOpen = 0;
  /** Connections that are open, by who opened them. */
  private readonly open = new Map<Address, number>();
  /** Addresses that have gone beyond their limit, each said once until it is below it. */
  private readonly flooding = new Set<Address>();
  private readonly backoff = new Backoff({ initial: 1000, maximum: 30_000 });
  private retryTimer: TimerHandle | undefined;
  private config: ListenConfig | undefined;

  constructor(private readonly options: ListenerOptions) {}

  /** Why some address cannot be listened on, and what to do about it. */
  get problem(): string | undefined {
    return this.problems.values().next().value;
  }

  /** Listens as configured. Only what differs from before is opened or closed. */
  configure(config: ListenConfig): void {
    const before = this.config;
    this.config = config;
    this.retryTimer?.cancel();
    this.retryTimer = undefined;
    this.backoff.reset();
    const addresses = config.addresses.length === 0 ? ANY : config.addresses;
    const reopen = before?.port !== config.port || before.ttlSecurity !== config.ttlSecurity;
    for (const [address, { server }] of this.servers) {
      if (!reopen && addresses.includes(address)) continue;
      server.close();
      this.servers.delete(address);
    }
    for (const address of this.problems.keys()) {
      if (reopen || !addresses.includes(address)) this.problems.delete(address);
    }
    if (before !== undefined) this.changeKeys(before.passwords, config.passwords);
    this.openAll();
  }

  close(): void {
    this.retryTimer?.cancel();
    this.config = undefined;
    for (const { server } of this.servers.values()) server.close();
    this.servers.clear();
    this.problems.clear();
  }

  private changeKeys(before: ListenConfig['passwords'], after: ListenConfig['passwords']): void {
    for (const peer of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(peer) === after.get(peer)) continue;
      for (const [address, { fd }] of this.servers) {
        if (sameFamily(address, peer)) setMd5Key(fd, peer, after.get(peer));
      }
    }
  }

  private openAll(): void {
    const { config } = this;
    if (config === undefined) return;
    for (const address of config.addresses.length === 0 ? ANY : config.addresses) {
      if (!this.servers.has(address)) this.listenOn(address, config);
    }
  }

  private listenOn(address: Address, config: ListenConfig): void {
    const { namespace, log } = this.options;
    const passwords = [...config.passwords].filter(([peer]) => sameFamily(address, peer));
    try {
      const fd = tcpListenSocket({
        address,
        port: config.port,
        trafficClass: TRAFFIC_CLASS,
        ...(namespace === undefined ? {} : { namespace }),
        ...(config.ttlSecurity ? { timeToLive: GTSM_TIME_TO_LIVE } : {}),
        md5Keys: passwords.map(([peer, key]) => ({ peer, key })),
      });
      const server = createServer((socket) => this.accept(socket));
      this.servers.set(address, { server, fd });
      server.on('error', (error) => {
        this.servers.delete(address);
        this.fail(address, config, error);
      });
      server.listen({ fd }, () => {
        if (!this.problems.delete(address)) return;
        log.info({ address, port: config.port }, 'bgp port is ours now');
        if (this.problems.size === 0) this.backoff.reset();
      });
    } catch (error) {
      // A host without IPv6 (or IPv4) has nothing to listen on there, which is no fault.
      if (ANY.includes(address) && error instanceof KernelError && error.errno === 'EAFNOSUPPORT') return;
      this.fail(address, config, error);
    }
  }

  private fail(address: Address, config: ListenConfig, cause: unknown): void {
    if (config !== this.config) return;
    const { clock, log } = this.options;
    const reason = describeError(listenError(address, config.port, cause));
    // Said once, not at every attempt, and not for each family.
    if (![...this.problems.values()].includes(reason)) log.error({ reason }, 'bgp cannot listen');
    this.problems.set(address, reason);
    this.retryTimer ??= clock.after(this.backoff.delay(), () => {
      this.retryTimer = undefined;
      this.openAll();
    });
  }

  private accept(socket: Socket): void {
    const remote = addressOf(socket.remoteAddress);
    const local = addressOf(socket.localAddress);
    if (remote === undefined) {
      socket.destroy();
      return;
    }
    if (!this.count(socket, remote)) return;
    const reception = this.options.accept(socket, remote, local);
    if (reception === 'accepted') return;
    const { log, clock } = this.options;
    if (reception === 'unknown' && !this.strangers.has(remote)) {
      if (this.strangers.size >= STRANGERS_REMEMBERED) this.strangers.clear();
      this.strangers.add(remote);
      log.warn({ address: remote }, 'bgp connection rejected: no peer has this address');
    }
    if (this.strangersOpen >= STRANGERS_AT_A_TIME) {
      socket.resetAndDestroy();
      return;
    }
    this.strangersOpen++;
    const farewell = clock.after(FAREWELL_TIME, () => socket.destroy());
    socket.once('close', () => {
      this.strangersOpen--;
      farewell.cancel();
    });
    socket.resume();
    socket.end(encodeMessage(cease(CEASE_CONNECTION_REJECTED), BASIC_WIRE));
  }

  /** Counts a connection for as long as it is open; resets it and returns false if its sender has too many. */
  private count(socket: Socket, remote: Address): boolean {
    const { log } = this.options;
    socket.on('error', (error) =>
      log.debug({ address: remote, reason: error.message }, 'bgp connection error'),
    );
    const open = this.open.get(remote) ?? 0;
    if (open >= CONNECTIONS_PER_ADDRESS) {
      if (!this.flooding.has(remote)) {
        this.flooding.add(remote);
        log.warn(
          { address: remote, limit: CONNECTIONS_PER_ADDRESS },
          'bgp connections reset: too many of one address',
        );
      }
      socket.resetAndDestroy();
      return false;
    }
    this.open.set(remote, open + 1);
    socket.once('close', () => {
      const left = this.open.get(remote)! - 1;
      if (left > 0) this.open.set(remote, left);
      else {
        this.open.delete(remote);
        this.flooding.delete(remote);
      }
    });
    return true;
  }
}

function sameFamily(a: Address, b: Address | Prefix): boolean {
  return a.includes(':') === b.includes(':');
}

/** One message that says what is wrong and what to do. */
function listenError(address: Address, port: number, cause: unknown): MargayError {
  const errno =
    cause instanceof KernelError ? cause.errno : (cause as NodeJS.ErrnoException | undefined)?.code;
  const at = ANY.includes(address) ? `port ${port}` : `${address} port ${port}`;
  if (errno === 'EADDRINUSE') {
    return new MargayError('bgp.port-taken', `cannot listen for BGP on ${at}: another program does`, {
      fix:
        `Stop the other BGP speaker on this host (\`ss -tlnp sport = :${port}\` names it), ` +
        'or set another listenPort in BGPConfiguration.',
    });
  }
  if (errno === 'EADDRNOTAVAIL') {
    return new MargayError(
      'bgp.no-such-address',
      `cannot listen for BGP on ${at}: not an address of this host`,
      {
        fix: 'Correct the address in Node.spec.bgp, or set bindMode None in BGPConfiguration.',
      },
    );
  }
  if (errno === 'EACCES') {
    return new MargayError('bgp.port-privileged', `cannot listen for BGP on ${at}: not allowed to`, {
      fix: 'Run as root or with the capability CAP_NET_BIND_SERVICE, or set a listenPort above 1023 in BGPConfiguration.',
    });
  }
  return new MargayError('bgp.listen', `cannot listen for BGP on ${at}`, { cause });
}
