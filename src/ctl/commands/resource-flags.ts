/** Flags that several commands share. */
import { type Command, Option } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import type { ParsedResource } from '../../model/yaml.ts';
import { DEFAULT_NAMESPACE } from '../context.ts';
import type { DryRun } from '../modify.ts';

export interface FileFlags {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly namespace?: string;
  readonly skipEmpty?: boolean;
}

export function addFileFlags(command: Command): Command {
  return command
    .option('-f, --filename <file...>', 'file, directory or - for standard input; several may be given')
    .option('-R, --recursive', 'descend into directories')
    .option('--skip-empty', 'pass over files and directories that hold no resource')
    .option('-n, --namespace <namespace>', 'namespace of resources that state none', DEFAULT_NAMESPACE)
    .addOption(ignoredContext());
}

/** calicoctl's `--context` names a kubeconfig context; there is no Kubernetes datastore here. */
export function ignoredContext(): Option {
  return new Option(
    '--context <name>',
    'not applicable: there is no kubeconfig to take a context from',
  ).hideHelp();
}

export function dryRunOption(): Option {
  return new Option(
    '--dry-run <mode>',
    'write nothing: `client` checks the documents, `server` also what is stored',
  ).choices(['client', 'server'] satisfies DryRun[]);
}

/** `what`: what the command does to resources. */
export function strictOption(what: 'change' | 'delete'): Option {
  return new Option(
    '--strict',
    `${what} nothing that would cut your own SSH connection, the datastore or BGP`,
  );
}

/** The documents that `-f` names. Throws a ConfigError when it names none. */
export async function documentsOf(flags: FileFlags): Promise<ParsedResource[]> {
  if (flags.filename === undefined || flags.filename.length === 0) {
    throw new ConfigError('ctl.usage', 'no file is given', {
      fix: 'name one with -f FILE, or - for standard input',
    });
  }
  const { readSources } = await import('../files.ts');
  return readSources(flags.filename, {
    recursive: flags.recursive === true,
    namespace: flags.namespace ?? DEFAULT_NAMESPACE,
    skipEmpty: flags.skipEmpty === true,
  });
}
