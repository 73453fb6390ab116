import { describe, expect, it } from 'vitest';
import { decodeIcmpAnswer, encodeIcmpRequest } from '../../../src/lab/icmp.ts';

/** An IPv4 header of 24 bytes, so with options, from 10.0.0.1. */
const ipv4 = (protocol: number, payload: Uint8Array): Uint8Array => {
  const header = new Uint8Array(24);
  header.set([0x46], 0);
  header.set([protocol], 9);
  header.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
  return Uint8Array.from([...header, ...payload]);
};

const ipv6 = (nextHeader: number, payload: Uint8Array): Uint8Array =>
  Uint8Array.from([0x60, 0, 0, 0, 0, payload.length, nextHeader, 64, ...new Uint8Array(32), ...payload]);

describe('ICMP', () => {
  it('writes a request with the checksum of RFC 1071, which the kernel fills in for IPv6', () => {
    const request = encodeIcmpRequest(4, { type: 8, code: 3 }, 0xabcd);
    expect([...request.subarray(0, 8)]).toEqual([8, 3, 0x4c, 0x2e, 0xab, 0xcd, 0, 1]);
    // All words together with the checksum are the negative zero of one's complement.
    const words = Array.from({ length: request.length / 2 }, (_, at) =>
      new DataView(request.buffer).getUint16(2 * at),
    );
    expect(words.reduce((sum, word) => sum + word, 0) % 0xffff).toBe(0);
    expect([...encodeIcmpRequest(6, { type: 128, code: 0 }, 7).subarray(0, 8)]).toEqual([
      128, 0, 0, 0, 0, 7, 0, 1,
    ]);
  });

  it('reads replies, and who sent them where the socket says it', () => {
    const reply = Uint8Array.from([0, 3, 0, 0, 0xab, 0xcd, 0, 1]);
    expect(decodeIcmpAnswer(4, ipv4(1, reply))).toEqual({
      kind: 'reply',
      identifier: 0xabcd,
      type: 0,
      source: '10.0.0.1',
    });
    const reply6 = Uint8Array.from([129, 0, 0, 0, 0, 7, 0, 1]);
    expect(decodeIcmpAnswer(6, reply6)).toEqual({ kind: 'reply', identifier: 7, type: 129 });
  });

  it('finds the request in an error, behind the header that it carries', () => {
    const request = encodeIcmpRequest(4, { type: 8, code: 0 }, 9);
    const error = (type: number, original: Uint8Array) =>
      Uint8Array.from([type, 13, 0, 0, 0, 0, 0, 0, ...original]);
    const answer = { kind: 'unreachable', identifier: 9 };
    expect(decodeIcmpAnswer(4, ipv4(1, error(3, ipv4(1, request))))).toEqual({ ...answer, type: 8 });
    const request6 = encodeIcmpRequest(6, { type: 128, code: 0 }, 9);
    expect(decodeIcmpAnswer(6, error(1, ipv6(58, request6)))).toEqual({ ...answer, type: 128 });
    expect(decodeIcmpAnswer(4, ipv4(1, error(3, ipv4(17, request))))).toBeUndefined();
    expect(decodeIcmpAnswer(6, error(1, ipv6(17, request6)))).toBeUndefined();
  });

  it('leaves alone requests, other errors and what is cut short', () => {
    const request = encodeIcmpRequest(4, { type: 8, code: 0 }, 9);
    expect(decodeIcmpAnswer(4, ipv4(1, request))).toBeUndefined();
    expect(decodeIcmpAnswer(4, ipv4(1, Uint8Array.from([11, 0, 0, 0, 0, 0, 0, 0])))).toBeUndefined();
    for (const family of [4, 6] as const) {
      for (let length = 0; length < 8; length++) {
        expect(decodeIcmpAnswer(family, new Uint8Array(length))).toBeUndefined();
        expect(
          decodeIcmpAnswer(family, Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, ...new Uint8Array(length)])),
        ).toBeUndefined();
      }
    }
  });
});
