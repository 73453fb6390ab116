/**
 * `npm run demo`: builds examples/three-hosts.yaml, walks through the ready-made policies, kills an agent under
 * traffic, and takes everything down. Says before each matrix what is to be seen, and fails if anything else was.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DEMO_DEAD,
  DEMO_MEMBERS,
  DEMO_STEPS,
  DEMO_STREAMS,
  DEMO_VICTIM,
  type DemoStep,
} from './demo-script.ts';
import { DemoWalk } from './demo-walk.ts';
import { Lab, type LabOptions } from './lab.ts';
import { agrees, formatComparison } from './matrix.ts';
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
  private readonly walk: DemoWalk;

  constructor(
    private readonly lab: Lab,
    private readonly options: DemoOptions,
  ) {
    this.walk = new DemoWalk(lab, join(options.files, 'policies'));
  }

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
    const took = await this.walk.change(step);
    if (took !== undefined) write(`   in force on every host ${took.toFixed(1)} ms after the write\n`);
    const matrix = await this.walk.matrix(step.expected);
    write(`${formatComparison(DEMO_MEMBERS, matrix)}\n`);
    for (const [source, row] of matrix) {
      for (const [destination, cell] of row) {
        if (!agrees(cell)) this.differ(`${step.title}: ${source} → ${destination} is ${cell.seen}`);
      }
    }
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
