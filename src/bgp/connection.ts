/** One TCP connection of a peer: bytes to messages and back, and the two timers that belong to it. */
import type { Socket } from 'node:net';
import { type Address, parseAddress } from '../net/address.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { ConnectionId } from './fsm/event.ts';
import type { Slice } from './slice.ts';
import type { ConnectionTimer } from './fsm/action.ts';
import { type IncomingMessage, encodeMessage, readMessage } from './wire/codec.ts';
import type { MessageCounts } from './message-counts.ts';
import { MessageFramer } from './wire/framer.ts';
import { messageType } from './wire/header.ts';
import { MESSAGE_NOTIFICATION, MESSAGE_OPEN, MESSAGE_UPDATE } from './wire/iana.ts';
import { BASIC_WIRE, type DecodeError, type Message, type WireOptions } from './wire/message.ts';

export interface ConnectionEvents {
  /** An UPDATE as it came; its octets are another's after the call. */
  raw(update: Uint8Array): void;
  received(connection: Connection, message: IncomingMessage | DecodeError): void;
  /** It could not be opened, was reset, or the other side closed it. Never after {@link Connection.close}. */
  failed(connection: Connection, reason: string): void;
  timer(connection: Connection, timer: ConnectionTimer): void;
  /** The other side has read nothing for the send hold time (RFC 9687). */
  unread(connection: Connection): void;
  /** The other side has taken what was written; more may be. */
  drained(connection: Connection): void;
}

/** How long a closed connection may take to flush its last words, in milliseconds. */
const LINGER = 2000;
/**
 * Octets that may wait for a peer that does not read. Peers of a group wait for the same bytes, so that many slow ones
 * cost little more than one.
 */
const UNREAD_LIMIT = 256 * 1024;
/** RFC 9687 §6: eight minutes, or twice the hold time if that is longer. */
const SEND_HOLD_TIME = 480_000;

/** What the usual errors mean to an operator. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there, or the peer does not expect us',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  EADDRNOTAVAIL: 'the source address is not one of this host',
  EPIPE: 'connection closed by peer',
};

const NONE = new Uint8Array(0);

interface RunningTimer {
  readonly handle: TimerHandle;
  /** When it wakes, and when it is due, which may be later. */
  readonly wakes: number;
  due: number;
}

export class Connection {
  private readonly framer = new MessageFramer();
  private readonly timers = new Map<ConnectionTimer, RunningTimer>();
  private wire: WireOptions = BASIC_WIRE;
  private open = true;
  /** As they were on the wire. */
  readonly opens: { sent: Uint8Array; received: Uint8Array } = { sent: NONE, received: NONE };
  lastNotification: { readonly sent: boolean; readonly message: Uint8Array } | undefined;
  /** The next slice of messages that have arrived but are not read yet. */
  private reading: NodeJS.Immediate | undefined;
  private sendHoldTime = SEND_HOLD_TIME;
  private sendHoldTimer: TimerHandle | undefined;
  /** Writes that the kernel has not taken yet. */
  private unwritten = 0;

  constructor(
    readonly id: ConnectionId,
    private readonly socket: Socket,
    private readonly clock: Clock,
    /** Shared by all who read. */
    private readonly slice: Slice,
    private readonly events: ConnectionEvents,
    private readonly counts: { readonly received: MessageCounts; readonly sent: MessageCounts },
  ) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.receive(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.finish(REASONS[error.code ?? ''] ?? error.message),
    );
    socket.on('end', () => this.finish('connection closed by peer'));
    socket.on('close', () => this.finish('connection closed'));
    socket.on('drain', () => {
      if (this.open) events.drained(this);
    });
  }

  /** Our side of the connection, once it is up. */
  get localAddress(): Address | undefined {
    return addressOf(this.socket.localAddress);
  }

  /** Ports of both ends, once it is up. */
  get ports(): { readonly local: number; readonly remote: number } {
    return { local: this.socket.localPort ?? 0, remote: this.socket.remotePort ?? 0 };
  }

  /** Of the socket, while it has one. */
  get descriptor(): number | undefined {
    return descriptorOf(this.socket);
  }

  /** Whether the other side is so far behind that nothing more should be written. */
  get congested(): boolean {
    return this.socket.writableLength > UNREAD_LIMIT;
  }

  /** Reads and writes from the next message on as the two sides have agreed. `holdTime` in seconds. */
  useWire(wire: WireOptions, holdTime: number): void {
    this.wire = wire;
    this.sendHoldTime = Math.max(SEND_HOLD_TIME, 2000 * holdTime);
    this.framer.extendedMessages = wire.extendedMessages;
  }

  send(message: Message): void {
    this.write(encodeMessage(message, this.wire));
  }

  write(bytes: Uint8Array): void {
    if (!this.open) return;
    this.counts.sent.addAll(bytes);
    this.keep(bytes, true);
    this.unwritten++;
    if (this.unwritten === 1) this.watchWrites();
    this.socket.write(bytes, () => {
      this.unwritten--;
      this.watchWrites();
    });
  }

  /** Starts a timer, or starts it anew. */
  startTimer(timer: ConnectionTimer, milliseconds: number): void {
    const due = this.clock.now() + milliseconds;
    const running = this.timers.get(timer);
    if (running !== undefined && running.wakes <= due) {
      // Every message starts the hold timer anew: it is only put off, and looked at when it wakes.
      running.due = due;
      return;
    }
    this.stopTimer(timer);
    this.arm(timer, due, milliseconds);
  }

  private arm(timer: ConnectionTimer, due: number, milliseconds: number): void {
    const handle = this.clock.after(milliseconds, () => {
      const running = this.timers.get(timer)!;
      const left = running.due - this.clock.now();
      // Timers may wake a moment too early.
      if (left >= 1) {
        this.arm(timer, running.due, left);
        return;
      }
      this.timers.delete(timer);
      this.events.timer(this, timer);
    });
    this.timers.set(timer, { handle, wakes: due, due });
  }

  stopTimer(timer: ConnectionTimer): void {
    this.timers.get(timer)?.handle.cancel();
    this.timers.delete(timer);
  }

  /** Closes after what was written is flushed. No event follows. */
  close(): void {
    if (!this.open) return;
    this.shut();
    if (this.socket.connecting) {
      this.socket.destroy();
      return;
    }
    const { socket } = this;
    const linger = this.clock.after(LINGER, () => socket.destroy());
    socket.once('close', () => linger.cancel());
    // What the peer still sends must be read, or the kernel would answer with a reset and drop our last words.
    socket.resume();
    socket.end();
  }

  /** Any progress counts; with nothing left to write there is nothing to watch. */
  private watchWrites(): void {
    this.sendHoldTimer?.cancel();
    if (!this.open || this.unwritten === 0) return;
    this.sendHoldTimer = this.clock.after(this.sendHoldTime, () => this.events.unread(this));
  }

  private receive(bytes: Uint8Array): void {
    if (!this.open) return;
    this.framer.push(bytes);
    if (this.reading === undefined) this.read();
  }

  /** Reads messages for a slice of time; the rest waits, and so does the peer, while others are served. */
  private read(): void {
    this.reading = undefined;
    while (this.open) {
      const message = this.framer.next();
      if (message === undefined) {
        this.socket.resume();
        return;
      }
      if (message instanceof Uint8Array) {
        this.counts.received.add(message);
        this.keep(message, false);
        if (messageType(message) === MESSAGE_UPDATE) this.events.raw(message);
      }
      const received = message instanceof Uint8Array ? readMessage(message, this.wire) : message;
      this.events.received(this, received);
      // A stream that cannot be read has no next message.
      if (received.type === 'error') return;
      if (this.slice.isOver) {
        this.socket.pause();
        this.reading = setImmediate(() => this.read());
        return;
      }
    }
  }

  /** For whoever records the session: how it began and how it ends. */
  private keep(message: Uint8Array, sent: boolean): void {
    const type = messageType(message);
    if (type === MESSAGE_OPEN) this.opens[sent ? 'sent' : 'received'] = message.slice();
    else if (type === MESSAGE_NOTIFICATION) this.lastNotification = { sent, message: message.slice() };
  }

  /** What has arrived is read before the end of the connection counts: it may be a NOTIFICATION that says why. */
  private finish(reason: string): void {
    if (this.open && this.reading !== undefined) setImmediate(() => this.finish(reason));
    else this.fail(reason);
  }

  private fail(reason: string): void {
    if (!this.open) return;
    this.shut();
    this.socket.destroy();
    this.events.failed(this, reason);
  }

  private shut(): void {
    this.open = false;
    clearImmediate(this.reading);
    this.sendHoldTimer?.cancel();
    for (const { handle } of this.timers.values()) handle.cancel();
    this.timers.clear();
  }
}

/** An address as Node tells it, without its zone (RFC 4007 §11). */
export function addressOf(text: string | undefined): Address | undefined {
  return text === undefined ? undefined : parseAddress(text.split('%')[0]!);
}

/** The descriptor of a socket, which Node keeps to itself (its own `_handle.fd`). */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  return typeof handle === 'object' && handle !== null && 'fd' in handle && typeof handle.fd === 'number'
    ? handle.fd
    : undefined;
}
