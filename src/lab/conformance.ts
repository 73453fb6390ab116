/**
 * Runs a conformance suite in a lab of its own: writes what a step says, waits until every agent reports that
 * revision in force, then probes every pair at the same time, once, and compares. Nothing is repeated until it agrees.
 */
import { ConfigError, MargayError, describeError } from '../base/errors.ts';
import { type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { decodeEntry } from '../model/decode.ts';
import { ValidationError } from '../model/problem.ts';
import { type CheckResult, judge } from './conformance-check.ts';
import {
  type ProbeSet,
  type Suite,
  type SuiteCase,
  type SuiteStep,
  addressedPods,
  substitute,
} from './conformance-suite.ts';
import { type Disturbance, disturb } from './conformance-disturbance.ts';
import { Undo } from './conformance-undo.ts';
import { type PairResult, probePairs } from './connectivity.ts';
import { SILENCE, hasFamily } from './probe.ts';
import { Lab, type LabOptions } from './lab.ts';
import { Responder } from './responder.ts';
import type { Topology } from './topology.ts';

export interface ConformanceOptions extends LabOptions {
  readonly families: readonly Family[];
  /** Number of hosts that the pods are spread over. */
  readonly nodes: number;
  /** Only cases whose name this finds. */
  readonly only?: RegExp;
  /** Policies are withheld, to see that the probes notice it. */
  readonly selfTest: boolean;
  /** What happens to every node in the middle of each step that changes something. */
  readonly disturbance?: Disturbance;
  /** Name of the lab; its namespaces begin with `margay-` and it. */
  readonly labName: string;
  /** Ends the run before its next case; the lab is removed all the same. */
  readonly signal?: AbortSignal;
  /** Stands around the probes of each set, for whoever wants to look at the lab before and after. */
  readonly around?: (
    probing: ProbingContext,
    probes: () => Promise<readonly PairResult[]>,
  ) => Promise<readonly PairResult[]>;
  /** Told of each case as it ends. */
  readonly report?: (result: CaseResult) => void;
}

/** What is about to be probed. */
export interface ProbingContext {
  readonly lab: Lab;
  readonly test: string;
  readonly step: number;
  readonly set: ProbeSet;
  readonly families: readonly Family[];
}

export interface CaseResult {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped, or why it failed beyond its probes. */
  readonly reason?: string;
  readonly checks: readonly CheckResult[];
  /** Milliseconds from the last write of a step until every agent had it in force, one for each step. */
  readonly enforcement: readonly number[];
}

export interface SuiteResult {
  readonly suite: string;
  readonly families: readonly Family[];
  readonly nodes: number;
  readonly selfTest: boolean;
  readonly cases: readonly CaseResult[];
}

/**
 * Milliseconds that an answer may take. A machine that is busy may be slow, but a first SYN that was dropped must not
 * be answered at its repetition, which comes after a second (RFC 6298 §2.1).
 */
const ANSWER = 900;
/** Milliseconds that agents may take to bring a step into force. */
const IN_FORCE = 10_000;
const POOLS: Readonly<Record<Family, { cidr: Prefix; blockSize: number }>> = {
  4: { cidr: '10.65.0.0/16' as Prefix, blockSize: 26 },
  6: { cidr: 'fd65::/112' as Prefix, blockSize: 122 },
};
const SUBNETS: Readonly<Record<Family, Prefix>> = { 4: '172.16.0.0/24' as Prefix, 6: 'fd16::/64' as Prefix };

/** What makes a run meaningless, as opposed to a case that fails: a lab or an agent that does not work. */
export class ConformanceError extends MargayError {}

/** Runs the suite and removes its lab. Rejects when the lab or an agent does not work. */
export async function runSuite(suite: Suite, options: ConformanceOptions): Promise<SuiteResult> {
  const responder = new Responder();
  try {
    const topology = suiteTopology(suite, options);
    const lab = await Lab.up(topology, { ...options, servers: false, waitForBgp: false });
    for (const { name, networkNamespace, ports } of lab.plan.workloads) {
      await responder.serve({ name, namespace: networkNamespace, ports });
    }
    const runner = new SuiteRunner(lab, suite, options);
    const cases: CaseResult[] = [];
    for (const [index, test] of suite.cases.entries()) {
      if (options.only !== undefined && !options.only.test(test.name)) continue;
      if (options.signal?.aborted === true) throw new ConformanceError('lab.interrupted', 'interrupted');
      try {
        const result = await runner.run(test);
        cases.push(result);
        options.report?.(result);
      } catch (cause) {
        throw new ConformanceError(
          'lab.conformance',
          `case ${index + 1} (${test.name}) could not be judged`,
          {
            cause,
          },
        );
      }
    }
    const { families, nodes, selfTest } = options;
    return { suite: suite.name, families, nodes, selfTest, cases };
  } finally {
    responder.close();
    // Also what a lab that did not come up has left.
    if (Lab.exists(options.labName, options)) await Lab.find(options.labName, options).down();
  }
}

/** A lab for the suite's pods: hosts on one wire, static routes, the embedded datastore. */
export function suiteTopology(suite: Suite, options: ConformanceOptions): Topology {
  const { families, nodes, labName } = options;
  const host = (node: number): string => `n${((node - 1) % nodes) + 1}`;
  return {
    name: labName,
    datastore: 'directory',
    bgp: false,
    asNumber: 64512,
    mesh: false,
    pools: families.map((family) => ({ ...POOLS[family], natOutgoing: false })),
    segments: { wire: { subnets: families.map((family) => SUBNETS[family]) } },
    hosts: Object.fromEntries(
      Array.from({ length: nodes }, (_, index) => [
        host(index + 1),
        { segments: ['wire'], addresses: {}, labels: {} },
      ]),
    ),
    routers: {},
    clients: {},
    namespaces: Object.fromEntries(
      Object.entries(suite.namespaces).map(([name, labels]) => [name, { labels: { ...labels } }]),
    ),
    workloads: Object.fromEntries(
      suite.pods.map((pod, index) => {
        const ips = pod.ips?.filter((address) => families.includes(familyOf(address)));
        return [
          pod.name,
          {
            host: host(pod.node ?? index + 1),
            labels: { ...pod.labels },
            serviceAccount: pod.serviceAccount,
            ports: [...pod.ports],
            ...(ips === undefined ? {} : { ips }),
          },
        ];
      }),
    ),
    resources: [],
  };
}

class SuiteRunner {
  constructor(
    private readonly lab: Lab,
    private readonly suite: Suite,
    private readonly options: ConformanceOptions,
  ) {}

  async run(test: SuiteCase): Promise<CaseResult> {
    const { name } = test;
    if (test.skip !== undefined) {
      return { name, outcome: 'skipped', reason: test.skip, checks: [], enforcement: [] };
    }
    const { families } = this.options;
    const checks: CheckResult[] = [];
    const enforcement: number[] = [];
    try {
      const named = addressedPods(test).map((pod) => this.lab.endpoint(pod));
      // A case that names addresses is another case in each family, and none where a pod has no address.
      const rounds =
        named.length === 0
          ? [families]
          : families
              .filter((family) =>
                named.every(({ addresses }) => addresses.some((one) => familyOf(one) === family)),
              )
              .map((family) => [family]);
      if (rounds.length === 0) {
        const reason = 'the pods whose addresses it names have none of a family that is probed';
        return { name, outcome: 'skipped', reason, checks, enforcement };
      }
      for (const round of rounds) {
        const steps = substitute(test.steps, round[0]!, (pod, family) => this.lab.address(pod, family));
        await this.runSteps(name, revive(steps, test.steps), round, checks, enforcement);
      }
    } catch (error) {
      // A resource that is refused and a pod that does not exist are the case's fault; everything else is the lab's.
      const own = error instanceof ConfigError && error.code === 'lab.no-endpoint';
      if (!(error instanceof ValidationError) && !own) throw error;
      return { name, outcome: 'failed', reason: describeError(error), checks, enforcement };
    }
    if (checks.length === 0 && test.steps.some(({ probes }) => probes.length > 0)) {
      const reason = 'all that it probes is of a family that is not probed';
      return { name, outcome: 'skipped', reason, checks, enforcement };
    }
    const failed = checks.some(({ wrong }) => wrong.length > 0);
    const reason = failed ? await this.agentProblems() : undefined;
    return {
      name,
      outcome: failed ? 'failed' : 'passed',
      ...(reason === undefined ? {} : { reason }),
      checks,
      enforcement,
    };
  }

  private async runSteps(
    test: string,
    steps: readonly SuiteStep[],
    families: readonly Family[],
    checks: CheckResult[],
    enforcement: number[],
  ): Promise<void> {
    const undo = new Undo(this.lab, this.suite);
    try {
      for (const [index, step] of steps.entries()) {
        const revision = await this.change(step, undo);
        const written = performance.now();
        if (revision !== undefined) {
          if (this.options.disturbance !== undefined) await disturb(this.lab, this.options.disturbance);
          await this.lab.waitInForce(revision, IN_FORCE);
          enforcement.push(performance.now() - written);
        }
        for (const set of step.probes) {
          const probes = (): Promise<readonly PairResult[]> => this.probe(set, families);
          const context = { lab: this.lab, test, step: index + 1, set, families };
          const results = await (this.options.around?.(context, probes) ?? probes());
          for (const family of families.filter((one) => hasFamily(set.service, one))) {
            checks.push(
              judge(
                index + 1,
                family,
                set,
                results.filter((result) => result.family === family),
              ),
            );
          }
        }
      }
    } finally {
      // The wait of the next case's first step covers this too, but that case may change nothing.
      const revision = await undo.all();
      if (revision !== undefined) await this.lab.waitInForce(revision, IN_FORCE);
    }
  }

  /** Writes what a step changes; the newest revision, or undefined if it changes nothing. */
  private async change(step: SuiteStep, undo: Undo): Promise<number | undefined> {
    const revisions: (number | undefined)[] = [];
    for (const reference of step.remove) revisions.push(await undo.remove(reference));
    for (const { kind, name, labels, add } of step.labels) {
      const before = undo.labels(kind, name);
      revisions.push(await undo.relabel(kind, name, add ? { ...before, ...labels } : labels));
    }
    for (const document of step.apply.flatMap(listed)) {
      const decoded = decodeEntry(document, { defaultNamespace: 'default' });
      if (decoded.faults !== undefined) throw new ValidationError(decoded.faults);
      if (this.options.selfTest && decoded.resource.kind.endsWith('NetworkPolicy')) continue;
      revisions.push(await undo.write(decoded.resource));
    }
    const known = revisions.filter((revision) => revision !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  }

  private probe(set: ProbeSet, families: readonly Family[]): Promise<PairResult[]> {
    const endpoints = set.pods.map((name) => this.lab.endpoint(name));
    const { service, open } = set;
    const timeout = (source: string, destination: string): number =>
      open.get(source)?.has(destination) === true ? ANSWER : SILENCE;
    return probePairs(endpoints, endpoints, { service, families, timeout });
  }

  /** What agents complain about, which often says why a probe was not as expected. */
  private async agentProblems(): Promise<string | undefined> {
    const problems: string[] = [];
    for (const node of this.lab.nodes) {
      const { datastore, dataplane } = await this.lab.agentStatus(node);
      problems.push(
        ...datastore.invalid.map(({ resource, error }) => `${node}: ${resource}: ${error}`),
        ...dataplane.problems.map((problem) => `${node}: ${problem}`),
      );
    }
    return problems.length === 0 ? undefined : problems.join('\n');
  }
}

/** The items of a `List`; any other document is one. */
function listed(document: unknown): unknown[] {
  const { kind, items } = document as Readonly<Record<string, unknown>>;
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) ? items : [document];
}

/** JSON has no maps and sets: the probes, which hold no placeholders, are taken from the original. */
function revive(steps: readonly SuiteStep[], original: readonly SuiteStep[]): SuiteStep[] {
  return steps.map((step, index) => ({ ...step, probes: original[index]!.probes }));
}
