/** Runs plans against our speaker and the others, in turn, and prints medians, ratios, memory and CPU. */
import { parseArgs } from 'node:util';
import { median, report } from '../report.ts';
import { type Measured, type Plan, measure } from './rig.ts';
import { type SpeakerName, removeBundle } from './speakers.ts';

const KNOWN: readonly SpeakerName[] = ['bird', 'frr', 'gobgp'];
/** Who takes longer than this in its first run, seconds, is measured once. */
const ONCE = 60;

export interface CompareFlags {
  readonly runs: number;
  readonly peers: readonly SpeakerName[];
  /** Divides the sizes of all plans. */
  readonly prefixes: number;
  readonly variants: readonly string[] | undefined;
  /** Seconds until a peer is given up in a variant. */
  readonly limit: number;
}

/** `--runs N --peers bird,frr,gobgp --prefixes N --variants a,b --limit S`; ends the process on anything else. */
export function compareFlags(prefixes: number): CompareFlags {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '3' },
        peers: { type: 'string', default: KNOWN.join(',') },
        prefixes: { type: 'string', default: String(prefixes) },
        variants: { type: 'string' },
        limit: { type: 'string', default: '300' },
      },
    });
    const peers = values.peers.split(',').filter((name) => name !== '');
    const wrong = peers.find((name) => !KNOWN.includes(name as SpeakerName));
    if (wrong !== undefined) throw new Error(`--peers knows ${KNOWN.join(', ')}, not ${wrong}`);
    const [runs, size, limit] = [Number(values.runs), Number(values.prefixes), Number(values.limit)];
    if (!(runs >= 1) || !(size >= 100) || !(limit >= 1))
      throw new Error('--runs and --limit are 1 or more, --prefixes is 100 or more');
    return {
      runs,
      prefixes: size,
      peers: peers as SpeakerName[],
      variants: values.variants?.split(','),
      limit,
    };
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

export interface Variant {
  readonly name: string;
  readonly plan: Plan;
  /** What is compared, each under a name of its own: seconds to the last prefix, under the variant's, if left out. */
  readonly figures?: readonly Figure[];
  /** GoBGP is left out: it cannot do this by itself. */
  readonly withoutGobgp?: true;
  readonly nullRun?: true;
}

export interface Figure {
  readonly name: string;
  /** In seconds. */
  readonly of: (measured: Measured) => number;
}

/** Measures each variant and prints it. */
export async function compare(
  bench: string,
  flags: CompareFlags,
  variants: readonly Variant[],
): Promise<void> {
  try {
    for (const variant of variants) {
      if (flags.variants?.includes(variant.name) === false) continue;
      await compareVariant(bench, flags, variant);
    }
  } finally {
    await removeBundle();
  }
}

async function compareVariant(bench: string, flags: CompareFlags, variant: Variant): Promise<void> {
  const { name, plan, figures = [{ name, of: ({ seconds }) => seconds }] } = variant;
  const peers = flags.peers.filter((peer) => peer !== 'gobgp' || variant.withoutGobgp !== true);
  const speakers: readonly SpeakerName[] = ['ours', ...peers];
  const runs = new Map<SpeakerName, Measured[]>(speakers.map((speaker) => [speaker, []]));
  const failed = new Map<SpeakerName, string>();
  for (let turn = 0; turn < flags.runs; turn++) {
    for (const speaker of speakers) {
      const mine = runs.get(speaker)!;
      if (failed.has(speaker) || (mine[0]?.seconds ?? 0) > ONCE) continue;
      try {
        const measured = await measure(speaker, { ...plan, limit: flags.limit });
        mine.push(measured);
        console.error(`${bench} ${name} ${speaker}: ${describe(measured)}`);
      } catch (error) {
        // Whatever happens to another is a fact about it, and no reason to measure the rest no more.
        if (speaker === 'ours') throw error;
        const { message } = error as Error;
        failed.set(speaker, message);
        console.error(`${bench} ${name} ${speaker}: failed: ${message}`);
      }
    }
  }
  const measuredOnes = speakers.filter((speaker) => runs.get(speaker)!.length > 0);
  const middle = (speaker: SpeakerName, of: (measured: Measured) => number): number =>
    median(runs.get(speaker)!.map(of));
  const notes: string[] = [];
  const all = (of: (measured: Measured) => number, digits: number): string =>
    measuredOnes.map((speaker) => `${speaker} ${middle(speaker, of).toFixed(digits)}`).join(', ');
  if (variant.nullRun === true) {
    const alone = await measure('null', withOneReceiver(plan));
    notes.push(`null run ${alone.seconds.toFixed(3)} s (fed ${alone.fed.toFixed(3)})`);
  }
  notes.push(`CPU s: ${all(({ cpu }) => cpu, 2)}`);
  if (plan.withdraw === true) notes.push(`withdrawn s: ${all(({ withdrawn = 0 }) => withdrawn, 2)}`);
  notes.push(`longest silence ms: ${all(({ silence }) => silence, 0)}`);
  notes.push(
    `others used ${Math.max(...[...runs.values()].flat().map(({ foreign }) => foreign)).toFixed(2)} CPU at most`,
  );
  for (const [speaker, reason] of failed) notes.push(`${speaker} failed: ${reason}`);
  for (const speaker of measuredOnes) {
    const { length } = runs.get(speaker)!;
    if (length < flags.runs) notes.push(`${speaker}: ${length} run`);
  }
  const memories = measuredOnes.map(
    (speaker) => [speaker, Math.round(middle(speaker, ({ memory }) => memory))] as const,
  );
  const others = measuredOnes.filter((peer) => peer !== 'ours');
  for (const figure of figures) {
    report({
      bench,
      variant: figure.name,
      unit: 's',
      ours: middle('ours', figure.of),
      peers: Object.fromEntries(others.map((peer) => [peer, middle(peer, figure.of)])),
      memory: Object.fromEntries(memories),
      ...(failed.size === 0 ? {} : { failed: Object.fromEntries(failed) }),
      runs: flags.runs,
      notes: notes.join('; '),
    });
  }
}

/** Without a speaker the feeder can connect to one receiver. */
function withOneReceiver(plan: Plan): Plan {
  const [feeder, receivers] = plan.loads;
  return { ...plan, loads: [feeder!, { sessions: receivers!.sessions.slice(0, 1) }] };
}

function describe(measured: Measured): string {
  const { seconds, fed, cpu, memory, announced, withdrawn, silence, foreign } = measured;
  return (
    `${seconds.toFixed(3)} s (fed ${fed.toFixed(3)}), cpu ${cpu.toFixed(2)} s, ${memory.toFixed(0)} MiB, ` +
    `${announced} announced, withdrawn ${withdrawn?.toFixed(2) ?? '-'} s, silence ${silence.toFixed(0)} ms, ` +
    `others ${foreign.toFixed(2)}`
  );
}
