/** A steady stream of numbered datagrams that are echoed, to see whether a change costs packets, and which. */
import { type Socket, createSocket } from 'node:dgram';
import { type Address, familyOf } from '../net/address.ts';
import { closeSocket, udpSocket } from '../sys/socket.ts';

export interface StreamOptions {
  /** Network namespace to send from. */
  readonly namespace: string;
  readonly address: Address;
  /** A UDP port that a Responder serves. */
  readonly port: number;
  /** Milliseconds between datagrams; 10 when left out. */
  readonly interval?: number;
}

export interface StreamReport {
  readonly sent: number;
  readonly received: number;
  /** Sent, and not answered by the end of the grace time. */
  readonly lost: number;
  /** Answers that came after the answer to a later datagram. */
  readonly reordered: number;
  readonly duplicates: number;
  /** Numbers that were lost, as closed ranges. */
  readonly lostRanges: readonly (readonly [first: number, last: number])[];
  /** Longest time without an answer between two answers, in milliseconds. */
  readonly longestGap: number;
  /** Median and largest round trip in milliseconds; undefined if nothing came back. */
  readonly roundTrip: { readonly median: number; readonly maximum: number } | undefined;
}

export interface TrafficStream {
  /** Sent and answered so far. */
  progress(): { readonly sent: number; readonly received: number };
  /** Stops sending, waits up to `grace` milliseconds (500 when left out) for answers under way, and reports. */
  stop(grace?: number): Promise<StreamReport>;
}

const DEFAULT_INTERVAL = 10;
const DEFAULT_GRACE = 500;

/** Book-keeping of a stream, apart from its socket. Numbers start at 0; times are milliseconds of one clock. */
export class StreamLedger {
  private readonly sentAt: number[] = [];
  private readonly answered = new Set<number>();
  private readonly roundTrips: number[] = [];
  private highest = -1;
  private reordered = 0;
  private duplicates = 0;
  private longestGap = 0;
  private lastAnswer: number | undefined;

  /** Notes one more datagram and returns its number. */
  send(now: number): number {
    this.sentAt.push(now);
    return this.sentAt.length - 1;
  }

  /** Notes the answer to a datagram; numbers that were never sent are ignored. */
  receive(sequence: number, now: number): void {
    const sentAt = this.sentAt[sequence];
    if (sentAt === undefined) return;
    if (this.answered.has(sequence)) {
      this.duplicates++;
      return;
    }
    this.answered.add(sequence);
    this.roundTrips.push(now - sentAt);
    if (sequence < this.highest) this.reordered++;
    this.highest = Math.max(this.highest, sequence);
    if (this.lastAnswer !== undefined) this.longestGap = Math.max(this.longestGap, now - this.lastAnswer);
    this.lastAnswer = now;
  }

  get sent(): number {
    return this.sentAt.length;
  }

  get received(): number {
    return this.answered.size;
  }

  report(): StreamReport {
    const lostRanges: [number, number][] = [];
    for (let sequence = 0; sequence < this.sentAt.length; sequence++) {
      if (this.answered.has(sequence)) continue;
      const last = lostRanges.at(-1);
      if (last !== undefined && last[1] === sequence - 1) last[1] = sequence;
      else lostRanges.push([sequence, sequence]);
    }
    const sorted = this.roundTrips.toSorted((a, b) => a - b);
    return {
      sent: this.sent,
      received: this.received,
      lost: this.sent - this.received,
      reordered: this.reordered,
      duplicates: this.duplicates,
      lostRanges,
      longestGap: this.longestGap,
      roundTrip:
        sorted.length === 0
          ? undefined
          : { median: sorted[Math.floor(sorted.length / 2)]!, maximum: sorted.at(-1)! },
    };
  }
}

/** Starts sending at once. Throws a KernelError if the socket cannot be made. */
export function startTrafficStream(options: StreamOptions): TrafficStream {
  const ledger = new StreamLedger();
  const socket = openSocket(options);
  let settled = (): void => undefined;
  socket.on('message', (datagram) => {
    ledger.receive(Number(datagram.toString('utf8').split(' ')[1]), performance.now());
    if (ledger.received === ledger.sent) settled();
  });
  // A datagram that the kernel refuses (no route, rejected) is a lost one; the report counts it.
  socket.on('error', () => undefined);
  const send = (): void => {
    const sequence = ledger.send(performance.now());
    socket.send(String(sequence), options.port, options.address, () => undefined);
  };
  send();
  const timer = setInterval(send, options.interval ?? DEFAULT_INTERVAL);
  return {
    progress: () => ({ sent: ledger.sent, received: ledger.received }),
    async stop(grace = DEFAULT_GRACE) {
      clearInterval(timer);
      if (ledger.received < ledger.sent) {
        await new Promise<void>((resolve) => {
          const limit = setTimeout(resolve, grace);
          settled = () => {
            clearTimeout(limit);
            resolve();
          };
        });
      }
      socket.close();
      return ledger.report();
    },
  };
}

function openSocket({ namespace, address }: StreamOptions): Socket {
  const family = familyOf(address);
  const any = (family === 4 ? '0.0.0.0' : '::') as Address;
  const fd = udpSocket({ namespace, address: any, port: 0 });
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  try {
    // With a descriptor, bind takes effect before it returns.
    socket.bind({ fd });
    return socket;
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}
