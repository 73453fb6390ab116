/**
 * `npm run fuzz -- policy --seeds N [--seed FIRST] [--packets N] [--kernel] [--defect NAME|all]`: random clusters and
 * packets, judged by the evaluator, by the oracle and, with --kernel, by the kernel. Ends with the first
 * disagreement, made small; with --defect the disagreement is what is wanted.
 */
import { parseArgs } from 'node:util';
import { KernelJudge } from './kernel-judge.ts';
import type { Defect } from './defect.ts';
import { defects } from './policy-defects.ts';
import { type FuzzResult, describe, fuzzPolicy, minimize } from './policy-fuzz.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    packets: { type: 'string', default: '100' },
    kernel: { type: 'boolean', default: false },
    defect: { type: 'string' },
  },
});
const numbers = {
  firstSeed: Number(values.seed),
  seeds: Number(values.seeds),
  packets: Number(values.packets),
};
if (!Object.values(numbers).every(Number.isInteger))
  throw new Error('--seeds, --seed and --packets are numbers');

async function run(defect: Defect | undefined, withKernel: boolean): Promise<FuzzResult> {
  const kernel = withKernel ? await KernelJudge.open(defect) : undefined;
  const judges = { ...(kernel && { kernel }), ...(defect && { defect }) };
  try {
    const progress = (done: number): void => console.log(`${done} seeds`);
    const result = await fuzzPolicy({ ...numbers, ...judges, ...(defect === undefined ? { progress } : {}) });
    if (result.disagreement !== undefined && defect === undefined) {
      console.log(describe(await minimize(result.disagreement, judges), judges));
    }
    return result;
  } finally {
    kernel?.close();
  }
}

async function plant(wanted: string): Promise<number> {
  const chosen = defects.filter(({ name }) => wanted === 'all' || name === wanted);
  if (chosen.length === 0) {
    console.error(`no such defect; there are:\n${defects.map(({ name }) => `  ${name}`).join('\n')}`);
    return 2;
  }
  let missed = 0;
  for (const defect of chosen) {
    const { disagreement, seeds } = await run(defect, values.kernel || defect.kernel !== undefined);
    if (disagreement === undefined) missed++;
    console.log(
      `${disagreement === undefined ? 'MISSED' : `found by seed ${seeds}`.padEnd(18)} ${defect.name}`,
    );
  }
  console.log(`${chosen.length - missed} of ${chosen.length} planted defects found`);
  return missed === 0 ? 0 : 1;
}

async function compare(): Promise<number> {
  const start = Date.now();
  const { seeds, probes, passed, fields, disagreement } = await run(undefined, values.kernel);
  console.log('hits     misses   what');
  for (const [field, { hits, misses }] of fields.entries()) {
    console.log(`${String(hits).padEnd(8)} ${String(misses).padEnd(8)} ${field}`);
  }
  const judges = values.kernel ? 'evaluator, oracle and kernel' : 'evaluator and oracle';
  const share = Math.round((100 * passed) / probes);
  const agreement = disagreement === undefined ? 'agree' : `disagree at seed ${disagreement.seed}`;
  console.log(
    `${judges} ${agreement}: ${seeds} seeds, ${probes} probes, ${share} % pass, ${(Date.now() - start) / 1000} s`,
  );
  return disagreement === undefined ? 0 : 1;
}

process.exitCode = values.defect === undefined ? await compare() : await plant(values.defect);
