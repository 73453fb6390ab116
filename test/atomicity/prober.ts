/** A process of its own that probes without a pause, and what it has to tell afterwards. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Packet } from '../../src/explain/packet.ts';
import type { ProbeLab } from '../fuzz/probe-lab.ts';

/** More than a process sends in ten minutes; 17 bytes each. */
export const MOST_PROBES = 20_000_000;
/** Milliseconds after the last probe until one that has not arrived is lost. */
const PATIENCE = 500;

export interface ProberTask {
  readonly namespace: string;
  readonly file: string;
  readonly patience: number;
  /** `frame` in base64. */
  readonly flows: readonly { readonly frame: string; readonly end: number; readonly receiver: string }[];
}

/** Times are nanoseconds of CLOCK_MONOTONIC, by probe; probe `n` is of flow `n` modulo their number. */
export interface ProbeRecords {
  readonly before: Float64Array;
  readonly after: Float64Array;
  readonly arrived: Uint8Array;
}

/** Starts to probe; resolves when it has begun, with what ends it. */
export async function startProber(
  lab: ProbeLab,
  packets: readonly Packet[],
): Promise<() => Promise<ProbeRecords>> {
  const folder = mkdtempSync(join(tmpdir(), 'margay-probes-'));
  const task: ProberTask = {
    namespace: lab.pods,
    file: join(folder, 'records'),
    patience: PATIENCE,
    flows: packets.map((packet) => {
      const { frame, ...way } = lab.framed(packet, 0);
      return { ...way, frame: frame.toString('base64') };
    }),
  };
  const script = fileURLToPath(new URL('prober-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited]);
  return async () => {
    child.stdin.end();
    const [code] = (await exited) as [number | null];
    try {
      if (code !== 0) throw new Error(`the prober ended with ${code}`);
      return readRecords(task.file);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

function readRecords(file: string): ProbeRecords {
  const bytes = readFileSync(file);
  const count = bytes.readDoubleLE(0);
  const times = (offset: number): Float64Array =>
    new Float64Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + count * 8));
  return {
    before: times(8),
    after: times(8 + count * 8),
    arrived: new Uint8Array(bytes.subarray(8 + count * 16)),
  };
}
