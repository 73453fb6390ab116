import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageFramer } from '../../../../src/bgp/wire/framer.ts';
import { framed, hex, toHex } from './bytes.ts';

/** A stream of messages of different sizes, of more than 4,096 octets in all. */
const MESSAGES = [
  framed(4, ''),
  framed(2, '00000000'),
  framed(3, `0602${'61'.repeat(4000)}`),
  framed(5, '00010001'),
];
const STREAM = Uint8Array.from(MESSAGES.flatMap((message) => [...message]));

function drain(framer: MessageFramer): string[] {
  const found: string[] = [];
  for (let message = framer.next(); message !== undefined; message = framer.next()) {
    if (!(message instanceof Uint8Array)) throw new Error(message.reason);
    found.push(toHex(message));
  }
  return found;
}

function failure(bytes: Uint8Array, extended = false): readonly [number, number, string] {
  const framer = new MessageFramer();
  framer.extendedMessages = extended;
  framer.push(bytes);
  const result = framer.next();
  if (result === undefined || result instanceof Uint8Array) throw new Error('no error');
  expect(framer.next()).toBe(result); // nothing can be found after it
  return [result.code, result.subcode, toHex(result.data)];
}

describe('the framer', () => {
  it('finds the messages wherever the stream is cut (RFC 4271 §4.1)', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: STREAM.length }), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, fc.boolean(), (positions, eager) => {
        const framer = new MessageFramer();
        const found: string[] = [];
        const edges = [0, ...positions.toSorted((a, b) => a - b), STREAM.length];
        for (let index = 1; index < edges.length; index++) {
          framer.push(STREAM.slice(edges[index - 1], edges[index]));
          if (eager) found.push(...drain(framer));
        }
        found.push(...drain(framer));
        expect(found).toEqual(MESSAGES.map(toHex));
      }),
      { numRuns: 200 },
    );
  });

  it('finds the messages when bytes come one at a time', () => {
    const framer = new MessageFramer();
    const found: string[] = [];
    for (const byte of STREAM) {
      framer.push(Uint8Array.of(byte));
      found.push(...drain(framer));
    }
    expect(found).toEqual(MESSAGES.map(toHex));
  });

  it('takes exactly 4,096 octets, and 65,535 once extended messages are agreed (RFC 8654)', () => {
    const full = framed(2, `0000${(4096 - 23).toString(16).padStart(4, '0')}${'00'.repeat(4096 - 23)}`);
    const extended = framed(
      2,
      `0000${(65_535 - 23).toString(16).padStart(4, '0')}${'00'.repeat(65_535 - 23)}`,
    );
    const framer = new MessageFramer();
    framer.push(full);
    expect(drain(framer).length).toBe(1);
    framer.extendedMessages = true;
    for (let at = 0; at < extended.length; at += 1000) framer.push(extended.slice(at, at + 1000));
    expect(drain(framer)).toEqual([toHex(extended)]);
    expect(failure(extended)).toEqual([1, 2, 'ffff']);
  });

  it.each([
    ['a marker with a zero bit', `${'ff'.repeat(15)}fe 0013 04`, [1, 1, '']],
    ['a length below the header', `${'ff'.repeat(16)} 0012 04`, [1, 2, '0012']],
    ['4,097 octets', `${'ff'.repeat(16)} 1001 02`, [1, 2, '1001']],
    ['a KEEPALIVE with a body', `${'ff'.repeat(16)} 0014 04 00`, [1, 2, '0014']],
    ['an OPEN of 28 octets', `${'ff'.repeat(16)} 001c 01`, [1, 2, '001c']],
    ['an UPDATE of 22 octets', `${'ff'.repeat(16)} 0016 02`, [1, 2, '0016']],
    ['a NOTIFICATION of 20 octets', `${'ff'.repeat(16)} 0014 03`, [1, 2, '0014']],
    ['a ROUTE-REFRESH of 21 octets', `${'ff'.repeat(16)} 0015 05`, [1, 2, '0015']],
    ['message type 0', `${'ff'.repeat(16)} 0013 00`, [1, 3, '00']],
    ['message type 6', `${'ff'.repeat(16)} 0013 06`, [1, 3, '06']],
  ])('refuses %s (RFC 4271 §6.1)', (_name, bytes, expected) => {
    expect(failure(hex(bytes))).toEqual(expected);
  });

  it('holds OPEN to 4,096 octets even with extended messages (RFC 8654 §4)', () => {
    expect(failure(hex(`${'ff'.repeat(16)} 1001 01`), true)).toEqual([1, 2, '1001']);
  });
});
