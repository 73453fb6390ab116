/** Flags of commands that answer from resources alone: of a datastore, or of files with no cluster. */
import type { Command } from 'commander';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';
import type { Inventory } from '../inventory.ts';
import type { Outcome } from '../outcome.ts';

export interface InventoryFlags {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly namespace: string;
}

export function addInventoryFlags(command: Command): Command {
  return command
    .option(
      '-f, --filename <file>',
      'resources of this file or directory instead of the datastore; may be repeated',
      collect,
    )
    .option('-R, --recursive', 'descend into directories')
    .option('-n, --namespace <namespace>', 'namespace of pods that state none', DEFAULT_NAMESPACE);
}

/** Every use of an option; a list behind one would swallow the arguments. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** What flags say about reading files. */
export function sourceOptions(flags: InventoryFlags) {
  return { recursive: flags.recursive === true, namespace: flags.namespace, skipEmpty: false };
}

/** Has a question answered; whatever hinders an answer ends with exit code 2, being neither yes nor no. */
export async function answerFrom(
  context: CtlContext,
  flags: InventoryFlags,
  work: (inventory: Inventory) => Outcome,
): Promise<void> {
  context.exitCode = 2;
  const { inventoryOf, readResources } = await import('../inventory.ts');
  const finish = (outcome: Outcome): undefined => {
    context.exitCode = 0;
    context.report(outcome);
  };
  if (flags.filename === undefined) {
    await context.withDatastore(async (datastore) => finish(work(await inventoryOf(datastore))));
    return;
  }
  const { readSources } = await import('../files.ts');
  const resources = readResources(readSources(flags.filename, sourceOptions(flags)));
  finish(work({ resources, revision: undefined, problems: [] }));
}
