/**
 * `npm run fuzz -- bgp [--target codec|core] [--seconds N | --messages N] [--seed FIRST] [--defect NAME|all]`: valid BGP
 * messages with damage, through framer, codec and state machine, judged by the oracle; or through a whole speaker's core,
 * whose state is judged. Ends with the first that crashes, hangs or
 * means something else than the RFCs say, made small; `--seed N --messages 1` makes message N again.
 */
import { parseArgs } from 'node:util';
import { ROUND, fuzzCore } from './bgp-core.ts';
import { defects } from './bgp-defects.ts';
import { BgpFuzzer, type FuzzReport, describeCase } from './bgp-fuzz.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    messages: { type: 'string' },
    seed: { type: 'string', default: '1' },
    defect: { type: 'string' },
    target: { type: 'string', default: 'codec' },
  },
});

const DEFAULT_SECONDS = 10;
/** What a planted defect may take at most. */
const DEFECT_MESSAGES = 500_000;

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${flag} is a whole number, not ${text}`);
  return number;
}

const fuzzer = new BgpFuzzer();

function report({
  messages,
  reachedAttributes,
  outcomes,
  milliseconds,
  heapSlope,
  rssSlope,
}: FuzzReport): void {
  const share = (count: number): string => `${((100 * count) / Math.max(1, messages)).toFixed(1)} %`;
  console.log(`${messages} messages in ${(milliseconds / 1000).toFixed(1)} s`);
  console.log(`${reachedAttributes} (${share(reachedAttributes)}) reached the parsing of attributes`);
  for (const [outcome, count] of Object.entries(outcomes)) {
    console.log(`  ${outcome.padEnd(11)} ${String(count).padStart(10)}  ${share(count)}`);
  }
  console.log(
    `live heap ${heapSlope.toFixed(3)} octets a message, resident memory ${rssSlope.toFixed(3)}, now ` +
      `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
  );
}

/** Where a run begins and ends. */
function bounds(): { seed: number; messages: number; duration?: number } {
  const seconds = numberOf(values.seconds, 'seconds');
  const messages = numberOf(values.messages, 'messages');
  return {
    seed: numberOf(values.seed, 'seed')!,
    messages: messages ?? Infinity,
    ...(messages === undefined || seconds !== undefined
      ? { duration: (seconds ?? DEFAULT_SECONDS) * 1000 }
      : {}),
  };
}

function fuzzState(): number {
  const { messages, updates, sessionsEnded, told, paths, checks, milliseconds, finding } = fuzzCore({
    ...bounds(),
    make: (seed) => fuzzer.make(seed),
  });
  console.log(`${messages} messages in ${(milliseconds / 1000).toFixed(1)} s, ${checks} looks at the state`);
  console.log(`${updates} updates reached the RIB, of up to ${paths} paths; ${sessionsEnded} sessions ended`);
  console.log(`${told} announcements and withdrawals were told and read`);
  if (finding !== undefined) {
    console.log(`\n${finding.kind} in the round of message ${finding.seed}: ${finding.detail}`);
    console.log(`again: npm run fuzz -- bgp --target core --seed ${finding.seed} --messages ${ROUND}`);
    return 1;
  }
  if (messages > 1000 && updates * 2 < messages) {
    console.log('fewer than half reached the RIB: the run proves too little');
    return 1;
  }
  console.log(
    'no crash; routes go with their sessions, peers hold what policy lets them, nothing is left behind',
  );
  return 0;
}

function fuzz(): number {
  const result = fuzzer.run(bounds());
  report(result);
  const { finding, messages, reachedAttributes } = result;
  if (finding !== undefined) {
    console.log(`\n${finding.kind} by message ${finding.seed}: ${finding.detail}`);
    if (finding.kind !== 'leak') {
      console.log(`smallest message that does the same:\n${describeCase(fuzzer.minimize(finding))}`);
      console.log(`again: npm run fuzz -- bgp --seed ${finding.seed} --messages 1`);
    }
    return 1;
  }
  if (messages > 1000 && reachedAttributes * 2 < messages) {
    console.log('fewer than half reached the parsing of attributes: the run proves too little');
    return 1;
  }
  console.log('no crash, no hang, no leak; every meaning as the oracle has it');
  return 0;
}

function plant(wanted: string): number {
  const chosen = defects.filter(({ name }) => wanted === 'all' || name === wanted);
  if (chosen.length === 0) {
    console.error(`no such defect; there are:\n${defects.map(({ name }) => `  ${name}`).join('\n')}`);
    return 2;
  }
  let missed = 0;
  for (const { name, kind, make } of chosen) {
    const decode = make();
    const { finding } = fuzzer.run({
      seed: numberOf(values.seed, 'seed')!,
      messages: DEFECT_MESSAGES,
      decode,
    });
    const found = finding?.kind === kind;
    if (!found) missed++;
    console.log(`${(found ? `found by message ${finding.seed}` : 'MISSED').padEnd(26)} ${kind}: ${name}`);
    if (found && kind !== 'leak') console.log(describeCase(fuzzer.minimize(finding, decode)));
  }
  console.log(`${chosen.length - missed} of ${chosen.length} planted defects found`);
  return missed === 0 ? 0 : 1;
}

function start(): number {
  if (values.defect !== undefined) return plant(values.defect);
  if (values.target === 'core') return fuzzState();
  if (values.target === 'codec') return fuzz();
  throw new Error(`--target is codec or core, not ${values.target}`);
}

process.exitCode = start();
