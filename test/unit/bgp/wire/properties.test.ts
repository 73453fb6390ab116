/** What must hold for any message, and for any bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../../../src/bgp/wire/framer.ts';
import {
  BASIC_WIRE,
  type NlriList,
  type ReceivedMessage,
  type ReceivedUpdate,
  type UpdateMessage,
  type WireOptions,
} from '../../../../src/bgp/wire/message.ts';
import { anyOpen, anyUpdate, u8 } from './arbitraries.ts';
import { framed, toHex } from './bytes.ts';

const SESSIONS: readonly (readonly [string, WireOptions])[] = [
  ['an external four-octet session', { ...BASIC_WIRE, families: [4, 6], fourOctetAs: true }],
  ['an internal session', { ...BASIC_WIRE, families: [4, 6], fourOctetAs: true, external: false }],
  ['an external two-octet session', { ...BASIC_WIRE, families: [4, 6] }],
  [
    'a session with ADD-PATH and extended messages',
    {
      ...BASIC_WIRE,
      families: [4, 6],
      fourOctetAs: true,
      external: false,
      extendedMessages: true,
      addPathReceive: [4, 6],
      addPathSend: [4, 6],
    },
  ],
];

function decodeAll(bytes: Uint8Array, wire: WireOptions): ReceivedMessage[] {
  const framer = new MessageFramer();
  framer.extendedMessages = wire.extendedMessages;
  framer.push(bytes);
  const messages: ReceivedMessage[] = [];
  for (let found = framer.next(); found !== undefined; found = framer.next()) {
    const message = found instanceof Uint8Array ? decodeMessage(found, wire) : found;
    if (message.type === 'error') throw new Error(message.reason);
    messages.push(message);
  }
  return messages;
}

/** Puts together again what packing has spread over messages. */
function gather(messages: readonly ReceivedMessage[]): UpdateMessage {
  const updates = messages.filter((message): message is ReceivedUpdate => message.type === 'update');
  for (const update of updates) {
    expect(update.faults).toEqual([]);
    // RFC 7606 §5.1: one field only.
    expect(update.withdrawn.length + update.announced.length).toBe(1);
  }
  return {
    type: 'update',
    withdrawn: join(updates.flatMap(({ withdrawn }) => withdrawn)),
    announced: join(updates.flatMap(({ announced }) => announced)),
    attributes: updates.find(({ attributes }) => attributes !== undefined)?.attributes,
  };
}

function join<List extends NlriList>(lists: readonly List[]): List[] {
  return ([4, 6] as const).flatMap((family) => {
    const parts = lists.filter((entry) => entry.family === family);
    if (parts.length === 0) return [];
    const whole = { ...parts[0]!, prefixes: parts.flatMap(({ prefixes }) => prefixes) };
    return [
      whole.pathIds === undefined
        ? whole
        : { ...whole, pathIds: parts.flatMap(({ pathIds = [] }) => pathIds) },
    ];
  });
}

describe('any value', () => {
  for (const [name, wire] of SESSIONS) {
    it(`is read as it was written: UPDATE on ${name}`, () => {
      fc.assert(
        fc.property(anyUpdate(wire), (update) => {
          const gathered = gather(decodeAll(encodeMessage(update, wire), wire));
          const attributes = update.announced.length === 0 ? undefined : update.attributes;
          expect(gathered).toEqual({ ...update, attributes });
        }),
        { numRuns: 150 },
      );
    });
  }

  it('is read as it was written: OPEN', () => {
    fc.assert(
      fc.property(anyOpen, (open) => {
        expect(decodeMessage(encodeMessage(open, BASIC_WIRE), BASIC_WIRE)).toEqual(open);
      }),
      { numRuns: 200 },
    );
  });
});

describe('any bytes', () => {
  it('give a message or a typed error, never an exception: random bodies', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: SESSIONS.length - 1 }),
        fc.integer({ min: 1, max: 5 }),
        fc.uint8Array({ minLength: 10, maxLength: 300 }),
        (session, type, body) => {
          const result = decodeMessage(framed(type, toHex(body)), SESSIONS[session]![1]);
          if (result.type === 'error') expect(result.code).toBeLessThanOrEqual(7);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('give a message or a typed error, never an exception: valid messages with octets changed', () => {
    const wire = SESSIONS[3]![1];
    const mutation = fc.tuple(fc.nat(), u8);
    const message = fc.oneof(anyUpdate(wire), anyOpen);
    fc.assert(
      fc.property(message, fc.array(mutation, { minLength: 1, maxLength: 4 }), (value, mutations) => {
        const bytes = encodeMessage(value, wire);
        for (const [at, octet] of mutations) {
          if (bytes.length > 19) bytes[19 + (at % (bytes.length - 19))] = octet;
        }
        const framer = new MessageFramer();
        framer.extendedMessages = true;
        framer.push(bytes);
        for (let found = framer.next(); found !== undefined; found = framer.next()) {
          if (!(found instanceof Uint8Array)) return;
          const result = decodeMessage(found, wire);
          // What was read can be written again.
          if (result.type !== 'error') encodeMessage(result, wire);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
