/** Runs margayctl command lines in this process on a directory datastore of their own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommanderError } from 'commander';
import { describeError } from '../../../src/base/errors.ts';
import { runCtl } from '../../../src/ctl/program.ts';

export interface CtlResult {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

export class CtlFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'margay-ctl-'));
  /** The directory datastore's folder. */
  readonly datastore = this.folderOf('datastore');
  private readonly environment: NodeJS.ProcessEnv = {
    DATASTORE_TYPE: 'directory',
    DATASTORE_PATH: this.datastore,
  };

  folderOf(name: string): string {
    return mkdtempSync(join(this.folder, `${name}-`));
  }

  /** Writes a file and gives its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** As the entry of margayctl runs a command line. `{}` in a word stands for the fixture's folder. */
  async run(
    args: readonly string[],
    more: {
      readonly variables?: NodeJS.ProcessEnv;
      readonly terminal?: boolean;
      readonly signal?: AbortSignal;
      readonly onWrite?: (text: string) => void;
    } = {},
  ): Promise<CtlResult> {
    let output = '';
    let errors = '';
    const environment = {
      variables: { ...this.environment, ...more.variables },
      terminal: more.terminal === true,
      ...(more.signal === undefined ? {} : { signal: more.signal }),
      write: (text: string) => {
        output += text;
        more.onWrite?.(text);
      },
      writeError: (text: string) => {
        errors += text;
      },
    };
    const words = args.map((word) => word.replaceAll('{}', this.folder));
    try {
      const code = await runCtl(words, environment);
      return { code, output, errors };
    } catch (error) {
      if (error instanceof CommanderError) return { code: error.exitCode, output, errors };
      return { code: 1, output, errors: `${errors}${describeError(error)}\n` };
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
