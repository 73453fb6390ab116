/** One lab under change: its files, its state, and the two kinds of things it makes, namespaces and daemons. */
import { ConfigError } from '../base/errors.ts';
import { createNamespace, deleteNamespace } from '../sys/netns.ts';
import type { LabPlan } from './plan.ts';
import {
  type DaemonOptions,
  endProcesses,
  isRunning,
  processesInNamespaces,
  startDaemon,
} from './processes.ts';
import type { Progress } from './progress.ts';
import type { LabDirectory, LabState, ProcessRecord } from './state.ts';
import { namespaceInode, prepareNamespace } from './wiring.ts';

export interface LabSettings {
  /** How to run our own program: `[node, …, margay.cjs]`. */
  readonly program: readonly string[];
  readonly agentLogLevel: string;
  /** Further options of every agent, such as `--no-table-ownership`. */
  readonly agentOptions: readonly string[];
  readonly progress: Progress;
}

export class LabContext {
  constructor(
    readonly directory: LabDirectory,
    readonly state: LabState,
    readonly settings: LabSettings,
  ) {}

  get plan(): LabPlan {
    return this.state.plan;
  }

  save(): void {
    this.directory.write(this.state);
  }

  /** Makes a namespace of the lab if it is not there. Throws a ConfigError if the name is taken by a stranger. */
  async ensureNamespace(name: string): Promise<void> {
    const inode = namespaceInode(name);
    const recorded = this.state.namespaces[name];
    if (inode !== undefined && recorded !== 0 && recorded !== inode) {
      throw new ConfigError('lab.foreign-namespace', `network namespace ${name} exists but no lab made it`, {
        fix: `remove it (ip netns delete ${name}), or give the lab another name`,
      });
    }
    if (inode === undefined) {
      this.state.namespaces[name] = 0;
      this.save();
      createNamespace(name);
    }
    await prepareNamespace(name);
    const made = namespaceInode(name)!;
    if (recorded === made) return;
    this.state.namespaces[name] = made;
    this.save();
  }

  /**
   * Removes a namespace that the lab made, after ending what still runs in it. Returns false, and touches nothing, if
   * the name now belongs to somebody else.
   */
  async removeNamespaces(names: readonly string[]): Promise<string[]> {
    const refused: string[] = [];
    const own = names.filter((name) => {
      const inode = namespaceInode(name);
      const recorded = this.state.namespaces[name];
      const foreign = inode !== undefined && recorded !== 0 && inode !== recorded;
      if (foreign) refused.push(name);
      return inode !== undefined && !foreign && recorded !== undefined;
    });
    const inodes = new Set(own.map((name) => namespaceInode(name)!));
    await endProcesses(processesInNamespaces(inodes));
    for (const name of own) deleteNamespace(name);
    for (const name of names) delete this.state.namespaces[name];
    this.save();
    return refused;
  }

  /** Whether a daemon runs, in the namespace that is now in force. */
  isUp(record: ProcessRecord): boolean {
    const moved =
      record.namespace !== undefined && namespaceInode(record.namespace) !== record.namespaceInode;
    return !moved && isRunning(record);
  }

  /** Starts a daemon unless it runs; tells whether it did. */
  async ensureDaemon(options: Omit<DaemonOptions, 'log' | 'workingDirectory'>): Promise<boolean> {
    const recorded = this.state.processes[options.name];
    if (recorded !== undefined && this.isUp(recorded)) return false;
    if (recorded !== undefined) await endProcesses([recorded]);
    const log = this.directory.file(`${options.name}.log`);
    const identity = await startDaemon({ ...options, log, workingDirectory: this.directory.path });
    const { namespace } = options;
    this.state.processes[options.name] = {
      ...identity,
      name: options.name,
      command: options.command,
      log,
      ...(namespace === undefined ? {} : { namespace, namespaceInode: namespaceInode(namespace)! }),
    };
    this.save();
    return true;
  }

  /** The record of a daemon. Throws a ConfigError if the lab has none of that name. */
  daemon(name: string): ProcessRecord {
    const record = this.state.processes[name];
    if (record !== undefined) return record;
    throw new ConfigError('lab.no-process', `the lab has no process ${name}`, {
      fix: `use one of ${Object.keys(this.state.processes).join(', ')}`,
    });
  }
}
