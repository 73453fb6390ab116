/** Defects planted on purpose: what the fuzzer is worth is how soon it sees them. */
import { ATTRIBUTE_CODECS } from '../../src/bgp/wire/attribute.ts';
import { decodeMessage } from '../../src/bgp/wire/codec.ts';
import type { ReceivedUpdate } from '../../src/bgp/wire/message.ts';
import { type Parts, putTogether, takeApart } from './bgp-message.ts';
import type { Decode } from './bgp-trial.ts';
import type { Finding } from './bgp-fuzz.ts';

export interface Defect {
  readonly name: string;
  readonly kind: Finding['kind'];
  readonly make: () => Decode;
}

const meaning = (name: string, make: () => Decode): Defect => ({ name, kind: 'meaning', make });

/** The codec reads what `change` makes of an UPDATE. */
const before = (change: (parts: Parts) => Parts) => (): Decode => (message, wire) => {
  const parts = takeApart(message);
  return decodeMessage(parts === undefined ? message : putTogether(change(parts)), wire);
};

/** `change` makes something else of what the codec has read. */
const after = (change: (update: ReceivedUpdate) => ReturnType<Decode>) => (): Decode => (message, wire) => {
  const result = decodeMessage(message, wire);
  return result.type === 'update' ? change(result) : result;
};

const attributesOf = (message: Uint8Array): Parts['attributes'] => takeApart(message)?.attributes ?? [];

export const defects: readonly Defect[] = [
  {
    name: 'a COMMUNITIES with the extended length bit is an exception',
    kind: 'crash',
    make: () => (message, wire) => {
      if (attributesOf(message).some(({ code, flags }) => code === 8 && (flags & 0x10) !== 0)) {
        throw new TypeError('planted');
      }
      return decodeMessage(message, wire);
    },
  },
  {
    name: 'an empty segment of AS_PATH is read for ever',
    kind: 'hang',
    make: () => (message, wire) => {
      for (const { code, value } of attributesOf(message)) {
        let spins = 0;
        while (code === 2 && value.length >= 2 && value[1] === 0) spins++;
        if (spins > 0) break;
      }
      return decodeMessage(message, wire);
    },
  },
  {
    name: 'every message is kept for ever',
    kind: 'leak',
    make: () => {
      const kept: unknown[] = [];
      return (message, wire) => {
        const result = decodeMessage(message, wire);
        kept.push(result);
        return result;
      };
    },
  },
  meaning(
    'an ORIGIN that does not exist is IGP',
    before((parts) => ({
      ...parts,
      attributes: parts.attributes.map((attribute) =>
        attribute.code === 1 && attribute.value.length === 1 && attribute.value[0]! > 2
          ? { ...attribute, value: Uint8Array.of(0) }
          : attribute,
      ),
    })),
  ),
  meaning(
    'flags of attributes are not looked at',
    before((parts) => ({
      ...parts,
      attributes: parts.attributes.map((attribute) => {
        const row = ATTRIBUTE_CODECS.find(({ code }) => code === attribute.code);
        return row === undefined ? attribute : { ...attribute, flags: (attribute.flags & 0x3f) | row.flags };
      }),
    })),
  ),
  meaning(
    'an attribute list that is cut off ends where it is cut',
    before((parts) => ({ ...parts, rest: new Uint8Array(0) })),
  ),
  meaning(
    'the last of two counts',
    before((parts) => ({
      ...parts,
      attributes: parts.attributes.filter(
        ({ code }, index, all) =>
          code === 14 || code === 15 || all.findLastIndex((other) => other.code === code) === index,
      ),
    })),
  ),
  meaning(
    'a fault that costs routes ends the session',
    after((update) =>
      update.faults.some(({ action }) => action === 'withdraw')
        ? { type: 'error', code: 3, subcode: 1, data: new Uint8Array(0), reason: 'planted' }
        : update,
    ),
  ),
  meaning(
    'routes to be withdrawn are not',
    after((update) => ({ ...update, treatAsWithdraw: [] })),
  ),
  meaning(
    'the partial bit is lost',
    after((update) => {
      if (update.attributes?.partial === undefined) return update;
      const { partial: _, ...attributes } = update.attributes;
      return { ...update, attributes };
    }),
  ),
  meaning(
    'path identifiers are lost',
    after((update) => ({
      ...update,
      withdrawn: update.withdrawn.map(({ family, prefixes }) => ({ family, prefixes })),
    })),
  ),
  meaning(
    'a message without routes is taken for an end-of-RIB',
    after((update) => {
      const { withdrawn, announced, treatAsWithdraw } = update;
      const empty = withdrawn.length + announced.length + treatAsWithdraw.length === 0;
      return empty && update.endOfRib === undefined ? { ...update, endOfRib: 4 } : update;
    }),
  ),
];
