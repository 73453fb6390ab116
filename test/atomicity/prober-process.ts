/**
 * Sends probes all the time, one of each flow every millisecond or so, until its standard input ends; then writes a record of
 * every probe to the file that it was told: when it was about to be sent, when it had been, whether it arrived.
 */
import { writeFileSync } from 'node:fs';
import { receiveNow } from '../../src/sys/libc.ts';
import { probeOf, renumber } from '../fuzz/frame.ts';
import { openSocket, sendFrame } from '../fuzz/probe-lab.ts';
import { MOST_PROBES, type ProberTask } from './prober.ts';

const task = JSON.parse(process.argv[2]!) as ProberTask;
const flows = task.flows.map(({ frame, ...flow }) => ({ ...flow, frame: Buffer.from(frame, 'base64') }));
const socket = openSocket(task.namespace);
const before = new Float64Array(MOST_PROBES);
const after = new Float64Array(MOST_PROBES);
const arrived = new Uint8Array(MOST_PROBES);
const buffer = new Uint8Array(4096);
let sent = 0;
let stopping = false;

/** Nanoseconds of CLOCK_MONOTONIC, which all processes share. */
const now = (): number => Number(process.hrtime.bigint());

function receive(): void {
  for (let length = receiveNow(socket, buffer); length !== undefined; length = receiveNow(socket, buffer)) {
    const probe = probeOf(buffer.subarray(0, length));
    // What was routed elsewhere, because its workload is gone, has not arrived.
    if (probe !== undefined && probe.receiver === flows[probe.number % flows.length]!.receiver) {
      arrived[probe.number] = 1;
    }
  }
}

function round(): void {
  for (const { frame, end } of flows) {
    if (sent === MOST_PROBES) throw new Error(`more than ${MOST_PROBES} probes`);
    renumber(frame, sent);
    before[sent] = now();
    sendFrame(socket, frame, end);
    after[sent] = now();
    sent++;
  }
  receive();
  if (!stopping) {
    // Sooner, and the kernel would do nothing but this.
    setTimeout(round, 0);
    return;
  }
  setTimeout(finish, task.patience);
}

function finish(): void {
  receive();
  const count = Buffer.alloc(8);
  count.writeDoubleLE(sent);
  writeFileSync(
    task.file,
    Buffer.concat([
      count,
      Buffer.from(before.buffer, 0, sent * 8),
      Buffer.from(after.buffer, 0, sent * 8),
      Buffer.from(arrived.buffer, 0, sent),
    ]),
  );
  process.exit(0);
}

process.stdin.on('end', () => (stopping = true));
process.stdin.resume();
round();
process.stdout.write('probing\n');
