/**
 * The rig of the BGP benches: the speaker that is measured alone in one namespace (10.99.0.1/16), feeders and receivers
 * in another, each session bound to an address of its own there, one wire between. The speaker waits to be connected
 * to. Time runs from the first octet of an UPDATE, when every session is up and has had its initial end-of-RIB, to the
 * last prefix that a receiver waits for.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNamespace, deleteNamespace, inNamespace } from '../../../src/sys/netns.ts';
import { runChecked } from '../../../src/sys/process.ts';
import type { LoadCommand, LoadReport, LoadSession } from './load-process.ts';
import { SPEAKER_ADDRESS, SPEAKER_AS, SPEAKERS, type SpeakerName, type RunningSpeaker } from './speakers.ts';
import { type Feed, HOLD_TIME } from './updates.ts';

/** Sessions of one load process. */
export interface Load {
  readonly sessions: readonly PlannedSession[];
}

export interface PlannedSession {
  readonly asNumber: number;
  readonly feed?: Feed;
  /** Prefixes that it is to be told; none of its own. */
  readonly expect: number;
  readonly holdTime?: number;
  readonly stuck?: boolean;
}

export interface Plan {
  /** One process each. */
  readonly loads: readonly Load[];
  /** Prefix numbers are below. */
  readonly prefixes: number;
  readonly kernel?: boolean;
  /** Prefixes a second of each feeding process; as fast as they are read if left out. */
  readonly octetsPerSecond?: number;
  readonly withdraw?: boolean;
  /** Once everyone has everything, the speaker is killed and started again: until everyone has it anew. */
  readonly restart?: boolean;
  /** Seconds until a speaker is given up, start and end included; 900 if left out. */
  readonly limit?: number;
  /** Asked every few milliseconds instead of waiting for receivers: whether the work is done. */
  readonly done?: (speakerNamespace: string) => boolean;
}

export interface Measured {
  /** Seconds from the first octet to the last prefix; if restarted, from the new start to the last end-of-RIB. */
  readonly seconds: number;
  /** Seconds from the first octet to the last that the feeders wrote. */
  readonly fed: number;
  /** From the end of the feeders to the last withdrawal. */
  readonly withdrawn: number | undefined;
  /** Seconds of the processor, of the speaker, from start to last prefix. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
  /** Prefixes in UPDATEs to receivers, as often as told. */
  readonly announced: number;
  /** Longest silence towards a session, milliseconds. */
  readonly silence: number;
  /** Share of the machine that others used meanwhile. */
  readonly foreign: number;
}

const LIMIT = 900;

/** A speaker that did not get there within the limit of its plan. */
export class OverLimit extends Error {
  constructor(readonly seconds: number) {
    super(`over ${seconds} s`);
  }
}

let serial = 0;

/** Runs a plan once against a speaker, or without one (`null`: the feeder connects to the receiver). */
export async function measure(name: SpeakerName | 'null', plan: Plan): Promise<Measured> {
  const id = `mgr-${process.pid}-${++serial}`;
  const [device, field] = [`${id}d`, `${id}f`];
  const undo: (() => unknown)[] = [];
  try {
    for (const namespace of [device, field]) {
      createNamespace(namespace);
      undo.push(() => deleteNamespace(namespace));
      await ip(namespace, 'link', 'set', 'lo', 'up');
    }
    await ip(device, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', field);
    await ip(device, 'addr', 'add', `${SPEAKER_ADDRESS}/16`, 'dev', 'eth0');
    await ip(device, 'link', 'set', 'eth0', 'up');
    await ip(field, 'addr', 'add', '10.99.0.2/16', 'dev', 'eth0');
    await ip(field, 'link', 'set', 'eth0', 'up');
    for (let net = 1; net <= 4; net++)
      await ip(field, 'route', 'add', 'local', `10.99.${net}.0/24`, 'dev', 'lo');
    return await run(name, plan, device, field, undo);
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

async function run(
  name: SpeakerName | 'null',
  plan: Plan,
  device: string,
  field: string,
  undo: (() => unknown)[],
): Promise<Measured> {
  const limit = plan.limit ?? LIMIT;
  const deadline = performance.now() + limit * 1000;
  let number = 0;
  const loads = plan.loads.map(({ sessions }) =>
    sessions.map((session): LoadSession => {
      const place = number++;
      const address = `10.99.${1 + Math.floor(place / 250)}.${1 + (place % 250)}`;
      return {
        address,
        asNumber: session.asNumber,
        internal: session.asNumber === SPEAKER_AS,
        expect: session.expect,
        prefixes: plan.prefixes,
        ...(name === 'null' ? {} : { remote: SPEAKER_ADDRESS }),
        ...(session.feed === undefined ? {} : { feed: session.feed }),
        ...(session.holdTime === undefined ? {} : { holdTime: session.holdTime }),
        ...(session.stuck === undefined ? {} : { stuck: session.stuck }),
        ...(plan.restart === undefined ? {} : { helpsRestart: plan.restart }),
      };
    }),
  );
  if (name === 'null') loads[0] = loads[0]!.map((session) => ({ ...session, remote: loads[1]![0]!.address }));
  const processes = loads.map(() => new LoadProcess(field, limit, deadline));
  undo.push(() => Promise.all(processes.map((process) => process.end())));
  let speaker: RunningSpeaker | undefined;
  if (name !== 'null') {
    speaker = await SPEAKERS[name]({
      namespace: device,
      kernel: plan.kernel ?? false,
      restarts: plan.restart ?? false,
      peers: loads.flat().map((session) => ({
        address: session.address,
        asNumber: session.asNumber,
        receives: session.expect > 0 || session.stuck === true,
        holdTime: session.holdTime ?? HOLD_TIME,
      })),
    });
    undo.push(() => speaker!.stop());
    await listening(device);
  }
  const rounds = Math.max(...loads.flat().map(({ feed }) => feed?.rounds ?? 1));
  // Whoever listens first; then whoever connects.
  const ready = processes.map((process) => process.next('ready'));
  for (const [index, process] of [...processes.entries()].toReversed()) {
    process.send({ do: 'open', sessions: loads[index]!, rounds, nullRun: name === 'null' });
    if (name === 'null') await sleep(500);
  }
  await Promise.all(ready);
  await quiet(speaker?.pids ?? []);

  let before = usage(speaker?.pids ?? []);
  const receivers = processes.filter((_, index) => loads[index]!.some(({ expect }) => expect > 0));
  const feeders = processes.filter((_, index) => loads[index]!.some(({ feed }) => feed !== undefined));
  const converged = receivers.map((process) => process.next('converged'));
  const started = feeders.map((process) => process.next('first-byte'));
  const fed = feeders.map((process) => process.next('fed'));
  const command = {
    do: 'feed',
    ...(plan.octetsPerSecond === undefined ? {} : { perSecond: plan.octetsPerSecond }),
  } as const;
  // Receivers must be counting before the first octet.
  for (const process of processes) if (!feeders.includes(process)) process.send(command);
  for (const process of feeders) process.send(command);
  let first = Math.min(...(await Promise.all(started)).map(({ at }) => at));
  let last: number;
  let announced = 0;
  let silence = 0;
  if (plan.done === undefined) {
    const ends = await Promise.all(converged);
    last = Math.max(...ends.map(({ at }) => at));
    announced = ends.reduce((sum, end) => sum + end.announced, 0);
    silence = Math.max(...ends.map((end) => end.silence));
  } else {
    await Promise.race([done(plan.done, device, limit, deadline), ...processes.map(({ failed }) => failed)]);
    last = Number(process.hrtime.bigint()) / 1e6;
  }
  let after = usage(speaker?.pids ?? []);
  const fedFor = Math.max(...(await Promise.all(fed)).map(({ at }) => at)) - first;
  let withdrawn: number | undefined;
  if (plan.withdraw === true && name !== 'null') {
    const ends = receivers.map((process) => process.next('withdrawn'));
    const begin = Number(process.hrtime.bigint()) / 1e6;
    for (const process of processes) process.send({ do: 'withdraw' });
    withdrawn = (Math.max(...(await Promise.all(ends)).map(({ at }) => at)) - begin) / 1000;
  }
  if (plan.restart === true && speaker !== undefined) {
    const ready = processes.map((process) => process.next('restarting'));
    const recovered = processes.map((process) => process.next('recovered'));
    for (const process of processes) process.send({ do: 'restart' });
    await Promise.all(ready);
    first = await speaker.restart();
    before = { ...usage([]), speaker: 0 };
    last = Math.max(...(await Promise.all(recovered)).map(({ at }) => at));
    after = usage(speaker.pids);
  }
  const memory = (speaker?.pids ?? []).reduce((sum, pid) => sum + peakMemory(pid), 0);
  const busy = after.all - before.all;
  const mine = processes.reduce((sum, { pid }) => sum + cpuOf(pid), 0);
  return {
    seconds: (last - first) / 1000,
    fed: fedFor / 1000,
    withdrawn,
    cpu: after.speaker - before.speaker,
    memory,
    announced,
    silence,
    foreign:
      Math.max(0, busy - (after.speaker - before.speaker) - mine) / Math.max(0.01, (last - first) / 1000),
  };
}

/** Waits for the work to be done. */
async function done(
  isDone: (speakerNamespace: string) => boolean,
  namespace: string,
  limit: number,
  deadline: number,
): Promise<void> {
  while (!isDone(namespace)) {
    if (performance.now() > deadline) throw new OverLimit(limit);
    await sleep(2);
  }
}

class LoadProcess {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<LoadReport['type'], (report: LoadReport) => void>();
  private failure: (error: Error) => void = () => undefined;
  /** Rejects with the reason if the process, or a session of it, ends before its time. */
  readonly failed: Promise<never>;

  /** Reports that come after `deadline` (performance.now()) are too late: over `limit` seconds. */
  constructor(
    namespace: string,
    private readonly limit: number,
    private readonly deadline: number,
  ) {
    const script = new URL('load-process.ts', import.meta.url).pathname;
    this.child = inNamespace(namespace, () =>
      fork(script, [], { execArgv: ['--import', 'tsx'] }),
    ) as ChildProcess;
    this.failed = new Promise((_, reject) => {
      this.failure = reject;
    });
    this.failed.catch(() => undefined);
    this.child.on('message', (report: LoadReport) => {
      if (report.type === 'failed') this.failure(new Error(report.reason));
      this.waiting.get(report.type)?.(report);
    });
    this.child.once('exit', (code) => this.failure(new Error(`a load process ended with ${String(code)}`)));
  }

  get pid(): number {
    return this.child.pid!;
  }

  next<Type extends LoadReport['type']>(type: Type): Promise<Extract<LoadReport, { type: Type }>> {
    const report = new Promise<LoadReport>((resolve) => this.waiting.set(type, resolve));
    const late = sleep(Math.max(0, this.deadline - performance.now()), undefined, { ref: false }).then(() => {
      throw new OverLimit(this.limit);
    });
    return Promise.race([report, this.failed, late]) as Promise<Extract<LoadReport, { type: Type }>>;
  }

  send(command: LoadCommand & { readonly rounds?: number; readonly nullRun?: boolean }): void {
    this.child.send(command);
  }

  end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve());
      this.child.kill('SIGKILL');
    });
  }
}

async function ip(namespace: string, ...args: string[]): Promise<void> {
  await runChecked('ip', args, { namespace });
}

/** Waits until somebody listens on port 179 (0xB3). */
async function listening(namespace: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const sockets = inNamespace(namespace, () => readFileSync('/proc/thread-self/net/tcp', 'utf8'));
    if (/:00B3 00000000:0000 0A/.test(sockets)) return;
    await sleep(50);
  }
  throw new Error('the speaker does not listen');
}

/** Waits for at most some seconds until others leave the machine alone: below 8 %. */
async function quiet(pids: readonly number[]): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const before = usage(pids);
    await sleep(500);
    if (usage(pids).all - before.all < 0.08 * 2 * 0.5) return;
  }
}

/** Seconds of the processor: of the whole machine, and of these processes. */
function usage(pids: readonly number[]): { readonly all: number; readonly speaker: number } {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return {
    all: (user! + nice! + system! + irq! + softirq!) / 100,
    speaker: pids.reduce((sum, pid) => sum + cpuOf(pid), 0),
  };
}

function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
