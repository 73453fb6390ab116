/**
 * `npm run demo`: builds examples/three-hosts.yaml, walks through the ready-made policies, kills an agent under
 * traffic, and takes everything down. Says before each matrix what is to be seen, and fails if anything else was.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MargayError } from '../base/errors.ts';
import { keyOf, type Resource } from '../model/resource.ts';
import { formatProblem } from '../model/problem.ts';
import { parseResources } from '../model/yaml.ts';
import { type PairResult, probePairs, seen } from './connectivity.ts';
import {
  DEMO_DEAD,
  DEMO_MEMBERS,
  DEMO_STEPS,
  DEMO_STREAMS,
  DEMO_VICTIM,
  type DemoStep,
} from './demo-script.ts';
import { Lab, type LabEndpoint, type LabOptions } from './lab.ts';
import { type Cell, type Matrix, agrees, formatComparison } from './matrix.ts';
import type { LabPlan } from './plan.ts';
import type { ProbeProtocol } from './responder.ts';
import { parseTopology } from './topology-file.ts';
import { type TrafficStream, startTrafficStream } from './traffic-stream.ts';

export interface DemoOptions extends LabOptions {
  /** The folder that holds examples/ and policies/. */
  readonly files: string;
  /** Path of margayctl's bundle. */
  readonly margayctl: string;
  /** Leave the lab up at the end. */
  readonly keep: boolean;
  readonly write: (text: string) => void;
}

/** Something was not as the demo says. */
class DemoError extends MargayError {
  constructor(message: string) {
    super('lab.demo', message);
  }
}

/** Runs the demo. Resolves with what differed from its words, nothing if all is well. Takes its lab down unless `keep`. */
export async function runDemo(options: DemoOptions): Promise<string[]> {
  const file = join(options.files, 'examples', 'three-hosts.yaml');
  const topology = parseTopology(readFileSync(file, 'utf8'), file);
  options.write(`\n== Three hosts, etcd, and a BIRD router in another AS (${file})\n`);
  const lab = await Lab.up(topology, options);
  const demo = new Demo(lab, options);
  try {
    await demo.run();
  } finally {
    if (options.keep) await lab.close();
    else await demo.takeDown();
  }
  return demo.differences;
}

class Demo {
  readonly differences: string[] = [];

  constructor(
    private readonly lab: Lab,
    private readonly options: DemoOptions,
  ) {}

  async run(): Promise<void> {
    for (const step of DEMO_STEPS) await this.step(step);
    await this.showCommands();
    await this.killAgent();
    if (this.options.keep) this.options.write(whatToTry(this.lab));
  }

  async takeDown(): Promise<void> {
    const { namespaces, processes, refused } = await this.lab.down();
    this.options.write(`\n== Cleaned up: ${namespaces} network namespaces, ${processes} processes\n`);
    for (const namespace of refused) this.differ(`network namespace ${namespace} was not ours to remove`);
  }

  private differ(text: string): void {
    this.differences.push(text);
    this.options.write(`!! ${text}\n`);
  }

  private async step(step: DemoStep): Promise<void> {
    const { write } = this.options;
    write(`\n== ${step.title}\n`);
    const revision = await this.change(step);
    if (revision !== undefined) {
      const started = performance.now();
      await this.lab.waitInForce(revision);
      write(`   in force on every host ${(performance.now() - started).toFixed(1)} ms after the write\n`);
    }
    const matrix = await this.matrix(step.expected);
    write(`${formatComparison(DEMO_MEMBERS, matrix)}\n`);
    for (const [source, row] of matrix) {
      for (const [destination, cell] of row) {
        if (!agrees(cell)) this.differ(`${step.title}: ${source} → ${destination} is ${cell.seen}`);
      }
    }
  }

  /** Returns the revision of the last change, if there was any. */
  private async change({ remove = [], apply = [], label }: DemoStep): Promise<number | undefined> {
    const client = await this.lab.open();
    let revision: number | undefined;
    for (const resource of remove.flatMap((name) => this.policies(name))) {
      revision = (await client.remove(keyOf(resource))) ?? revision;
    }
    for (const resource of apply.flatMap((name) => this.policies(name)))
      revision = await client.write(resource);
    if (label !== undefined) revision = await this.lab.setWorkloadLabels(label.workload, label.labels);
    return revision;
  }

  private policies(name: string): Resource[] {
    const file = join(this.options.files, 'policies', name);
    return parseResources(readFileSync(file, 'utf8'), { file }).map(({ resource, problems }) => {
      if (resource === undefined) throw new DemoError(problems.map(formatProblem).join('\n'));
      return resource;
    });
  }

  /** Asks every member on its own port from every other, in both families; a cell is open if both are. */
  private async matrix(expected: readonly string[]): Promise<Matrix> {
    const members = DEMO_MEMBERS.map((name) => this.lab.endpoint(name));
    const results = await Promise.all(
      members.map((destination) =>
        probePairs(members, [destination], servicePort(this.lab.plan, destination)),
      ),
    );
    const matrix = new Map<string, Map<string, Cell>>(DEMO_MEMBERS.map((name) => [name, new Map()]));
    for (const result of results.flat()) {
      const row = matrix.get(result.source)!;
      const letter =
        expected[DEMO_MEMBERS.findIndex((name) => name === result.source)]?.[
          DEMO_MEMBERS.findIndex((name) => name === result.destination)
        ];
      row.set(
        result.destination,
        both(row.get(result.destination), result, letter === '.' ? 'open' : 'closed'),
      );
    }
    return matrix;
  }

  /** Shows what an operator would ask. */
  private async showCommands(): Promise<void> {
    for (const command of [
      ['get', 'globalnetworkpolicy', '-o', 'wide'],
      ['get', 'workloadendpoint', '-A'],
      ['node', 'status'],
    ]) {
      this.options.write(`\n== margayctl ${command.join(' ')}   (on n1)\n`);
      const child = this.lab.execute('n1', [process.execPath, this.options.margayctl, ...command], 'pipe');
      child.stdout?.on('data', (chunk: Buffer) => this.options.write(chunk.toString('utf8')));
      child.stderr?.on('data', (chunk: Buffer) => this.options.write(chunk.toString('utf8')));
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      if (code !== 0) this.differ(`margayctl ${command.join(' ')} ended with ${code}`);
    }
  }

  private async killAgent(): Promise<void> {
    const { write } = this.options;
    write(
      `\n== kill -9 of the agent on ${DEMO_VICTIM}, dead for ${DEMO_DEAD / 1000} s, under a packet every 10 ms\n`,
    );
    const streams = DEMO_STREAMS.flatMap(({ from, to, port }) =>
      ([4, 6] as const).map((family) => ({
        name: `${from} → ${to}, IPv${family}`,
        stream: startTrafficStream({
          namespace: this.lab.endpoint(from).namespace,
          address: this.lab.address(to, family),
          port,
        }),
      })),
    );
    try {
      await sleep(500);
      await this.lab.stopAgent(DEMO_VICTIM, 'SIGKILL');
      await sleep(DEMO_DEAD);
      const started = performance.now();
      await this.lab.startAgent(DEMO_VICTIM);
      write(`   restarted and in sync after ${Math.round(performance.now() - started)} ms\n`);
      await sleep(2_000);
    } finally {
      for (const { name, stream } of streams) await this.reportStream(name, stream);
    }
  }

  private async reportStream(name: string, stream: TrafficStream): Promise<void> {
    const { sent, received, lost } = await stream.stop();
    this.options.write(`   ${name}: ${sent} sent, ${received} answered, ${lost} lost\n`);
    if (received === 0 || lost > 0) this.differ(`${name}: ${lost} of ${sent} packets lost`);
  }
}

function both(before: Cell | undefined, result: PairResult, expected: 'open' | 'closed'): Cell {
  const now = seen(result);
  if (before === undefined || before.seen === now) return { seen: now, expected };
  // The families disagree: show the one that is not as expected.
  const earlier = { ...before, expected };
  return agrees(earlier) ? { seen: now, expected } : earlier;
}

/** The first port that a member serves. */
function servicePort(
  plan: LabPlan,
  { name }: LabEndpoint,
): { readonly port: number; readonly protocol: ProbeProtocol; readonly families: readonly (4 | 6)[] } {
  const member = [...plan.workloads, ...plan.machines].find((candidate) => candidate.name === name);
  const [first] = member?.ports ?? [];
  if (first === undefined) throw new DemoError(`${name} serves no port`);
  return { port: first.port, protocol: first.protocol, families: [4, 6] };
}

function whatToTry({ name }: Lab): string {
  return `
== The lab stays up. Try:
   node dist/margay.cjs lab status ${name}
   node dist/margay.cjs lab matrix ${name} 80
   node dist/margay.cjs lab probe ${name} shop/frontend shop/backend 8080
   node dist/margay.cjs lab exec ${name} n1 nft list table inet margay
   node dist/margay.cjs lab exec ${name} n1 node dist/margayctl.cjs node status
   node dist/margay.cjs lab exec ${name} tor birdc -s /run/margay/lab/${name}/tor.bird.ctl show route
   node dist/margay.cjs lab down ${name}
`;
}
