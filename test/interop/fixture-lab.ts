/** What tests of whole jobs need around labs: agents with flags, pings, listings of our table, routes being watched. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LocalApiUnreachableError, requestLocal } from '../../src/base/local-api.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { waitUntil } from '../../src/lab/wait.ts';
import type { AgentStatus } from '../../src/model/agent-status.ts';
import { resourcesOf } from '../resources-of.ts';
import type { Address } from '../../src/net/address.ts';
import type { KernelEvent, Route } from '../../src/netlink/kernel.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { type RunResult, run, runChecked, spawnIn } from '../../src/sys/process.ts';

/** The bundles under test: what `npm run build` made, or those beside the one that MARGAY_BUNDLE names. */
export const BUNDLES = resolve(
  process.env['MARGAY_BUNDLE'] ?? resolve(import.meta.dirname, '../../dist/margay.cjs'),
  '..',
);
/** The agent and the lab. */
export const MARGAY = join(BUNDLES, 'margay.cjs');

/** Milliseconds that a condition may take when a test does not say otherwise. */
const PATIENCE = 10_000;

/** A lab's `program` whose agents are started by another program; `$$` is the number of the process. */
export function agentsThrough(wrapper: string): string[] {
  return shellProgram(`exec ${wrapper} "$@"`);
}

function shellProgram(startAgent: string): string[] {
  // The lab appends `agent --node=…` or `lab serve …`.
  const script = `[ "$3" = agent ] && ${startAgent}; exec "$@"`;
  return ['/bin/sh', '-c', script, 'sh', process.execPath, MARGAY];
}

/** Waits for a condition and throws what `explain` says if it does not come true. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  explain: () => string,
  milliseconds = PATIENCE,
): Promise<void> {
  if (!(await waitUntil(condition, milliseconds))) {
    throw new Error(`not within ${milliseconds} ms: ${explain()}`);
  }
}

/** What an agent says of itself; undefined while it does not answer. */
export async function askAgent(socket: string): Promise<AgentStatus | undefined> {
  try {
    return (await requestLocal(socket, '/status')) as AgentStatus;
  } catch (error) {
    if (error instanceof LocalApiUnreachableError) return undefined;
    throw error;
  }
}

/** The log of a lab's daemon, line by line; what is no JSON is left out. */
export function logOf(lab: Lab, daemon: string): LogLine[] {
  return readLog(readFileSync(join(lab.path, `${daemon}.log`), 'utf8'));
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export function readLog(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}

/** Writes resources into a lab's datastore and waits until all agents have them in force. */
export async function apply(lab: Lab, yaml: string): Promise<void> {
  const client = await lab.open();
  let revision = 0;
  for (const resource of resourcesOf(yaml)) revision = await client.write(resource);
  await lab.waitInForce(revision);
}

/** Runs margayctl in a machine of a lab, as an operator would. */
export async function margayctl(lab: Lab, machine: string, ...args: string[]): Promise<RunResult> {
  const child = lab.execute(machine, [process.execPath, join(BUNDLES, 'margayctl.cjs'), ...args], 'pipe');
  const read = (stream: ChildProcess['stdout']): (() => string) => {
    const chunks: Buffer[] = [];
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString('utf8');
  };
  const [stdout, stderr] = [read(child.stdout), read(child.stderr)];
  child.stdin?.end();
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, stdout: stdout(), stderr: stderr() };
}

/** Runs nft in a namespace and returns what it prints. */
export function nft(namespace: string, ...args: string[]): Promise<string> {
  return runChecked('nft', args, { namespace });
}

export interface TableListing {
  /** Everything with its handles, but without the values of counters. */
  readonly text: string;
  /** Packets of every counter, in the order of the text. */
  readonly packets: readonly number[];
}

/** Our table as `nft -a` lists it; undefined if there is none. */
export async function listTable(namespace: string): Promise<TableListing | undefined> {
  const { status, stdout } = await run('nft', ['-a', 'list', 'table', 'inet', 'margay'], { namespace });
  if (status !== 0) return undefined;
  const counter = /counter packets ([0-9]+) bytes [0-9]+/g;
  return {
    text: stdout.replaceAll(counter, 'counter'),
    packets: [...stdout.matchAll(counter)].map(([, packets]) => Number(packets)),
  };
}

/** Routes of workloads and learned ones (design D20), in the order of their prefixes. */
export async function ownRoutes(namespace: string): Promise<Route[]> {
  const kernel = openLinuxKernel({ namespace });
  try {
    return (await kernel.routes())
      .filter(({ protocol }) => protocol === 80 || protocol === 81)
      .toSorted((a, b) => (`${a.destination} ${a.metric}` < `${b.destination} ${b.metric}` ? -1 : 1));
  } finally {
    kernel.close();
  }
}

/** Everything that happens to the routes of a namespace's main table, until it is closed. */
export class RouteWatch {
  readonly events: KernelEvent[] = [];
  private readonly kernel;

  constructor(namespace: string) {
    this.kernel = openLinuxKernel({ namespace });
    this.kernel.monitor({
      topics: ['routes'],
      event: (event) => this.events.push(event),
      closed: (reason) => {
        throw reason;
      },
    });
  }

  /** The routes that were deleted, in words. */
  get deleted(): string[] {
    return this.events.flatMap((event) =>
      event.type === 'route-deleted' ? [`${event.route.destination} protocol ${event.route.protocol}`] : [],
    );
  }

  /** What happened to routes of workloads and learned ones, in words. */
  get own(): string[] {
    return this.events.flatMap((event) => {
      if (event.type === 'overrun') return ['overrun'];
      if (event.type !== 'route' && event.type !== 'route-deleted') return [];
      const { destination, protocol } = event.route;
      return protocol === 80 || protocol === 81 ? [`${event.type} ${destination} protocol ${protocol}`] : [];
    });
  }

  close(): void {
    this.kernel.close();
  }
}

export interface PingReport {
  readonly sent: number;
  /** Sequence numbers of echo requests that were never answered. */
  readonly lost: readonly number[];
  /** Milliseconds between two requests, on average. */
  readonly interval: number;
}

/** A stream of echo requests by `ping`, one every 8 ms: its clock ticks in steps of 4 ms, and 10 ms become 16. */
export class Ping {
  private readonly answered = new Set<number>();
  private highest = 0;
  /** The beginning of a line. */
  private rest = '';
  /** What is no answer: errors and the summary. */
  private said = '';
  private lastAnswer = performance.now();

  private constructor(private readonly child: ChildProcess) {
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => this.read(chunk));
  }

  /** Starts and waits for the first answers. */
  static async start(namespace: string, address: Address): Promise<Ping> {
    const ping = new Ping(spawnIn('ping', ['-n', '-i', '0.008', address], { namespace, stdio: 'pipe' }));
    await eventually(
      () => ping.answers >= 10,
      () => `${address} answers from ${namespace}: ${ping.said}`,
    );
    return ping;
  }

  get answers(): number {
    return this.answered.size;
  }

  /** Milliseconds since the last answer. */
  get silence(): number {
    return performance.now() - this.lastAnswer;
  }

  /** Ends it. Requests after the last answer count as lost if none of them is answered within two seconds. */
  async stop(): Promise<PingReport> {
    const mark = this.highest;
    const alive = await waitUntil(() => this.highest >= mark + 2, 2_000);
    const last = this.highest;
    const closed = once(this.child, 'close');
    this.child.kill('SIGINT');
    await closed;
    const summary = /([0-9]+) packets transmitted.* time ([0-9]+)ms/.exec(this.said);
    if (summary === null) throw new Error(`ping did not report: ${this.said}`);
    const sent = alive ? last : Number(summary[1]);
    const lost: number[] = [];
    for (let sequence = 1; sequence <= sent; sequence++) {
      if (!this.answered.has(sequence)) lost.push(sequence);
    }
    return { sent, lost, interval: Number(summary[2]) / Number(summary[1]) };
  }

  private read(chunk: string): void {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) {
      const sequence = Number(/bytes from .* icmp_seq=([0-9]+)/.exec(line)?.[1] ?? 0);
      if (sequence === 0) {
        this.said += `${line}\n`;
        continue;
      }
      this.answered.add(sequence);
      this.highest = Math.max(this.highest, sequence);
      this.lastAnswer = performance.now();
    }
  }
}
