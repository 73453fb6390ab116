/** One step of the demo at a time: changes policies or labels, waits until that is in force, and asks everybody. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MargayError } from '../base/errors.ts';
import { formatProblem } from '../model/problem.ts';
import { type Resource, keyOf } from '../model/resource.ts';
import { parseResources } from '../model/yaml.ts';
import { type PairResult, probePairs, seen } from './connectivity.ts';
import { DEMO_MEMBERS, type DemoStep } from './demo-script.ts';
import type { Lab, LabEndpoint } from './lab.ts';
import { type Cell, type Matrix, agrees } from './matrix.ts';
import type { LabPlan } from './plan.ts';
import type { ProbeService } from './probe.ts';

/** The demo's files are not what it expects. */
class DemoError extends MargayError {
  constructor(message: string) {
    super('lab.demo', message);
  }
}

export class DemoWalk {
  constructor(
    private readonly lab: Lab,
    /** The folder of ready-made policies. */
    private readonly policyFolder: string,
  ) {}

  /** Makes the step's changes. Returns the milliseconds from the last write until every host had it in force. */
  async change(step: DemoStep): Promise<number | undefined> {
    const revision = await this.write(step);
    if (revision === undefined) return undefined;
    const started = performance.now();
    await this.lab.waitInForce(revision);
    return performance.now() - started;
  }

  /** Asks every member on its own port from every other, in both families; a cell is open if both are. */
  async matrix(expected: readonly string[]): Promise<Matrix> {
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

  /** Returns the revision of the last change, if there was any. */
  private async write({ remove = [], apply = [], label }: DemoStep): Promise<number | undefined> {
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
    const file = join(this.policyFolder, name);
    return parseResources(readFileSync(file, 'utf8'), { file }).map(({ resource, problems }) => {
      if (resource === undefined) throw new DemoError(problems.map(formatProblem).join('\n'));
      return resource;
    });
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
): { readonly service: ProbeService; readonly families: readonly (4 | 6)[] } {
  const member = [...plan.workloads, ...plan.machines].find((candidate) => candidate.name === name);
  const [first] = member?.ports ?? [];
  if (first === undefined) throw new DemoError(`${name} serves no port`);
  return { service: { port: first.port, protocol: first.protocol }, families: [4, 6] };
}
