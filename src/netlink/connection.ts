/**
 * Requests, dumps and batches over one netlink socket.
 *
 * The kernel works every request off inside sendmsg(2), so by the time a send returns, all its answers are in our
 * receive queue (dumps apart). A batch therefore needs no acknowledgement per message: an empty NLMSG_NOOP that asks
 * for one is sent after it, and when that is acknowledged, whatever failed has been reported before.
 *
 * Keep a connection for requests and another for notifications: a storm of notifications then never costs an answer.
 */
import { InternalError, type KernelError } from '../base/errors.ts';
import { ByteWriter } from '../net/bytes.ts';
import { errnoName } from '../sys/errno.ts';
import { kernelError } from '../sys/kernel-error.ts';
import { readAcknowledgement } from './acknowledgement.ts';
import {
  NLMSG_DONE,
  NLMSG_ERROR,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  type NetlinkMessage,
  barrier,
  readMessages,
  writeMessage,
} from './message.ts';
import { type NetlinkSocket, type NetlinkSocketOptions, openNetlinkSocket } from './socket.ts';

/** A request without its header. NLM_F_REQUEST and the sequence are added when it is sent. */
export interface OutgoingMessage {
  readonly type: number;
  /** NLM_F_* beside NLM_F_REQUEST; 0 when left out. */
  readonly flags?: number;
  /** Appends the payload. */
  readonly body: (writer: ByteWriter) => void;
  /** What it does, for errors: `add route 10.0.0.0/8`. Called only when it fails. */
  readonly operation?: () => string;
}

/** Messages that are written whole, with sequences that {@link NetlinkConnection.reserve} has given. */
export interface WrittenBatch {
  readonly first: number;
  /** Without the barrier, whose sequence is the next. */
  readonly count: number;
  /** As they are until the batch is worked off; the barrier is the last of them. */
  readonly bytes: Uint8Array;
  /** What the message at a position does, for errors. Called only when it fails. */
  readonly operation: (index: number) => string;
}

/** A message of a batch that the kernel refused. */
export interface BatchFailure {
  /** Position in the batch. */
  readonly index: number;
  readonly error: KernelError;
}

/** A message that the kernel answered with (NLM_F_ECHO, or a get inside a batch). */
export interface BatchReply {
  /** Position in the batch of the message it answers. */
  readonly index: number;
  readonly message: NetlinkMessage;
}

export interface BatchResult {
  /** In the order of the kernel's reports. */
  readonly failures: readonly BatchFailure[];
  readonly replies: readonly BatchReply[];
}

export interface NetlinkConnectionOptions extends NetlinkSocketOptions {
  /** Told of every message that answers no request of ours: notifications of joined groups. */
  readonly notification?: (message: NetlinkMessage) => void;
  /** Told when the kernel dropped messages for us: what is known from notifications is stale, read it again. */
  readonly overrun?: () => void;
  /** Told when the connection closed, with the reason unless {@link NetlinkConnection.close} was called. */
  readonly closed?: (reason: KernelError | undefined) => void;
}

export interface BatchOptions {
  /** Sent on another thread, so that what takes the kernel long does not hold the event loop. Not if left out. */
  readonly inBackground?: boolean;
}

/** Answers with a sequence in [first, first + count) belong to this. */
interface Pending {
  readonly first: number;
  readonly count: number;
  message(message: NetlinkMessage, index: number): void;
  fail(error: KernelError): void;
}

const MAX_SEQUENCE = 0xffffffff;
/** A dump that the kernel marked inconsistent is repeated this often before it is an error. */
const DUMP_ATTEMPTS = 16;

/** An open connection keeps the process alive until it is closed. */
export class NetlinkConnection {
  private readonly socket: NetlinkSocket;
  /** By first sequence, in order of sending. */
  private readonly pending = new Map<number, Pending>();
  private nextSequence = 1;
  private lastDump: Promise<unknown> = Promise.resolve();
  /** What is being sent in the background, and what waits behind it; undefined: nothing. */
  private sending: Promise<void> | undefined;

  constructor(private readonly options: NetlinkConnectionOptions) {
    this.socket = openNetlinkSocket(options, {
      datagram: (bytes) => this.receive(bytes),
      overrun: () => {
        this.failAll(kernelError('receive netlink answer', 'ENOBUFS', 'the answer was dropped'));
        options.overrun?.();
      },
      closed: (reason) => {
        this.failAll(reason ?? kernelError('receive netlink answer', 'EBADF', 'the connection was closed'));
        options.closed?.(reason);
      },
    });
  }

  /** Our address in the kernel's replies and in notifications of our own changes. */
  get portId(): number {
    return this.socket.portId;
  }

  /** Longest batch in bytes. */
  get sendLimit(): number {
    return this.socket.sendLimit;
  }

  /** Joins a multicast group by number; its messages go to `notification`. */
  join(group: number): void {
    this.socket.join(group);
  }

  /** Closes at once. Everything under way rejects with EBADF. */
  close(): void {
    this.socket.close();
  }

  /** Sends one message and resolves, when it is acknowledged, with what the kernel answered (often nothing). */
  async request(message: OutgoingMessage): Promise<NetlinkMessage[]> {
    const { failures, replies } = await this.batch([message]);
    if (failures.length > 0) throw failures[0]!.error;
    return replies.map((reply) => reply.message);
  }

  /**
   * Sends all messages in one sendmsg(2), in order, and resolves when the kernel has worked them off. Failures of
   * single messages are in the result; rejects only if the whole batch could not be sent (EMSGSIZE) or its answers
   * were lost (ENOBUFS, EBADF: the outcome is unknown). Nothing overtakes a batch that is sent in the background.
   */
  batch(messages: readonly OutgoingMessage[], options: BatchOptions = {}): Promise<BatchResult> {
    const count = messages.length;
    const first = this.reserve(count);
    const writer = new ByteWriter(Math.max(256, count * 96));
    for (const [index, { type, flags = 0, body }] of messages.entries()) {
      writeMessage(writer, { type, flags: NLM_F_REQUEST | flags, sequence: first + index }, body);
    }
    const operation = (index: number): string => operationOf(messages[index]!);
    return this.expectBatch({ first, count, operation }, (reject) => {
      this.transmit(first, writer.bytes(), reject, options);
      this.transmit(first, barrier(first + count), reject);
    });
  }

  /** The first of the sequences of so many messages, for {@link batchWritten}. */
  reserve(count: number): number {
    return this.takeSequences(count + 1);
  }

  /** {@link batch} of messages that the caller has written, the barrier too: where the kernel takes one with others. */
  batchWritten(batch: WrittenBatch, options: BatchOptions = {}): Promise<BatchResult> {
    return this.expectBatch(batch, (reject) => this.transmit(batch.first, batch.bytes, reject, options));
  }

  /** Resolves when nothing is being sent in the background: of a batch that has failed, the octets may still be read. */
  async sent(): Promise<void> {
    await this.sending;
  }

  private expectBatch(
    { first, count, operation }: Omit<WrittenBatch, 'bytes'>,
    transmit: (reject: (error: unknown) => void) => void,
  ): Promise<BatchResult> {
    return new Promise((resolve, reject) => {
      const failures: BatchFailure[] = [];
      const replies: BatchReply[] = [];
      this.expect({
        first,
        count: count + 1,
        fail: reject,
        message: (message, index) => {
          if (index === count) {
            this.pending.delete(first);
            resolve({ failures, replies });
          } else if (message.type === NLMSG_ERROR) {
            const error = errorOf(message, () => operation(index));
            if (error !== undefined) failures.push({ index, error });
          } else {
            replies.push({ index, message });
          }
        },
      });
      transmit(reject);
    });
  }

  /**
   * Reads a table whole. Dumps run one after another (the kernel allows one at a time per socket) and are repeated
   * when the table changed underneath (NLM_F_DUMP_INTR). Rejects with EINTR if it never holds still.
   */
  dump(message: OutgoingMessage): Promise<NetlinkMessage[]> {
    const run = async (): Promise<NetlinkMessage[]> => {
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        const { messages, interrupted } = await this.dumpOnce(message);
        if (!interrupted) return messages;
      }
      throw kernelError(operationOf(message), 'EINTR', 'the table kept changing while it was read');
    };
    const result = this.lastDump.then(run, run);
    this.lastDump = result.catch(() => undefined);
    return result;
  }

  private dumpOnce(request: OutgoingMessage): Promise<{ messages: NetlinkMessage[]; interrupted: boolean }> {
    return new Promise((resolve, reject) => {
      const messages: NetlinkMessage[] = [];
      let interrupted = false;
      const sequence = this.takeSequences(1);
      const writer = new ByteWriter(64);
      const flags = NLM_F_REQUEST | NLM_F_DUMP | (request.flags ?? 0);
      writeMessage(writer, { type: request.type, flags, sequence }, request.body);
      this.expect({
        first: sequence,
        count: 1,
        fail: reject,
        message: (message) => {
          interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
          if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
            messages.push(message);
            return;
          }
          this.pending.delete(sequence);
          const error = errorOf(message, () => operationOf(request));
          if (error === undefined) resolve({ messages, interrupted });
          else reject(error);
        },
      });
      this.transmit(sequence, writer.bytes(), reject);
    });
  }

  private takeSequences(count: number): number {
    if (this.nextSequence + count > MAX_SEQUENCE) this.nextSequence = 1;
    const first = this.nextSequence;
    this.nextSequence += count;
    return first;
  }

  private expect(pending: Pending): void {
    this.pending.set(pending.first, pending);
  }

  /** In order of calls: at once, unless something is being sent in the background. */
  private transmit(
    first: number,
    bytes: Uint8Array,
    reject: (error: unknown) => void,
    { inBackground = false }: BatchOptions = {},
  ): void {
    const send = (): Promise<void> | undefined => {
      if (!this.pending.has(first) || bytes.length === 0) return undefined;
      const fail = (error: unknown): void => {
        this.pending.delete(first);
        reject(error);
      };
      if (inBackground) return this.socket.sendInBackground(bytes).catch(fail);
      try {
        this.socket.send(bytes);
      } catch (error) {
        fail(error);
      }
      return undefined;
    };
    const turn = this.sending === undefined ? send() : this.sending.then(send);
    if (turn === undefined) return;
    this.sending = turn;
    void turn.then(() => {
      if (this.sending === turn) this.sending = undefined;
    });
  }

  private receive(datagram: Uint8Array): void {
    for (const message of readMessages(datagram)) {
      const pending = message.portId === this.socket.portId ? this.find(message.sequence) : undefined;
      if (pending !== undefined) pending.message(message, message.sequence - pending.first);
      else if (message.type >= NLMSG_MIN_TYPE) this.options.notification?.(message);
    }
  }

  /** Answers come in the order of the requests, so the first entry is nearly always the one. */
  private find(sequence: number): Pending | undefined {
    for (const pending of this.pending.values()) {
      if (sequence >= pending.first && sequence < pending.first + pending.count) return pending;
    }
    return undefined;
  }

  private failAll(error: KernelError): void {
    const lost = [...this.pending.values()];
    this.pending.clear();
    for (const pending of lost) pending.fail(error);
  }
}

/** Types below this are the protocol's own (acknowledgements, padding). */
const NLMSG_MIN_TYPE = 0x10;

function operationOf(request: OutgoingMessage): string {
  return request.operation?.() ?? `netlink request of type ${request.type}`;
}

function errorOf(message: NetlinkMessage, operation: () => string): KernelError | undefined {
  if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) throw new InternalError('not an answer');
  const { errno, text } = readAcknowledgement(message);
  return errno === 0 ? undefined : kernelError(operation(), errnoName(errno), text);
}
