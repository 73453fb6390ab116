import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SctpPacket, crc32c, decodeSctp, encodeSctp } from '../../../src/lab/sctp.ts';

const port = fc.nat(65_535);
const tag = fc.nat(0xffffffff);
const packets: fc.Arbitrary<SctpPacket> = fc.record({
  sourcePort: port,
  destinationPort: port,
  verificationTag: tag,
  chunk: fc.oneof(
    fc.record({ type: fc.constant('init' as const), tag }),
    fc.record({ type: fc.constant('initAck' as const), tag, cookie: fc.string() }),
    fc.constant({ type: 'abort' as const }),
  ),
});

describe('SCTP packets', () => {
  it('have the checksum of RFC 9260 appendix A (CRC32c of "123456789")', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('come back from their encoding, and not when a bit of them is turned', () => {
    fc.assert(
      fc.property(packets, fc.nat(), (packet, position) => {
        const bytes = encodeSctp(packet);
        expect(decodeSctp(bytes)).toEqual(packet);
        bytes[position % bytes.length]! ^= 1;
        expect(decodeSctp(bytes)).toBeUndefined();
      }),
    );
  });

  it('are nothing when they are cut short', () => {
    const bytes = encodeSctp({
      sourcePort: 1,
      destinationPort: 2,
      verificationTag: 3,
      chunk: { type: 'initAck', tag: 4, cookie: 'x/a' },
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeSctp(bytes.subarray(0, length))).toBeUndefined();
    }
  });
});
