/** A running lab: bring it up or open it, look at it, change it, take it down. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { ConfigError } from '../base/errors.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { spawnIn } from '../sys/process.ts';
import { buildLab } from './build.ts';
import { LabClient, waitInForce } from './client.ts';
import { LabContext, type LabSettings } from './context.ts';
import {
  SERVERS,
  agentInSync,
  agentRunning,
  agentStatus,
  clientEnvironment,
  reloadServers,
  startAgent,
} from './daemons.ts';
import { type LabPlan, type WorkloadPlan, machineOf } from './plan.ts';
import { planLab } from './plan-lab.ts';
import { type WorkloadRequest, planWorkload } from './plan-workloads.ts';
import { endProcesses, isRunning, signalProcess } from './processes.ts';
import { ownProgram } from './program.ts';
import { silentProgress } from './progress.ts';
import { endpointName, endpointResource, namespaceResource, workloadResources } from './resources.ts';
import { LAB_DIRECTORY, LabDirectory, withLabLock } from './state.ts';
import type { Topology } from './topology.ts';
import { waitUntil } from './wait.ts';
import { attachWorkload, detachWorkload, namespaceInode } from './wiring.ts';

export interface LabOptions extends Partial<LabSettings> {
  /** Parent of the lab's directory; {@link LAB_DIRECTORY} when left out. */
  readonly runDirectory?: string;
}

export interface UpOptions extends LabOptions {
  /** Whether a process answers for the workloads; the conformance runner does it itself. On when left out. */
  readonly servers?: boolean;
  /** Whether to wait until every BGP session is established. On when left out. */
  readonly waitForBgp?: boolean;
}

/** A place in a lab that packets come from and go to: a workload, a host, a client, a router. */
export interface LabEndpoint {
  /** `NAMESPACE/POD` or the name of a machine. */
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly Address[];
}

export interface DownResult {
  readonly namespaces: number;
  readonly processes: number;
  /** Namespaces that now belong to somebody else, and were left alone. */
  readonly refused: readonly string[];
}

/** Milliseconds that an agent may take to bring a change into force. */
const IN_FORCE = 10_000;
/** Milliseconds until a killed agent must be gone. */
const KILL = 5_000;

function resolveSettings(options: LabOptions): LabSettings {
  return {
    program: options.program ?? ownProgram(),
    agentLogLevel: options.agentLogLevel ?? 'info',
    agentOptions: options.agentOptions ?? [],
    progress: options.progress ?? silentProgress,
  };
}

export class Lab {
  private client: LabClient | undefined;

  private constructor(private readonly context: LabContext) {}

  /**
   * Brings a lab up, or repairs one that is up: what is there and right is not touched. Rejects with a ConfigError
   * when another topology of that name is up, or when a name it needs belongs to somebody else.
   */
  static async up(topology: Topology, options: UpOptions = {}): Promise<Lab> {
    const directory = new LabDirectory(topology.name, options.runDirectory ?? LAB_DIRECTORY);
    return withLabLock(directory, async () => {
      const planned = planLab(topology);
      const existing = directory.read();
      if (existing !== undefined && infrastructure(existing.plan) !== infrastructure(planned)) {
        throw new ConfigError('lab.other-topology', `a lab ${topology.name} of another topology is up`, {
          fix: `take it down first: margay lab down ${topology.name}`,
        });
      }
      const state = existing ?? { version: 1, plan: planned, namespaces: {}, processes: {} };
      state.plan = { ...planned, workloads: merged(planned, state.plan) };
      mkdirSync(directory.path, { recursive: true, mode: 0o755 });
      const context = new LabContext(directory, state, resolveSettings(options));
      context.save();
      const lab = new Lab(context);
      try {
        await buildLab(context, () => lab.open(), {
          servers: options.servers ?? true,
          waitForBgp: options.waitForBgp ?? true,
        });
      } catch (error) {
        await lab.close();
        throw error;
      }
      return lab;
    });
  }

  /** Whether anything of a lab of that name is there. */
  static exists(name: string, options: Pick<LabOptions, 'runDirectory'> = {}): boolean {
    return new LabDirectory(name, options.runDirectory ?? LAB_DIRECTORY).exists();
  }

  /** Opens a lab that is up. Throws a ConfigError if there is none of that name. */
  static find(name: string, options: LabOptions = {}): Lab {
    const directory = new LabDirectory(name, options.runDirectory ?? LAB_DIRECTORY);
    const state = directory.read();
    if (state === undefined) {
      throw new ConfigError('lab.not-up', `no lab ${name} is up`, {
        fix: 'bring it up: margay lab up FILE',
      });
    }
    return new Lab(new LabContext(directory, state, resolveSettings(options)));
  }

  get name(): string {
    return this.context.plan.name;
  }

  get plan(): LabPlan {
    return this.context.plan;
  }

  /** Where its files, sockets and logs are. */
  get path(): string {
    return this.context.directory.path;
  }

  /** The names of the machines that run an agent. */
  get nodes(): string[] {
    return this.plan.machines.filter(({ node }) => node !== undefined).map(({ name }) => name);
  }

  /** The lab's datastore; opened at the first call, closed by {@link close}. */
  async open(): Promise<LabClient> {
    this.client ??= await LabClient.open(this.context);
    return this.client;
  }

  /** Lets go of the lab, which stays up. */
  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.close();
  }

  /** Takes the lab down: processes, namespaces with all that is in them, files. What is not its own it leaves. */
  async down(): Promise<DownResult> {
    await this.close();
    const { context } = this;
    const { progress } = context.settings;
    return withLabLock(context.directory, async () => {
      const running = Object.values(context.state.processes).filter(isRunning);
      await progress.step(
        'processes',
        () => endProcesses(running),
        () => `${running.length} ended`,
      );
      const names = Object.keys(context.state.namespaces);
      const refused = await progress.step(
        'network namespaces',
        () => context.removeNamespaces(names),
        (left) => `${names.length - left.length} removed`,
      );
      context.directory.remove();
      return { namespaces: names.length - refused.length, processes: running.length, refused };
    });
  }

  /** A workload, host, router or client by name. Throws a ConfigError if there is none. */
  endpoint(name: string): LabEndpoint {
    const workload = this.plan.workloads.find((candidate) => candidate.name === name);
    if (workload !== undefined) {
      return { name, namespace: workload.networkNamespace, addresses: workload.addresses };
    }
    const machine = this.plan.machines.find((candidate) => candidate.name === name);
    if (machine === undefined) {
      const known = [...this.plan.machines, ...this.plan.workloads].map((candidate) => candidate.name);
      throw new ConfigError('lab.no-endpoint', `the lab has no ${name}`, {
        fix: `use one of ${known.join(', ')}`,
      });
    }
    const planned = machine.interfaces.flatMap((wire) => wire.addresses);
    return { name, namespace: machine.namespace, addresses: planned.map(({ address }) => address) };
  }

  /** The first address of a family. Throws a ConfigError if it has none. */
  address(name: string, family: Family): Address {
    const address = this.endpoint(name).addresses.find((candidate) => familyOf(candidate) === family);
    if (address !== undefined) return address;
    throw new ConfigError('lab.no-address', `${name} has no IPv${family} address`);
  }

  /**
   * Runs a program in a machine or workload, with the environment in which clients find the datastore and agents.
   * The caller awaits the child.
   */
  execute(name: string, command: readonly string[], stdio: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
    const [program, ...args] = command;
    return spawnIn(program!, args, {
      namespace: this.endpoint(name).namespace,
      stdio,
      env: { ...process.env, ...clientEnvironment(this.plan, this.context.directory), NODENAME: name },
    });
  }

  /** What an agent says of itself. Rejects with a LocalApiUnreachableError while it does not answer. */
  async agentStatus(node: string): Promise<AgentStatus> {
    return agentStatus(this.context.directory, node);
  }

  /** The local socket of an agent. */
  agentSocket(node: string): string {
    return this.context.directory.file(`${node}.sock`);
  }

  /** The process id of an agent, or undefined if it does not run. */
  agentPid(node: string): number | undefined {
    const record = this.context.daemon(machineOf(this.plan, node).name);
    return isRunning(record) ? record.pid : undefined;
  }

  /** Signals an agent and waits until it is gone: SIGKILL is a crash, SIGTERM an orderly stop. */
  async stopAgent(node: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const record = this.context.daemon(node);
    signalProcess(record, signal);
    if (!(await waitUntil(() => !isRunning(record), KILL))) {
      throw new ConfigError('lab.agent-stays', `the agent of ${node} does not end on ${signal}`, {
        fix: `read ${record.log}`,
      });
    }
  }

  /** Starts an agent that does not run and waits until it is in sync, or only until it answers. */
  async startAgent(node: string, until: 'in-sync' | 'running' = 'in-sync'): Promise<void> {
    await startAgent(this.context, machineOf(this.plan, node));
    await (until === 'in-sync' ? agentInSync : agentRunning)(this.context, node);
  }

  /** Waits until the agents (all when left out) have everything up to `revision` in force. */
  async waitInForce(
    revision: number,
    timeout = IN_FORCE,
    nodes: readonly string[] = this.nodes,
  ): Promise<void> {
    await waitInForce(this.context, nodes, revision, timeout);
  }

  /** Adds a workload, as an orchestrator and its CNI plugin would. Returns it and the revision that made it known. */
  async addWorkload(request: WorkloadRequest): Promise<{ workload: WorkloadPlan; revision: number }> {
    const workload = planWorkload(this.plan, request);
    const others = this.plan.workloads.filter(({ name }) => name !== workload.name);
    await this.context.ensureNamespace(workload.networkNamespace);
    this.context.state.plan = { ...this.plan, workloads: [...others, workload] };
    this.context.save();
    await attachWorkload(workload, machineOf(this.plan, workload.host).namespace);
    const client = await this.open();
    let revision = 0;
    for (const resource of workloadResources(workload)) revision = await client.write(resource);
    await this.reloadServers();
    return { workload, revision };
  }

  /** Removes a workload and everything of it. Returns the revision, undefined if its endpoint was gone already. */
  async removeWorkload(name: string): Promise<number | undefined> {
    const workload = this.workload(name);
    const client = await this.open();
    const { namespace } = workload;
    const key = { kind: 'WorkloadEndpoint', namespace, name: endpointName(workload) };
    const revision = await client.remove(key);
    await detachWorkload(workload, machineOf(this.plan, workload.host).namespace);
    this.context.state.plan = {
      ...this.plan,
      workloads: this.plan.workloads.filter((candidate) => candidate !== workload),
    };
    this.context.save();
    await this.reloadServers();
    await this.context.removeNamespaces([workload.networkNamespace]);
    return revision;
  }

  /** Gives a workload a new set of labels. Returns the revision that did it. */
  async setWorkloadLabels(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
    const before = this.workload(name);
    const workload = { ...before, labels };
    const workloads = this.plan.workloads.map((other) => (other === before ? workload : other));
    this.context.state.plan = { ...this.plan, workloads };
    this.context.save();
    return (await this.open()).write(endpointResource(workload));
  }

  /** Gives a namespace a new set of labels (made if it is new). Returns the revision that did it. */
  async setNamespaceLabels(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
    const namespaces = { ...this.plan.namespaces, [name]: { labels: { ...labels } } };
    this.context.state.plan = { ...this.plan, namespaces };
    this.context.save();
    return (await this.open()).write(namespaceResource(name, labels));
  }

  /** What of the lab is there and runs. */
  inventory(): { namespaces: Record<string, boolean>; processes: Record<string, number | undefined> } {
    const { state } = this.context;
    return {
      namespaces: Object.fromEntries(
        Object.entries(state.namespaces).map(([name, inode]) => [name, namespaceInode(name) === inode]),
      ),
      processes: Object.fromEntries(
        Object.values(state.processes).map((record) => [
          record.name,
          this.context.isUp(record) ? record.pid : undefined,
        ]),
      ),
    };
  }

  private workload(name: string): WorkloadPlan {
    const workload = this.plan.workloads.find((candidate) => candidate.name === name);
    if (workload !== undefined) return workload;
    throw new ConfigError('lab.no-workload', `the lab has no workload ${name}`, {
      fix: `use one of ${this.plan.workloads.map((candidate) => candidate.name).join(', ')}`,
    });
  }

  private async reloadServers(): Promise<void> {
    if (this.context.state.processes[SERVERS] !== undefined) await reloadServers(this.context);
  }
}

/** The part of a plan that cannot change while a lab is up. */
function infrastructure(plan: LabPlan): string {
  return JSON.stringify({ ...plan, workloads: [], namespaces: {}, resources: [] });
}

/** The workloads of a topology, and those that were added to the lab since. */
function merged(planned: LabPlan, current: LabPlan): WorkloadPlan[] {
  const names = new Set(planned.workloads.map(({ name }) => name));
  return [...planned.workloads, ...current.workloads.filter(({ name }) => !names.has(name))];
}
