import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BfdState,
  type ControlPacket,
  decodeControlPacket,
  diagnosticName,
  encodeControlPacket,
} from '../../../../src/bgp/bfd/packet.ts';

/** RFC 5880 §4.1 by hand: Up, P, our discriminator 1, the peer's 2, 50 ms, 60 ms, multiplier 3. */
const BYTES = Uint8Array.from(
  Buffer.from('20e00318' + '00000001' + '00000002' + '0000c350' + '0000ea60' + '00000000', 'hex'),
);
const PACKET: ControlPacket = {
  diagnostic: 0,
  state: 'Up',
  poll: true,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 1,
  yourDiscriminator: 2,
  desiredMinTx: 50_000,
  requiredMinRx: 60_000,
  requiredMinEchoRx: 0,
};

function changed(at: number, value: number): Uint8Array {
  const bytes = BYTES.slice();
  bytes[at] = value;
  return bytes;
}

describe('a BFD control packet', () => {
  it('is written and read as RFC 5880 draws it', () => {
    expect(encodeControlPacket(PACKET)).toEqual(BYTES);
    expect(decodeControlPacket(BYTES)).toEqual(PACKET);
  });

  it('reads back as it was written', () => {
    const packets = fc.record<ControlPacket>({
      diagnostic: fc.integer({ min: 0, max: 31 }),
      state: fc.constantFrom<BfdState>('AdminDown', 'Down', 'Init', 'Up'),
      poll: fc.boolean(),
      final: fc.boolean(),
      controlPlaneIndependent: fc.boolean(),
      demand: fc.boolean(),
      multiplier: fc.integer({ min: 1, max: 255 }),
      myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
      yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
      desiredMinTx: fc.nat(0xffff_ffff),
      requiredMinRx: fc.nat(0xffff_ffff),
      requiredMinEchoRx: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(packets, (packet) => {
        expect(decodeControlPacket(encodeControlPacket(packet))).toEqual(packet);
      }),
    );
  });

  it.each([
    ['shorter than a control packet', BYTES.subarray(0, 23)],
    ['version 0', changed(0, 0x00)],
    ['version 2', changed(0, 0x40)],
    ['length 23', changed(3, 23)],
    ['length 25', changed(3, 25)],
    ['detect multiplier 0', changed(2, 0)],
    ['multipoint bit', changed(1, 0xc1)],
    ['authentication is not in use', changed(1, 0xc4)],
    ['discriminator 0', changed(7, 0)],
    ['state Up without our discriminator', changed(11, 0)],
    ['state Init without our discriminator', changed(11, 0).fill(0x80, 1, 2)],
  ])('is dropped for its fault: %s (RFC 5880 §6.8.6)', (fault, bytes) => {
    expect(decodeControlPacket(bytes)).toEqual({ fault });
  });

  it.each([
    ['Down', 0x40],
    ['AdminDown', 0x00],
  ])('needs not our discriminator in state %s', (state, flags) => {
    const bytes = changed(11, 0);
    bytes[1] = flags;
    expect(decodeControlPacket(bytes)).toMatchObject({ state, yourDiscriminator: 0 });
  });

  it('is read or dropped whatever the bytes, and longer payloads are cut at its length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const packet = decodeControlPacket(bytes);
        if (!('fault' in packet)) expect(packet.myDiscriminator).not.toBe(0);
      }),
    );
    expect(decodeControlPacket(Uint8Array.of(...BYTES, 1, 2, 3))).toEqual(PACKET);
  });

  it('names the diagnostics it knows', () => {
    expect(diagnosticName(5)).toBe('Path Down');
    expect(diagnosticName(30)).toBe('diagnostic 30');
  });
});
