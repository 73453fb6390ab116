/** The commands `margay lab …`. */
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { constants } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError, describeError } from '../base/errors.ts';
import type { Family } from '../net/address.ts';
import { defineConformanceCommand } from './conformance-command.ts';
import { matrixOf, probePairs } from './connectivity.ts';
import { Lab, type LabOptions } from './lab.ts';
import { formatMatrix } from './matrix.ts';
import { type ProbeService, SILENCE, probe } from './probe.ts';
import { printedProgress } from './progress.ts';
import type { ServedProtocol } from './responder.ts';
import { echoRequest } from './icmp.ts';
import { serveLab } from './serve.ts';
import { LAB_DIRECTORY } from './state.ts';
import { formatLabStatus, labStatus } from './status.ts';
import { parseTopology } from './topology-file.ts';

type SetExitCode = (code: number) => void;

interface CommonFlags {
  readonly runDir: string;
}

/** Adds `lab` and its commands to a program and returns it, so that more can be added. */
export function registerLabCommands(program: Command, setExitCode: SetExitCode): Command {
  const lab = program
    .command('lab')
    .description('Hosts, routers and workloads out of network namespaces, for demos and tests.');
  const command = (usage: string, description: string): Command =>
    lab
      .command(usage)
      .description(description)
      .addOption(
        new Option('--run-dir <directory>', 'where labs keep their files')
          .default(LAB_DIRECTORY)
          .env('MARGAY_LAB_DIR'),
      );

  command('up <file>', 'Bring a lab up, or repair it.')
    .option('--agent-log-level <level>', 'log level of the agents', 'info')
    .action(async (file: string, flags: CommonFlags & { readonly agentLogLevel: string }) => {
      const topology = parseTopology(readFileSync(file, 'utf8'), file);
      const running = await Lab.up(topology, { ...options(flags), agentLogLevel: flags.agentLogLevel });
      process.stdout.write(`lab ${running.name} is up; its files are in ${running.path}\n`);
      await running.close();
    });

  command('down <lab>', 'Take a lab down (FILE or its name).').action(
    async (name: string, flags: CommonFlags) => {
      const { refused } = await find(name, flags).down();
      for (const namespace of refused) {
        process.stderr.write(`network namespace ${namespace} is no longer the lab's and was left alone\n`);
      }
      setExitCode(refused.length === 0 ? 0 : 1);
    },
  );

  command('status <lab>', 'What of a lab runs, and how its agents are.')
    .addOption(outputOption())
    .action(async (name: string, flags: CommonFlags & { readonly output: string }) => {
      const status = await labStatus(find(name, flags));
      process.stdout.write(flags.output === 'json' ? `${JSON.stringify(status)}\n` : formatLabStatus(status));
      setExitCode(status.healthy ? 0 : 1);
    });

  command('exec <lab> <member> [command...]', 'Run a command in a host, router, client or NAMESPACE/POD.')
    .passThroughOptions()
    .action(async (name: string, member: string, words: string[], flags: CommonFlags) => {
      const given = words[0] === '--' ? words.slice(1) : words;
      const shell = process.env['SHELL'] ?? '/bin/sh';
      setExitCode(await execute(find(name, flags), member, given.length === 0 ? [shell] : given));
    });

  command(
    'agent <lab> <node> <action>',
    'Kill (SIGKILL), stop (SIGTERM) or start the agent of a node.',
  ).action(async (name: string, node: string, action: string, flags: CommonFlags) => {
    const running = find(name, flags);
    if (action === 'start') await running.startAgent(node);
    else if (action === 'kill') await running.stopAgent(node, 'SIGKILL');
    else if (action === 'stop') await running.stopAgent(node, 'SIGTERM');
    else throw new ConfigError('lab.action', `unknown action ${action}`, { fix: 'use kill, stop or start' });
  });

  command('probe <lab> <source> <destination> <service>', 'Try one connection: PORT, PORT/udp or icmp.')
    .option('--family <family>', '4 or 6', parseFamily, 4 as Family)
    .option('--timeout <milliseconds>', 'silence that counts as dropped', Number, SILENCE)
    .action(
      async (
        name: string,
        source: string,
        destination: string,
        service: string,
        flags: CommonFlags & { readonly family: Family; readonly timeout: number },
      ) => {
        const running = find(name, flags);
        const { namespace } = running.endpoint(source);
        const address = running.address(destination, flags.family);
        const result = await probe(
          { namespace, address, ...parseService(service, flags.family) },
          flags.timeout,
        );
        const detail = 'name' in result ? ` ${result.name}` : 'error' in result ? ` ${result.error}` : '';
        process.stdout.write(`${result.verdict}${detail} (${result.milliseconds.toFixed(1)} ms)\n`);
        setExitCode(result.verdict === 'OPEN' ? 0 : 1);
      },
    );

  command('matrix <lab> <service>', 'Who reaches whom by PORT, PORT/udp or icmp, among the workloads.')
    .option('--family <family>', '4 or 6', parseFamily, 4 as Family)
    .action(async (name: string, service: string, flags: CommonFlags & { readonly family: Family }) => {
      const running = find(name, flags);
      const endpoints = running.plan.workloads.map((workload) => running.endpoint(workload.name));
      const results = await probePairs(endpoints, endpoints, {
        service: parseService(service, flags.family),
        families: [flags.family],
      });
      process.stdout.write(
        `${formatMatrix(
          endpoints.map((endpoint) => endpoint.name),
          matrixOf(results),
        )}\n`,
      );
    });

  defineConformanceCommand(
    command('conformance <file>', 'Run a suite of policy tests in a lab of its own and compare.'),
    setExitCode,
  );

  lab
    .command('serve <directory>', { hidden: true })
    .description('Answer for the workloads of a lab (started by the lab itself).')
    .action(serveLab);
  return lab;
}

function outputOption(): Option {
  return new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text');
}

function options({ runDir }: CommonFlags): LabOptions {
  return { runDirectory: runDir, progress: printedProgress(process.stderr) };
}

/** A lab by its name, or by the file that it was made of. */
function find(nameOrFile: string, flags: CommonFlags): Lab {
  const isFile = existsSync(nameOrFile);
  const name = isFile ? parseTopology(readFileSync(nameOrFile, 'utf8'), nameOrFile).name : nameOrFile;
  return Lab.find(name, options(flags));
}

function parseFamily(text: string): Family {
  if (text === '4') return 4;
  if (text === '6') return 6;
  throw new InvalidArgumentError('use 4 or 6');
}

function parseService(text: string, family: Family): ProbeService {
  if (/^icmp(v6)?$/i.test(text)) {
    return { protocol: family === 4 ? 'ICMP' : 'ICMPv6', icmp: echoRequest[family] };
  }
  const match = /^([0-9]{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(match?.[1]);
  if (match === null || port < 1 || port > 65535) {
    throw new ConfigError('lab.port', `not a port: ${text}`, {
      fix: 'write 80, 80/tcp, 53/udp, 80/sctp or icmp',
    });
  }
  return { port, protocol: (match[2]?.toUpperCase() ?? 'TCP') as ServedProtocol };
}

/** Runs a program to its end; its exit status, or 128 and the number of the signal that ended it. */
async function execute(lab: Lab, member: string, words: readonly string[]): Promise<number> {
  const child = lab.execute(member, words);
  try {
    const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return status ?? 128 + constants.signals[signal!];
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    return 127;
  }
}
