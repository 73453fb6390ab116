/** How to start our own program again: for agents and for the servers of workloads. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ConfigError } from '../base/errors.ts';

/**
 * The command line of the program that runs now. Throws a ConfigError when that is another, such as a test runner,
 * which has to say what to run.
 */
export function ownProgram(): readonly string[] {
  const entry = process.argv[1];
  if (entry !== undefined && /^margay(\.cjs|\.ts)?$/.test(basename(entry)) && existsSync(entry)) {
    return [process.execPath, ...process.execArgv, entry];
  }
  throw new ConfigError('lab.program', 'it is not known how to start the agents of the lab', {
    fix: 'give the command line of margay as `program`',
  });
}
