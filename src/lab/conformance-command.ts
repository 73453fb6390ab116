/** `margay lab conformance FILE`. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError, describeError } from '../base/errors.ts';
import type { Family } from '../net/address.ts';
import { runSuite } from './conformance.ts';
import { DISTURBANCES, type Disturbance } from './conformance-disturbance.ts';
import { formatCase, formatTotals, isConformant, suiteJson } from './conformance-report.ts';
import { parseSuite } from './conformance-format.ts';
import type { Suite } from './conformance-suite.ts';
import { printedProgress, silentProgress } from './progress.ts';

interface ConformanceFlags {
  readonly runDir: string;
  readonly family: keyof typeof FAMILIES;
  readonly nodes?: number;
  readonly only?: RegExp;
  readonly output: 'text' | 'json';
  readonly selfTest?: boolean;
  readonly disturb?: Disturbance;
  readonly tableOwnership: boolean;
  readonly agentLogLevel: string;
}

const DEFAULT_NODES = 3;
const FAMILIES = { v4: [4], v6: [6], dual: [4, 6] } as const satisfies Record<string, readonly Family[]>;
/** Exit status of a run that says nothing about conformance: a bad file, or a lab or agent that does not work. */
const NOT_JUDGED = 2;

/** Gives the command its options and its action. */
export function defineConformanceCommand(command: Command, setExitCode: (code: number) => void): void {
  command
    .addOption(
      new Option('--family <family>', 'families to probe').choices(Object.keys(FAMILIES)).default('dual'),
    )
    .option(
      '--nodes <number>',
      'hosts to spread the pods over: 1 has every pair on one host (default: 3, or as many as the suite names)',
      parseNodes,
    )
    .option('--only <pattern>', 'only cases whose name this regular expression finds', parsePattern)
    .addOption(new Option('-o, --output <format>', 'output').choices(['text', 'json']).default('text'))
    .option('--self-test', 'withhold the policies: the run must fail')
    .addOption(
      new Option(
        '--disturb <how>',
        'in the middle of each step: "restart" kills every agent and starts it again, "flush" flushes the ruleset of every host',
      ).choices(DISTURBANCES),
    )
    .option('--no-table-ownership', 'agents leave their table open to others, so that a flush hits it')
    .option('--agent-log-level <level>', 'log level of the agents', 'info')
    .addHelpText(
      'after',
      `
A file is of format margay-conformance/v1, or the truth tables of Kubernetes' own network policy tests. \${ip:NAMESPACE/POD}
and \${ip:HOST} (n1, n2, …) in any text are that address, in each family in turn; \${net4:…} is the prefix of 4 bits around
it. Probes of protocol ICMP are sent in IPv4 and those of ICMPv6 in IPv6, as echo requests unless "icmp" names another
type (of ICMP 13) or code that hosts answer. Each probe is sent once: what must answer may take 900 ms, what must not is
silent for 300 ms.

Exit status: 0 if every probe agrees, 1 if one does not, 2 if the suite could not be judged.`,
    )
    .action(async (file: string, flags: ConformanceFlags) => {
      try {
        setExitCode((await conform(file, flags)) ? 0 : 1);
      } catch (error) {
        process.stderr.write(`${describeError(error)}\n`);
        setExitCode(NOT_JUDGED);
      }
    });
}

async function conform(file: string, flags: ConformanceFlags): Promise<boolean> {
  const text = flags.output === 'text';
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  const suite = readSuite(file);
  for (const note of suite.notes) process.stderr.write(`${file}: ${note}\n`);
  const result = await runSuite(suite, {
    families: FAMILIES[flags.family],
    nodes: flags.nodes ?? Math.max(DEFAULT_NODES, ...suite.pods.map(({ node }) => node ?? 1)),
    ...(flags.disturb === undefined ? {} : { disturbance: flags.disturb }),
    agentOptions: flags.tableOwnership ? [] : ['--no-table-ownership'],
    ...(flags.only === undefined ? {} : { only: flags.only }),
    selfTest: flags.selfTest === true,
    signal: interrupted.signal,
    labName: `conf-${process.pid}`,
    runDirectory: flags.runDir,
    agentLogLevel: flags.agentLogLevel,
    progress: text ? printedProgress(process.stderr) : silentProgress,
    ...(text ? { report: (ended) => void process.stdout.write(`${formatCase(ended)}\n`) } : {}),
  });
  process.stdout.write(text ? `\n${formatTotals(result)}\n` : `${JSON.stringify(suiteJson(result))}\n`);
  return isConformant(result);
}

function readSuite(file: string): Suite {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError('lab.suite', `cannot read ${file}`, { cause, fix: 'give a JSON file' });
  }
  return parseSuite(value, file);
}

function parseNodes(text: string): number {
  const nodes = Number(text);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 50) throw new InvalidArgumentError('use 1 to 50');
  return nodes;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
