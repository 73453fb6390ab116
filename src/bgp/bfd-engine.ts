/**
 * Runs BFD sessions (RFC 5880 §6.8): finds the session of each packet, keeps both timers of each session, and reports
 * what changes. What a packet means is decided in bfd/session.ts; where packets go and come from is the transport's.
 */
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { InternalError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { BfdHandle, BfdReport, BfdService, BfdTarget, BfdVerdict } from './bfd-service.ts';
import { DIAGNOSTIC_NONE, decodeControlPacket, diagnosticName, encodeControlPacket } from './bfd/packet.ts';
import {
  type BfdParameters,
  type BfdSession,
  type BfdStep,
  changeParameters,
  createBfdSession,
  detectionTime,
  detectionTimeExpired,
  disable,
  jittered,
  nextPacket,
  receivePacket,
  transmitInterval,
} from './bfd/session.ts';

/** Sends the packets of one session. */
export interface BfdChannel {
  send(bytes: Uint8Array): void;
  close(): void;
}

export interface BfdArrival {
  readonly bytes: Uint8Array;
  readonly remote: Address;
  /** Known where the address is link-local. */
  readonly device?: string;
  readonly multihop: boolean;
}

export interface BfdTransport {
  /** Throws a KernelError if nothing can be sent or received. */
  open(target: BfdTarget): BfdChannel;
  /** Calls back once all that has arrived by now is delivered. */
  whenRead(callback: () => void): void;
  close(): void;
}

export interface BfdEngineOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** Makes the transport, which delivers to `receive`. */
  readonly transport: (receive: (arrival: BfdArrival) => void) => BfdTransport;
}

/** How often the end of a session is said, and how far apart in milliseconds. */
const FAREWELLS = 3;
const FAREWELL_INTERVAL = 50;
const MICROSECONDS = 1000;

interface Entry {
  readonly target: BfdTarget;
  readonly report: (report: BfdReport) => void;
  session: BfdSession;
  channel: BfdChannel | undefined;
  /** Why there is no channel. */
  problem: string | undefined;
  readonly backoff: Backoff;
  retry: TimerHandle | undefined;
  transmit: { readonly timer: TimerHandle; readonly interval: number } | undefined;
  detect: { readonly timer: TimerHandle; readonly due: number } | undefined;
  lastSent: number;
  lastHeard: number;
  /** Wall-clock milliseconds. */
  since: number;
  /** Somebody wants to know of the next packet in Up. */
  confirming: boolean;
  /** Being ended: only its AdminDown still goes out. */
  leaving: boolean;
}

export class BfdEngine implements BfdService {
  private readonly byDiscriminator = new Map<number, Entry>();
  private readonly transport: BfdTransport;

  constructor(private readonly options: BfdEngineOptions) {
    this.transport = options.transport((arrival) => this.receive(arrival));
  }

  open(target: BfdTarget, parameters: BfdParameters, report: (report: BfdReport) => void): BfdHandle {
    const { clock } = this.options;
    const entry: Entry = {
      target,
      report,
      session: createBfdSession(this.freeDiscriminator(), parameters),
      channel: undefined,
      problem: undefined,
      backoff: new Backoff({ initial: 1000, maximum: 30_000 }),
      retry: undefined,
      transmit: undefined,
      detect: undefined,
      lastSent: Number.NEGATIVE_INFINITY,
      lastHeard: Number.NEGATIVE_INFINITY,
      since: clock.wall(),
      confirming: false,
      leaving: false,
    };
    this.byDiscriminator.set(entry.session.localDiscriminator, entry);
    this.connect(entry);
    return {
      change: (next) => this.take(entry, changeParameters(entry.session, next)),
      confirm: () => {
        entry.confirming = true;
      },
      close: () => void this.leave(entry),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.byDiscriminator.values()].map((entry) => this.leave(entry)));
    this.transport.close();
  }

  private connect(entry: Entry): void {
    const { clock, log } = this.options;
    entry.retry = undefined;
    try {
      entry.channel = this.transport.open(entry.target);
    } catch (error) {
      const problem = describeError(error);
      if (problem !== entry.problem) log.warn({ peer: entry.target.remote, problem }, 'bfd cannot run');
      entry.problem = problem;
      entry.retry = clock.after(entry.backoff.delay(), () => this.connect(entry));
      this.tell(entry);
      return;
    }
    if (entry.problem !== undefined) log.info({ peer: entry.target.remote }, 'bfd runs now');
    entry.problem = undefined;
    this.send(entry, false);
    this.tell(entry);
  }

  private receive({ bytes, remote, device, multihop }: BfdArrival): void {
    const packet = decodeControlPacket(bytes);
    if ('fault' in packet) {
      this.options.log.debug({ peer: remote, fault: packet.fault }, 'bfd packet dropped');
      return;
    }
    const entry =
      packet.yourDiscriminator === 0
        ? this.entryOf(remote, device, multihop)
        : this.byDiscriminator.get(packet.yourDiscriminator);
    if (entry?.target.remote !== remote || entry.target.multihop !== multihop) {
      this.options.log.debug({ peer: remote, multihop }, 'bfd packet of no session');
      return;
    }
    entry.lastHeard = this.options.clock.now();
    this.take(entry, receivePacket(entry.session, packet));
    if (entry.confirming && entry.session.state === 'Up' && !entry.leaving) this.tell(entry, 'alive');
  }

  /** RFC 5881 §3: by the source address, and by the interface where that alone says nothing. */
  private entryOf(remote: Address, device: string | undefined, multihop: boolean): Entry | undefined {
    let leaving: Entry | undefined;
    for (const entry of this.byDiscriminator.values()) {
      const { target } = entry;
      if (target.remote !== remote || target.multihop !== multihop) continue;
      if (target.device !== undefined && device !== undefined && target.device !== device) continue;
      if (!entry.leaving) return entry;
      leaving = entry;
    }
    return leaving;
  }

  /** Takes a step over: what is to be sent is sent, the timers follow, and what changed is reported. */
  private take(entry: Entry, { session, send }: BfdStep): void {
    const before = entry.session;
    entry.session = session;
    if (send !== undefined) this.send(entry, send === 'final');
    this.arm(entry);
    if (entry.leaving) return;
    if ((before.state === 'Up') !== (session.state === 'Up')) this.turned(entry);
    else if (shown(before) !== shown(session)) this.tell(entry);
  }

  private turned(entry: Entry): void {
    const { clock, log } = this.options;
    const { session, target } = entry;
    entry.since = clock.wall();
    if (session.state === 'Up') {
      log.info({ peer: target.remote, detectionTime: this.detectionMilliseconds(session) }, 'bfd up');
      this.tell(entry, 'alive');
      return;
    }
    const diagnostic = diagnosticName(session.diagnostic);
    log.warn({ peer: target.remote, diagnostic }, 'bfd down');
    this.tell(entry, session.remote?.state === 'AdminDown' ? 'unwatched' : 'lost');
  }

  private tell(entry: Entry, verdict?: BfdVerdict): void {
    const { session, target, problem } = entry;
    const { remote, state, diagnostic } = session;
    if (verdict !== undefined) entry.confirming = false;
    const interval = transmitInterval(session);
    const detection = this.detectionMilliseconds(session);
    entry.report({
      status: {
        state,
        ...(remote === undefined ? {} : { remoteState: remote.state }),
        diagnostic: diagnostic === DIAGNOSTIC_NONE ? '' : diagnosticName(diagnostic),
        remoteDiagnostic:
          remote === undefined || remote.diagnostic === DIAGNOSTIC_NONE
            ? ''
            : diagnosticName(remote.diagnostic),
        multihop: target.multihop,
        ...(interval === undefined ? {} : { transmitInterval: interval / MICROSECONDS }),
        ...(detection === undefined ? {} : { detectionTime: detection }),
        since: new Date(entry.since).toISOString(),
        ...(problem === undefined ? {} : { problem }),
      },
      ...(verdict === undefined ? {} : { verdict }),
      controlPlaneIndependent: remote?.controlPlaneIndependent === true,
    });
  }

  private send(entry: Entry, final: boolean): void {
    const { session, packet } = nextPacket(entry.session, final);
    entry.session = session;
    entry.channel?.send(encodeControlPacket(packet));
    // A Final is no part of the rhythm.
    if (!final) this.restartTransmit(entry);
  }

  private restartTransmit(entry: Entry): void {
    entry.lastSent = this.options.clock.now();
    entry.transmit?.timer.cancel();
    entry.transmit = undefined;
    this.arm(entry);
  }

  /** Sets both timers by the session as it is. */
  private arm(entry: Entry): void {
    this.armTransmit(entry);
    this.armDetect(entry);
  }

  private armTransmit(entry: Entry): void {
    const { clock, random } = this.options;
    const interval = transmitInterval(entry.session);
    if (entry.channel === undefined || interval === entry.transmit?.interval) return;
    entry.transmit?.timer.cancel();
    entry.transmit = undefined;
    if (interval === undefined) return;
    const wait = jittered(interval, entry.session.parameters.multiplier, random()) / MICROSECONDS;
    const timer = clock.after(Math.max(0, entry.lastSent + wait - clock.now()), () =>
      this.send(entry, false),
    );
    entry.transmit = { timer, interval };
  }

  /** A timer that comes too early looks again; one that would come too late is replaced. */
  private armDetect(entry: Entry): void {
    const { clock } = this.options;
    const time = this.detectionMilliseconds(entry.session);
    if (time === undefined) {
      entry.detect?.timer.cancel();
      entry.detect = undefined;
      return;
    }
    const due = entry.lastHeard + time;
    if (entry.detect !== undefined && entry.detect.due <= due) return;
    entry.detect?.timer.cancel();
    const timer = clock.after(Math.max(0, due - clock.now()), () => {
      entry.detect = undefined;
      // What waits in the socket has arrived in time, though this thread was not there to read it.
      if (this.isSilent(entry)) this.transport.whenRead(() => this.judge(entry));
      else this.armDetect(entry);
    });
    entry.detect = { timer, due };
  }

  private isSilent(entry: Entry): boolean {
    const time = this.detectionMilliseconds(entry.session);
    return time !== undefined && this.options.clock.now() >= entry.lastHeard + time;
  }

  private judge(entry: Entry): void {
    if (this.byDiscriminator.get(entry.session.localDiscriminator) !== entry) return;
    if (this.isSilent(entry)) this.take(entry, detectionTimeExpired(entry.session));
    else this.armDetect(entry);
  }

  private detectionMilliseconds(session: BfdSession): number | undefined {
    const time = detectionTime(session);
    return time === undefined ? undefined : time / MICROSECONDS;
  }

  /** RFC 5880 §6.8.16: the peer must hear AdminDown, or it would take us for lost; one packet may be. */
  private async leave(entry: Entry): Promise<void> {
    if (entry.leaving) return;
    entry.leaving = true;
    if (entry.channel !== undefined && entry.session.remote !== undefined) {
      this.take(entry, disable(entry.session));
      for (let said = 1; said < FAREWELLS; said++) {
        await new Promise<void>((resolve) => this.options.clock.after(FAREWELL_INTERVAL, resolve));
        this.send(entry, false);
      }
    }
    this.forget(entry);
  }

  private forget(entry: Entry): void {
    for (const timer of [entry.retry, entry.transmit?.timer, entry.detect?.timer]) timer?.cancel();
    entry.channel?.close();
    entry.channel = undefined;
    this.byDiscriminator.delete(entry.session.localDiscriminator);
  }

  /** RFC 5880 §6.3: unique and not 0; by chance, so that a restarted speaker's are not those of before (§10). */
  private freeDiscriminator(): number {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const discriminator = 1 + Math.floor(this.options.random() * 0xffff_ffff);
      if (!this.byDiscriminator.has(discriminator)) return discriminator;
    }
    throw new InternalError('no BFD discriminator is free');
  }
}

/** What of a session a report shows. */
function shown({ state, diagnostic, remote, inForce }: BfdSession): string {
  const { desiredMinTx, requiredMinRx } = inForce;
  return JSON.stringify([state, diagnostic, remote, desiredMinTx, requiredMinRx]);
}
