/** Differential fuzzing of policy: the evaluator, the oracle and the kernel judge the same packets (design D12). */
import { stringify } from 'yaml';
import { MargayError } from '../../src/base/errors.ts';
import { ValidationError } from '../../src/model/problem.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { FieldCounts } from './field-counts.ts';
import type { KernelJudge } from './kernel-judge.ts';
import type { Defect } from './defect.ts';
import { type Evaluation, calculate, evaluate, makeTrial, oracleVerdicts } from './policy-trial.ts';
import type { Document } from './policy-world.ts';
import { shrink } from './shrink.ts';

export interface Disagreement {
  readonly seed: number;
  readonly packet: Packet;
  readonly documents: readonly Document[];
  readonly oracle: boolean;
  readonly evaluator: boolean;
  /** Undefined if the kernel was not asked. */
  readonly kernel: boolean | undefined;
}

export interface FuzzResult {
  readonly seeds: number;
  readonly probes: number;
  readonly passed: number;
  readonly fields: FieldCounts;
  /** The first, after which the run ends. */
  readonly disagreement: Disagreement | undefined;
}

export interface FuzzOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly packets: number;
  /** Judges as well, where given. */
  readonly kernel?: KernelJudge;
  readonly defect?: Defect;
  /** Told now and then how many seeds are done. */
  readonly progress?: (seeds: number) => void;
}

type Verdicts = Pick<Disagreement, 'oracle' | 'evaluator' | 'kernel'>;

/** Judges the worlds of seeds in turn until the judges disagree. */
export async function fuzzPolicy(options: FuzzOptions): Promise<FuzzResult> {
  const fields = new FieldCounts();
  let probes = 0;
  let passed = 0;
  for (let index = 0; index < options.seeds; index++) {
    const seed = options.firstSeed + index;
    const { documents, packets } = makeTrial(seed, options.packets, options.defect?.hosts);
    const { verdicts, evaluations } = await judge(documents, packets, options).catch((cause: unknown) => {
      throw new Error(`the world of seed ${seed} cannot be judged`, { cause });
    });
    probes += packets.length;
    if ((index + 1) % 500 === 0) options.progress?.(index + 1);
    passed += verdicts.filter(({ oracle }) => oracle).length;
    for (const evaluation of evaluations) fields.add(documents, evaluation.walks);
    const at = verdicts.findIndex(disagree);
    if (at >= 0) {
      const disagreement = { seed, packet: packets[at]!, documents, ...verdicts[at]! };
      return { seeds: index + 1, probes, passed, fields, disagreement };
    }
  }
  return { seeds: options.seeds, probes, passed, fields, disagreement: undefined };
}

async function judge(
  documents: readonly Document[],
  packets: readonly Packet[],
  { kernel, defect }: Pick<FuzzOptions, 'kernel' | 'defect'>,
): Promise<{ verdicts: Verdicts[]; evaluations: Evaluation[] }> {
  const oracle = oracleVerdicts(documents, packets);
  const whole = calculate(documents, defect);
  const evaluations = evaluate(defect?.delta?.(whole) ?? whole, packets);
  const evaluator = evaluations.map(({ allowed }) => allowed);
  const arrived = await kernel?.judge(documents, packets, evaluator);
  return {
    evaluations,
    verdicts: packets.map((_, index) => ({
      oracle: oracle[index]!,
      evaluator: evaluator[index]!,
      kernel: arrived?.[index],
    })),
  };
}

function disagree({ oracle, evaluator, kernel }: Verdicts): boolean {
  return oracle !== evaluator || (kernel !== undefined && kernel !== evaluator);
}

/** The fewest resources and fields with which the judges still say what they said. */
export async function minimize(
  found: Disagreement,
  options: Pick<FuzzOptions, 'kernel' | 'defect'>,
): Promise<Disagreement> {
  const { packet, oracle, evaluator, kernel } = found;
  const documents = await shrink(found.documents, async (smaller) => {
    // Without its interface a workload is nobody's, and everything passes.
    if (smaller.some(({ kind, spec }) => kind === 'WorkloadEndpoint' && !isWhole(spec ?? {}))) return false;
    try {
      const { verdicts } = await judge(smaller, [packet], options);
      const [now] = verdicts;
      return now!.oracle === oracle && now!.evaluator === evaluator && now!.kernel === kernel;
    } catch (error) {
      if (error instanceof ValidationError || error instanceof MargayError || error instanceof TypeError)
        return false;
      throw error;
    }
  });
  return { ...found, documents };
}

function isWhole(endpoint: Document['spec']): boolean {
  return ['interfaceName', 'node', 'ipNetworks'].every((field) => field in endpoint);
}

/** A disagreement for people: resources, packet, verdicts. */
export function describe(found: Disagreement, options: Pick<FuzzOptions, 'defect'>): string {
  const { seed, packet, documents } = found;
  const word = (allowed: boolean): string => (allowed ? 'allow' : 'deny');
  const whole = calculate(documents, options.defect);
  const [evaluation] = evaluate(options.defect?.delta?.(whole) ?? whole, [packet]);
  const decided = evaluation!.walks.map(
    ({ direction, verdict, decidedBy }) => `${direction} ${verdict} by ${decidedBy.join()}`,
  );
  return [
    documents.map((one) => stringify(one)).join('---\n'),
    `seed ${seed}, packet ${JSON.stringify(packet)}`,
    `oracle: ${word(found.oracle)}`,
    `evaluator: ${word(found.evaluator)} (${decided.join(', ')})`,
    ...(found.kernel === undefined ? [] : [`kernel: ${word(found.kernel)}`]),
  ].join('\n');
}
