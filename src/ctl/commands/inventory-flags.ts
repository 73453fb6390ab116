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
  work: (inventory: Inventory) => Outcome | Promise<Outcome>,
): Promise<void> {
  await answerAfter(context, async () => work(await inventoryFrom(context, flags)));
}

/** Has a question about two states answered. */
export async function answerFromBoth(
  context: CtlContext,
  before: InventoryFlags,
  after: InventoryFlags,
  work: (before: Inventory, after: Inventory) => Outcome,
): Promise<void> {
  await answerAfter(context, async () =>
    work(await inventoryFrom(context, before), await inventoryFrom(context, after)),
  );
}

async function answerAfter(context: CtlContext, work: () => Promise<Outcome>): Promise<void> {
  context.exitCode = 2;
  const outcome = await work();
  context.exitCode = 0;
  context.report(outcome);
}

async function inventoryFrom(context: CtlContext, flags: InventoryFlags): Promise<Inventory> {
  const { inventoryOf, readResources } = await import('../inventory.ts');
  if (flags.filename === undefined) {
    let inventory: Inventory | undefined;
    await context.withDatastore(async (datastore) => void (inventory = await inventoryOf(datastore)));
    return inventory!;
  }
  const { readSources } = await import('../files.ts');
  const resources = readResources(readSources(flags.filename, sourceOptions(flags)));
  return { resources, revision: undefined, problems: [] };
}
