/**
 * Feeder and receiver: many sessions towards the daemon that is measured, in a process of their own, told what to do
 * over Node's IPC. UPDATEs are made before anything is measured. Times are of the machine's monotonic clock, so that
 * several of these processes agree on them.
 */
import { type Server, type Socket, connect, createServer } from 'node:net';
import { Counter } from './counter.ts';
import { CEASE, END_OF_RIB, type Feed, HOLD_TIME, KEEPALIVE, type Speaks, open, updates } from './updates.ts';

export interface LoadSession extends Speaks {
  /** The daemon's address; absent: waits to be connected to on its own address (for the null run). */
  readonly remote?: string;
  readonly feed?: Feed;
  /** Prefixes that it is to be told. */
  readonly expect: number;
  /** Prefix numbers are below. */
  readonly prefixes: number;
  readonly holdTime?: number;
  /** Reads nothing once it is up. */
  readonly stuck?: boolean;
}

export type LoadCommand =
  | { readonly do: 'open'; readonly sessions: readonly LoadSession[] }
  /** `perSecond`: prefixes of the whole process; as fast as the daemon reads if left out. */
  | { readonly do: 'feed'; readonly perSecond?: number }
  /** The sessions that feed end; those that receive wait for everything to be withdrawn. */
  | { readonly do: 'withdraw' }
  /** The daemon is about to be killed: connect again, tell everything again, and wait for everything. */
  | { readonly do: 'restart' }
  | { readonly do: 'close' };

export type LoadReport =
  /** All sessions are up and have had their initial end-of-RIB. */
  | { readonly type: 'ready' }
  /** Milliseconds of the monotonic clock. */
  | { readonly type: 'first-byte'; readonly at: number }
  | { readonly type: 'fed'; readonly at: number }
  | { readonly type: 'converged'; readonly at: number; readonly announced: number; readonly silence: number }
  | { readonly type: 'withdrawn'; readonly at: number }
  | { readonly type: 'restarting' }
  | { readonly type: 'recovered'; readonly at: number }
  | { readonly type: 'failed'; readonly reason: string };

const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const tell = (report: LoadReport): void => void process.send?.(report);

/** Milliseconds until a connection that a daemon refused, or reset, is tried again. */
const RETRY = 20;
/** Milliseconds until a daemon has to have taken a session. */
const OPENING = 60_000;

/**
 * Sessions of a process that connect at once. More than a daemon's listen() has room for (BIRD: 8) would be taken by the
 * kernel for established and then be left to TCP's slow repetitions.
 */
const AT_ONCE = 4;

const toConnect: Session[] = [];
const connecting = new Set<Session>();

function connectNext(): void {
  while (connecting.size < AT_ONCE && toConnect.length > 0) {
    const session = toConnect.shift()!;
    connecting.add(session);
    session.connect();
  }
}

function connected(session: Session): void {
  if (connecting.delete(session)) connectNext();
}

class Session {
  counter: Counter;
  ended = false;
  endOfRib = false;
  private established = false;
  /** What ended the connection, unless the daemon just closed it. */
  private fault: string | undefined;
  private readonly begun = now();
  private socket: Socket | undefined;
  private server: Server | undefined;
  private readonly buffers: readonly Buffer[];

  constructor(
    readonly spec: LoadSession,
    private readonly changed: () => void,
  ) {
    this.buffers = spec.feed === undefined ? [] : updates(spec, spec.feed);
    this.counter = this.count();
  }

  private count(): Counter {
    const { spec } = this;
    return new Counter(spec.prefixes, (spec.feed?.rounds ?? finalRounds) - 1, {
      opened: () => this.socket!.write(KEEPALIVE),
      keepalive: () => this.keepalive(),
      endOfRib: () => {
        this.endOfRib = true;
        if (spec.stuck === true) this.socket!.pause();
        this.changed();
      },
      notified: (code, subcode) => {
        this.fault = `NOTIFICATION ${code}/${subcode}`;
      },
    });
  }

  /**
   * The first one after OPEN establishes the session. A daemon that offers graceful restart may wait for everyone's
   * end-of-RIB even at its first start; after a restart everything is told again before it.
   */
  private keepalive(): void {
    if (this.established) return;
    this.established = true;
    connected(this);
    if (this.spec.helpsRestart !== true) return;
    if (phase === 'restarting') for (const buffer of this.buffers) this.socket!.write(buffer);
    this.socket!.write(END_OF_RIB);
  }

  start(): void {
    const { remote, address } = this.spec;
    if (remote !== undefined) {
      toConnect.push(this);
      connectNext();
      return;
    }
    this.server = createServer((socket) => this.attach(socket));
    this.server.listen(179, address);
  }

  connect(): void {
    this.attach(connect({ host: this.spec.remote!, port: 179, localAddress: this.spec.address }));
  }

  private attach(socket: Socket): void {
    this.socket = socket;
    socket.setNoDelay(true);
    const greet = (): void => {
      socket.write(open(this.spec, this.spec.holdTime));
      // The null run has nobody who would send an end-of-RIB.
      if (this.spec.remote === undefined || nullRun) this.endOfRib = true;
    };
    if (socket.connecting) socket.once('connect', greet);
    else greet();
    socket.on('data', (chunk: Buffer) => {
      this.counter.push(chunk);
      this.changed();
    });
    this.fault = undefined;
    socket.on('error', (error) => {
      this.fault = error.message;
    });
    socket.on('close', () => this.lost());
    const timer = setInterval(() => socket.write(KEEPALIVE), ((this.spec.holdTime ?? HOLD_TIME) / 3) * 1000);
    socket.on('close', () => clearInterval(timer));
  }

  /** Daemons that are starting, or have many to accept, refuse and reset connections. */
  private lost(): void {
    connected(this);
    const isOpening = phase === 'opening' && !this.established && now() - this.begun < OPENING;
    if (isOpening || phase === 'restarting') {
      this.endOfRib = false;
      this.established = false;
      this.counter = this.count();
      setTimeout(() => this.start(), RETRY);
    } else if (phase === 'opening' || (phase === 'feeding' && this.spec.stuck !== true)) {
      tell({ type: 'failed', reason: `${this.spec.address}: ${this.fault ?? 'closed by the daemon'}` });
    } else {
      this.ended = true;
      this.changed();
    }
  }

  async feed(octetsPerSecond?: number): Promise<void> {
    const socket = this.socket!;
    const started = now();
    let written = 0;
    for (const buffer of this.buffers) {
      if (octetsPerSecond !== undefined) {
        const due = started + (written / octetsPerSecond) * 1000 - now();
        if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      }
      written += buffer.length;
      if (!socket.write(buffer)) await new Promise((resolve) => socket.once('drain', resolve));
    }
  }

  get octets(): number {
    return this.buffers.reduce((sum, { length }) => sum + length, 0);
  }

  get isFed(): boolean {
    return this.buffers.length > 0;
  }

  close(): void {
    this.socket?.end(CEASE);
    this.server?.close();
  }
}

let sessions: Session[] = [];
let finalRounds = 1;
let nullRun = false;
let phase: 'opening' | 'feeding' | 'withdrawing' | 'restarting' | 'idle' = 'idle';
let receives: Session[] = [];

function changed(): void {
  if (phase === 'opening' && sessions.every(({ endOfRib }) => endOfRib)) {
    phase = 'idle';
    tell({ type: 'ready' });
  } else if (phase === 'feeding' && receives.every(({ counter, spec }) => arrived(counter) >= spec.expect)) {
    phase = 'idle';
    const at = now();
    const announced = receives.reduce((sum, { counter }) => sum + counter.announced, 0);
    const silence = Math.max(0, ...sessions.map(({ counter }) => counter.longestSilence));
    tell({ type: 'converged', at, announced, silence });
  } else if (phase === 'withdrawing' && receives.every(({ counter, ended }) => ended || counter.live === 0)) {
    phase = 'idle';
    tell({ type: 'withdrawn', at: now() });
  } else if (
    phase === 'restarting' &&
    sessions.every(({ endOfRib, counter, spec }) => endOfRib && counter.live >= spec.expect)
  ) {
    phase = 'idle';
    tell({ type: 'recovered', at: now() });
  }
}

function arrived(counter: Counter): number {
  return finalRounds > 1 ? counter.final : counter.live;
}

process.on('message', (command: LoadCommand & { rounds?: number; nullRun?: boolean }) => {
  switch (command.do) {
    case 'open':
      finalRounds = command.rounds ?? 1;
      nullRun = command.nullRun ?? false;
      sessions = command.sessions.map((spec) => new Session(spec, changed));
      receives = sessions.filter(({ spec }) => spec.expect > 0);
      phase = 'opening';
      for (const session of sessions) session.start();
      if (nullRun) setTimeout(changed, 300);
      break;
    case 'feed': {
      phase = 'feeding';
      for (const { counter } of sessions) counter.watchSilence();
      const feeders = sessions.filter(({ isFed }) => isFed);
      if (feeders.length === 0) return;
      tell({ type: 'first-byte', at: now() });
      void Promise.all(feeders.map((session) => session.feed(command.perSecond))).then(() =>
        tell({ type: 'fed', at: now() }),
      );
      break;
    }
    case 'withdraw':
      phase = 'withdrawing';
      for (const session of sessions) if (session.spec.feed !== undefined) session.close();
      changed();
      break;
    case 'restart':
      // Until the daemon is gone, what is there counts for nothing.
      for (const session of sessions) session.endOfRib = false;
      phase = 'restarting';
      tell({ type: 'restarting' });
      break;
    case 'close':
      for (const session of sessions) session.close();
      setTimeout(() => process.exit(0), 200);
      break;
  }
});
