/** What every command of margayctl shares: the environment, the datastore, the exit code. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError } from '../base/errors.ts';
import type { DatastoreConfig } from '../datastore/config.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { Outcome } from './outcome.ts';

/** Where output goes, and what surrounds a run; tests give their own. */
export interface CtlEnvironment {
  readonly variables: NodeJS.ProcessEnv;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Standard output is a terminal: colour is wanted then, unless NO_COLOR is set. */
  readonly terminal?: boolean;
  /** Standard error is a terminal: progress is wanted then. */
  readonly errorTerminal?: boolean;
  /** Ends commands that run until they are told to stop (`get -w`). */
  readonly signal?: AbortSignal;
}

export interface GlobalFlags {
  readonly datastore?: string;
  readonly config?: string;
  readonly allowVersionMismatch?: boolean;
}

export const DEFAULT_NAMESPACE = 'default';

export class CtlContext {
  exitCode = 0;

  constructor(
    readonly environment: CtlEnvironment,
    readonly program: Command,
  ) {}

  /** Opens the datastore that flags and environment name, checks the version, and closes it afterwards. */
  async withDatastore(
    work: (datastore: Datastore, config: DatastoreConfig) => Promise<Outcome | undefined>,
  ): Promise<void> {
    const flags = this.program.opts<GlobalFlags>();
    await this.withDatastoreAt(flags.datastore, async (datastore, config) => {
      if (flags.allowVersionMismatch !== true) {
        const { requireSameVersion } = await import('./version-guard.ts');
        await requireSameVersion(datastore);
      }
      const outcome = await work(datastore, config);
      if (outcome !== undefined) this.report(outcome);
    });
  }

  /**
   * Opens the datastore at a URL, or the one of the environment when that is undefined. A directory must exist: a
   * mistyped path would look like an empty datastore. Only what fills one may `create` it, or rehearse on an `empty` one.
   */
  async withDatastoreAt(
    url: string | undefined,
    work: (datastore: Datastore, config: DatastoreConfig) => Promise<void>,
    options: { readonly missing?: 'create' | 'empty' } = {},
  ): Promise<void> {
    const [{ datastoreConfig }, { openDatastore }] = await Promise.all([
      import('../datastore/config.ts'),
      import('../datastore/open.ts'),
    ]);
    const config = datastoreConfig({
      datastore: url,
      configFile: this.program.opts<GlobalFlags>().config,
      environment: this.environment.variables,
    });
    const missing = config.type === 'directory' && !existsSync(config.path);
    if (missing && options.missing === undefined) {
      throw new ConfigError('ctl.datastore', `there is no datastore in ${config.path}`, {
        fix: 'start the agent once, create the directory, or name another datastore with --datastore or DATASTORE_TYPE',
      });
    }
    const empty = missing && options.missing === 'empty';
    const datastore = await openDatastore(empty ? { type: 'memory' } : config);
    try {
      await work(datastore, config);
    } finally {
      await datastore.close();
    }
  }

  report(outcome: Outcome): void {
    if (outcome.output !== '') this.environment.write(outcome.output);
    if (outcome.errors !== '') this.environment.writeError(outcome.errors);
    this.exitCode = Math.max(this.exitCode, outcome.exitCode);
  }

  /** Whether standard output takes colours (https://no-color.org). */
  get colour(): boolean {
    const { NO_COLOR: noColour } = this.environment.variables;
    return this.environment.terminal === true && (noColour === undefined || noColour === '');
  }
}
