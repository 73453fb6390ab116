/** Mutation fuzzing of the BGP codec: crashes, hangs, leaks, and meanings that are not those of the RFCs. */
import { setFlagsFromString } from 'node:v8';
import { Script, createContext, runInNewContext } from 'node:vm';
import { attributeName } from '../../src/bgp/wire/attribute.ts';
import { decodeMessage } from '../../src/bgp/wire/codec.ts';
import { hex } from '../oracle/octets.ts';
import { SESSIONS, corpus } from './bgp-corpus.ts';
import { putTogether, relabelled, takeApart } from './bgp-message.ts';
import { type Case, Mutator } from './bgp-mutator.ts';
import { type Decode, type TrialResult, tryMessage } from './bgp-trial.ts';
import { Random } from './random.ts';

export interface FuzzOptions {
  /** Number of the first message; each has its own, which is all that is needed to make it again. */
  readonly seed: number;
  readonly messages: number;
  /** Milliseconds after which the run ends, whatever is left. */
  readonly duration?: number;
  readonly decode?: Decode;
  /** Milliseconds that a batch may take before it counts as hung; {@link HANG} if left out. */
  readonly hang?: number;
  /** How often live memory is measured, after a collection each time; 0: leaks are not looked for. */
  readonly samples?: number;
}

export interface Finding {
  readonly kind: 'crash' | 'hang' | 'meaning' | 'leak';
  readonly seed: number;
  readonly detail: string;
}

export interface FuzzReport {
  readonly messages: number;
  readonly reachedAttributes: number;
  readonly outcomes: Readonly<Record<TrialResult['outcome'], number>>;
  readonly milliseconds: number;
  /** Octets of live heap that each message left behind, by the slope over the second half of the run. */
  readonly heapSlope: number;
  /** The same of resident memory, which the allocator and the collector blur. */
  readonly rssSlope: number;
  readonly finding?: Finding;
}

/** Messages between two looks at clock and watchdog. */
const BATCH = 512;
/** Milliseconds: thousands of times what a batch takes, so that a busy machine is no hang. */
const HANG = 10_000;
const SINGLE_HANG = 50;
/** Samples of memory in a run of known length. */
const SAMPLES = 24;
/** Octets a message on average: less than one reference kept for every thirty-second message. */
const LEAK = 0.25;
/** Octets in all that are too few to tell a leak from warming up. */
const NOTHING = 400_000;

const watch = { work: (): void => undefined };
const watchContext = createContext(watch);
const watchScript = new Script('work()');

/** Runs something that may never end; returns false if it did not in `timeout` milliseconds. */
function watched(work: () => void, timeout: number): boolean {
  watch.work = work;
  try {
    watchScript.runInContext(watchContext, { timeout });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  }
}

/** Collects garbage, all of it. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

export class BgpFuzzer {
  private readonly mutator = new Mutator(corpus(), SESSIONS.length);

  /** The message of a number. */
  make(seed: number): Case {
    return this.mutator.make(new Random(seed));
  }

  /** Runs until something is found or everything is tried. */
  run(options: FuzzOptions): FuzzReport {
    const {
      seed,
      messages,
      duration = Infinity,
      decode = decodeMessage,
      hang = HANG,
      samples = SAMPLES,
    } = options;
    const outcomes = { incomplete: 0, error: 0, withdraw: 0, discard: 0, valid: 0, other: 0 };
    const start = performance.now();
    const memory = new MemoryWatch();
    const share = messages === Infinity ? BATCH * 200 : Math.max(BATCH, Math.ceil(messages / samples));
    let reachedAttributes = 0;
    let done = 0;
    let finding: Finding | undefined;
    let nextSample = share;
    while (finding === undefined && done < messages && performance.now() - start < duration) {
      const end = Math.min(done + BATCH, messages);
      let current = done;
      const ended = watched(() => {
        for (; current < end && finding === undefined; current++) {
          const number = seed + current;
          const result = attempt(this.make(number), decode);
          if ('kind' in result) {
            finding = { ...result, seed: number };
          } else {
            outcomes[result.outcome]++;
            if (result.reachedAttributes) reachedAttributes++;
          }
        }
      }, hang);
      // A machine that had no time for us is no hang: the message is tried alone.
      if (!ended && !watched(() => attempt(this.make(seed + current), decode), hang)) {
        finding = { kind: 'hang', seed: seed + current, detail: `no end in ${hang} ms` };
      }
      done = current;
      if (done >= nextSample) {
        nextSample += share;
        memory.sample(done);
      }
    }
    const { heapSlope, rssSlope, leaked } = memory.judge(done);
    if (finding === undefined && leaked !== undefined) finding = { kind: 'leak', seed, detail: leaked };
    return {
      messages: done,
      reachedAttributes,
      outcomes,
      milliseconds: performance.now() - start,
      heapSlope,
      rssSlope,
      ...(finding === undefined ? {} : { finding }),
    };
  }

  /** The message of a finding, as small as it can be while the same kind of thing is wrong. */
  minimize(finding: Finding, decode: Decode = decodeMessage): Case {
    const { kind, seed } = finding;
    const whole = this.make(seed);
    if (kind === 'leak') return whole;
    if (kind === 'hang') {
      return smaller(whole, (candidate) => !watched(() => attempt(candidate, decode), SINGLE_HANG));
    }
    return smaller(whole, (candidate) => {
      const result = attempt(candidate, decode);
      return 'kind' in result && result.kind === kind && subject(result) === subject(finding);
    });
  }
}

/** What a finding is about: another field that is wrong is another finding. */
function subject({ detail }: Pick<Finding, 'detail'>): string {
  return detail.slice(0, detail.search(/[:\n]|$/));
}

function attempt(trial: Case, decode: Decode): TrialResult | Omit<Finding, 'seed'> {
  try {
    const result = tryMessage(trial, decode);
    return result.problem === undefined ? result : { kind: 'meaning', detail: result.problem };
  } catch (error) {
    const detail =
      error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error);
    return { kind: 'crash', detail };
  }
}

/** Follows live heap and resident memory over a run. */
class MemoryWatch {
  private readonly collect = collector();
  private readonly heap: (readonly [done: number, octets: number])[] = [];
  private readonly rss: (readonly [done: number, octets: number])[] = [];

  sample(done: number): void {
    // Buffers that the first collection found are given back by the second.
    this.collect();
    this.collect();
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
    this.heap.push([done, heapUsed + arrayBuffers]);
    this.rss.push([done, rss]);
  }

  judge(done: number): { heapSlope: number; rssSlope: number; leaked: string | undefined } {
    const heapSlope = slope(this.heap);
    const grown = heapSlope * (done / 2);
    const leaked =
      heapSlope > LEAK && grown > NOTHING
        ? `live memory grows by ${heapSlope.toFixed(2)} octets a message, ${Math.round(grown)} so far`
        : undefined;
    return { heapSlope, rssSlope: slope(this.rss), leaked };
  }
}

/** Least squares over the second half, when caches are full and code is compiled. */
function slope(samples: readonly (readonly [number, number])[]): number {
  const half = samples.slice(samples.length >> 1);
  if (half.length < 3) return 0;
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(half.map(([at]) => at));
  const y = mean(half.map(([, octets]) => octets));
  let above = 0;
  let below = 0;
  for (const [at, octets] of half) {
    above += (at - x) * (octets - y);
    below += (at - x) ** 2;
  }
  return above / below;
}

/** Every message that is a little smaller or simpler, the largest steps first. */
function* reductions({ bytes, session }: Case): Generator<Case> {
  const parts = takeApart(bytes);
  if (parts !== undefined) {
    const { attributes } = parts;
    const none = new Uint8Array(0);
    if (parts.withdrawn.length > 0) yield { bytes: putTogether({ ...parts, withdrawn: none }), session };
    if (parts.nlri.length > 0) yield { bytes: putTogether({ ...parts, nlri: none }), session };
    if (parts.rest.length > 0) yield { bytes: putTogether({ ...parts, rest: none }), session };
    for (const index of attributes.keys()) {
      yield { bytes: putTogether({ ...parts, attributes: attributes.toSpliced(index, 1) }), session };
    }
    for (const [index, attribute] of attributes.entries()) {
      for (const length of [attribute.value.length >> 1, attribute.value.length - 1]) {
        if (length < 0 || length === attribute.value.length) continue;
        const value = attribute.value.subarray(0, length);
        yield {
          bytes: putTogether({ ...parts, attributes: attributes.with(index, { ...attribute, value }) }),
          session,
        };
      }
    }
  }
  for (const count of [256, 16, 4, 1]) {
    for (let at = 19; at + count <= bytes.length; at += count) {
      const left = new Uint8Array(bytes.length - count);
      left.set(bytes.subarray(0, at));
      left.set(bytes.subarray(at + count), at);
      yield { bytes: relabelled(left), session };
    }
  }
  for (let at = 19; at < bytes.length; at++) {
    if (bytes[at] !== 0) yield { bytes: bytes.with(at, 0), session };
  }
}

function smaller(whole: Case, fails: (candidate: Case) => boolean): Case {
  let smallest = whole;
  for (let shrunk = true; shrunk;) {
    shrunk = false;
    for (const candidate of reductions(smallest)) {
      if (candidate.bytes.length > smallest.bytes.length || !fails(candidate)) continue;
      smallest = candidate;
      shrunk = true;
      break;
    }
  }
  return smallest;
}

/** The message for people: its octets, and its fields if they can be told apart. */
export function describeCase({ bytes, session }: Case): string {
  const lines = [`session: ${JSON.stringify(SESSIONS[session])}`, `octets (${bytes.length}): ${hex(bytes)}`];
  const parts = takeApart(bytes);
  if (parts === undefined) return lines.join('\n');
  const field = (name: string, value: Uint8Array): void => {
    if (value.length > 0) lines.push(`  ${name}: ${hex(value)}`);
  };
  field('withdrawn', parts.withdrawn);
  for (const { flags, code, value } of parts.attributes) {
    lines.push(
      `  ${attributeName(code)}, flags 0x${flags.toString(16)}, length ${value.length}: ${hex(value)}`,
    );
  }
  field('rest of the attribute list', parts.rest);
  field('NLRI', parts.nlri);
  return lines.join('\n');
}
