/** Operations of ours as what `nft -j -f` reads, so that nft does the very same thing. */
import type { Operation } from '../../src/nftables/kernel.ts';
import { toJson } from '../../src/nftables/ruleset.ts';

type Json = { readonly [key: string]: unknown };

const TABLE = 'margay';
const PLACE = { family: 'inet', table: TABLE };

/** One command object for each operation. Throws for operations that no bench's delta has. */
export function nftDelta(operations: readonly Operation[]): string {
  return JSON.stringify({ nftables: operations.map(command) });
}

function command(operation: Operation): Json {
  switch (operation.kind) {
    case 'add-chain':
      return only({ chains: [{ ...operation.chain, rules: [] }], sets: [] }, 'chain');
    case 'add-rule': {
      if (operation.before !== undefined) throw new Error('nft is asked to append only');
      return only({ chains: [{ name: operation.chain, rules: [operation.rule] }], sets: [] }, 'rule');
    }
    case 'add-set':
      return only(
        { chains: [], sets: [{ ...operation.set, elements: [] }] },
        operation.set.verdicts ? 'map' : 'set',
      );
    case 'add-elements':
      return only({ chains: [], sets: [{ ...operation.set, elements: operation.elements }] }, 'element');
    case 'delete-elements': {
      const { element } = only(
        { chains: [], sets: [{ ...operation.set, elements: operation.elements }] },
        'element',
      )['add'] as Json;
      return { delete: { element } };
    }
    case 'flush-chain':
      return { flush: { chain: { ...PLACE, name: operation.chain } } };
    case 'delete-chain':
      return { delete: { chain: { ...PLACE, name: operation.chain } } };
    case 'delete-rule':
      return { delete: { rule: { ...PLACE, chain: operation.chain, handle: operation.handle } } };
    case 'delete-set':
      return { delete: { set: { ...PLACE, name: operation.set } } };
    case 'add-table':
    case 'delete-table':
      throw new Error(`${operation.kind} is no delta`);
    default:
      return operation satisfies never;
  }
}

/** The one object of a kind among the commands for a piece of a table. */
function only(piece: Omit<Parameters<typeof toJson>[0], 'table'>, kind: string): Json {
  const { nftables } = toJson({ table: TABLE, ...piece });
  const found = (nftables as unknown as { add: Json }[]).find(({ add }) => kind in add);
  if (found === undefined) throw new Error(`no ${kind} in ${JSON.stringify(nftables)}`);
  return found;
}
