/** Namespaces, a second opinion (nft) and a table opened for a test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { ForeignChange, NftablesKernel } from '../../src/nftables/kernel.ts';
import { openNftables } from '../../src/nftables/linux.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';

let sequence = 0;
const cleanups: (() => void)[] = [];

afterEach(() => {
  while (cleanups.length > 0) cleanups.pop()!();
});

/** An empty namespace that the test's end removes. */
export function testNamespace(): string {
  const name = `margay-nft-${process.pid}-${sequence++}`;
  createNamespace(name);
  cleanups.push(() => deleteNamespace(name));
  return name;
}

export interface TestKernel {
  readonly kernel: NftablesKernel;
  readonly foreignChanges: ForeignChange[];
}

export function openTable(
  namespace: string,
  ownership: 'when-possible' | 'never' = 'when-possible',
): TestKernel {
  const foreignChanges: ForeignChange[] = [];
  const kernel = openNftables({
    table: 'margay',
    namespace,
    ownership,
    events: { foreignChange: (change) => foreignChanges.push(change), closed: () => undefined },
  });
  cleanups.push(() => kernel.close());
  return { kernel, foreignChanges };
}

export function nft(namespace: string, args: readonly string[]): Promise<string> {
  return runChecked('nft', args, { namespace });
}

/** Feeds nft a file: it opens /dev/stdin by name, which a socket (what Node gives a child) refuses. */
export async function nftFile(namespace: string, args: readonly string[], content: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'margay-nft-'));
  try {
    const file = join(folder, 'ruleset');
    writeFileSync(file, content);
    return await nft(namespace, [...args, '-f', file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean, milliseconds = 5000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition never held');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

type Json = { readonly [key: string]: unknown };

/** The table as `nft -j list` prints it, without what differs by design: handles, the order of objects, and comments of sets and chains, which nft 1.0.6 prints as JSON but does not read. */
export async function listTable(namespace: string): Promise<Json[]> {
  const text = await nft(namespace, ['-j', 'list', 'table', 'inet', 'margay']);
  const { nftables } = JSON.parse(text) as { nftables: Json[] };
  const objects = nftables.filter((object) => !('metainfo' in object)).map(stripObject);
  const isRule = (object: Json): boolean => 'rule' in object;
  const sorted = objects
    .filter((object) => !isRule(object))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const rules = objects.filter(isRule);
  const chainOf = (object: Json): string => (object['rule'] as { chain: string }).chain;
  return [
    ...sorted,
    ...rules.toSorted((a, b) => (chainOf(a) < chainOf(b) ? -1 : Number(chainOf(a) > chainOf(b)))),
  ];
}

function stripObject(object: Json): Json {
  const [[kind, value]] = Object.entries(object) as [[string, Json]];
  const { handle: _, flags, elem, comment, ...rest } = value;
  return {
    [kind]: {
      ...rest,
      ...(kind === 'rule' && comment !== undefined ? { comment } : {}),
      ...(kind === 'table' || flags === undefined ? {} : { flags }),
      ...(Array.isArray(elem)
        ? { elem: elem.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) as unknown[] }
        : {}),
    },
  };
}
