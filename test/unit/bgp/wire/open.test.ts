import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import { decodeMessage, encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type Capability, type OpenMessage } from '../../../../src/bgp/wire/message.ts';
import { MessageFramer } from '../../../../src/bgp/wire/framer.ts';
import { framed, hex, toHex } from './bytes.ts';

const HEAD = '04 fc00 00b4 0a000001';

function fault(body: string): readonly [number, number, string] {
  const result = decodeMessage(framed(1, body), BASIC_WIRE);
  if (result.type !== 'error') throw new Error('it was read');
  return [result.code, result.subcode, toHex(result.data)];
}

function open(capabilities: readonly Capability[]): OpenMessage {
  return {
    type: 'open',
    version: 4,
    asNumber: 64512,
    holdTime: 90,
    identifier: address('10.0.0.1'),
    capabilities,
  };
}

describe('OPEN', () => {
  it.each([
    ['another version, and tells ours (RFC 4271 §6.2)', '03 fc00 00b4 0a000001 00', [2, 1, '0004']],
    ['parameters past the end', `${HEAD} 05 02 01 41`, [2, 0, '']],
    ['octets after no parameters, whatever they look like (RFC 9072 §2)', `${HEAD} 00 ff 0000`, [2, 0, '']],
    ['octets after the parameters', `${HEAD} 00 00`, [2, 0, '']],
    ['a parameter past the end of its list', `${HEAD} 02 02 05`, [2, 0, '']],
    ['a capability past the end of its parameter', `${HEAD} 04 02 02 41 04`, [2, 0, '']],
    ['a parameter other than capabilities (RFC 4271 §6.2)', `${HEAD} 03 01 01 00`, [2, 4, '']],
    ['extended parameters past the end (RFC 9072 §2)', `${HEAD} ff ff 0009 02 0001 00`, [2, 0, '']],
  ])('refuses %s', (_name, body, expected) => {
    expect(fault(body)).toEqual(expected);
  });

  it.each([
    ['four-octet AS of three octets', 65, 'aabbcc'],
    ['multiprotocol of five octets', 1, '0001000100'],
    ['graceful restart with half a family', 64, '00780001'],
    ['a host name past the end', 73, '0561'],
  ])('keeps a capability that makes no sense as bytes: %s', (_name, code, value) => {
    const length = value.length / 2;
    const byte = (number: number): string => number.toString(16).padStart(2, '0');
    const body = `${HEAD} ${byte(length + 4)} 02 ${byte(length + 2)} ${byte(code)} ${byte(length)} ${value}`;
    const result = decodeMessage(framed(1, body), BASIC_WIRE);
    expect(result).toMatchObject({ asNumber: 64512, capabilities: [{ type: 'unknown', code }] });
  });

  it('ignores ADD-PATH entries with a mode that does not exist (RFC 7911 §4)', () => {
    expect(
      decodeMessage(framed(1, `${HEAD} 0c 02 0a 45 08 0001 01 04 0002 01 01`), BASIC_WIRE),
    ).toMatchObject({
      capabilities: [{ type: 'add-path', families: [{ afi: 2, safi: 1, mode: 'receive' }] }],
    });
  });

  it('tells AS_TRANS where the number has more than 16 bits (RFC 6793 §4.2.1)', () => {
    const bytes = encodeMessage({ ...open([]), asNumber: 4200000000 }, BASIC_WIRE);
    expect(toHex(bytes.subarray(20, 22))).toBe('5ba0');
  });

  it.each([30, 31, 32])(
    'carries %i capabilities of eight octets, in the extended form if it must (RFC 9072)',
    (count) => {
      const capabilities = Array.from({ length: count }, (_, index): Capability => {
        return { type: 'unknown', code: 200, value: Uint8Array.of(1, 2, 3, 4, 5, index) };
      });
      const message = open(capabilities);
      expect(decodeMessage(encodeMessage(message, BASIC_WIRE), BASIC_WIRE)).toEqual(message);
    },
  );
});

describe('ROUTE-REFRESH', () => {
  it('answers a marker of the wrong length with its own bytes (RFC 7313 §5)', () => {
    const message = framed(5, '0001 01 01 00');
    expect(decodeMessage(message, BASIC_WIRE)).toMatchObject({
      type: 'error',
      code: 7,
      subcode: 1,
      data: message,
    });
  });

  it('answers one that has no room for what it must say (RFC 7313 §5, RFC 4271 §6.1)', () => {
    const read = (body: string): unknown => {
      const framer = new MessageFramer();
      framer.push(framed(5, body));
      const message = framer.next();
      return message instanceof Uint8Array ? decodeMessage(message, BASIC_WIRE) : message;
    };
    expect(read('0001 01')).toMatchObject({ code: 7, subcode: 1, data: framed(5, '0001 01') });
    expect(read('0001 00')).toMatchObject({ code: 1, subcode: 2, data: hex('0016') });
    expect(read('0001')).toMatchObject({ code: 1, subcode: 2, data: hex('0015') });
  });

  it('takes a request with filters that we did not ask for as a plain one', () => {
    expect(decodeMessage(framed(5, '0001 00 01 01 80 0000'), BASIC_WIRE)).toMatchObject({
      subtype: 'request',
    });
  });
});
