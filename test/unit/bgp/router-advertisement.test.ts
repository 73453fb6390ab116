import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeRouterMessage,
  encodeAdvertisement,
  encodeSolicitation,
} from '../../../src/bgp/router-advertisement.ts';
import { address, addressBytes } from '../../../src/net/address.ts';

const ROUTER = address('fe80::a:2');

/** An IPv6 packet around an ICMPv6 message, as packet(7) gives it (RFC 8200 §3). */
function packet(message: Uint8Array, { source = ROUTER, hopLimit = 255, nextHeader = 58 } = {}): Uint8Array {
  const header = Uint8Array.of(0x60, 0, 0, 0, 0, message.length, nextHeader, hopLimit);
  return Uint8Array.of(...header, ...addressBytes(source), ...addressBytes(address('ff02::1')), ...message);
}

describe('a router advertisement', () => {
  it('of ours makes nobody take us for a default router (RFC 4861 §4.2: Router Lifetime 0)', () => {
    const bytes = encodeAdvertisement();
    expect(bytes[0]).toBe(134);
    expect(bytes.length).toBe(16);
    expect([bytes[6], bytes[7]]).toEqual([0, 0]);
  });

  it('tells who sent it, and so does a solicitation, also without an address yet', () => {
    expect(decodeRouterMessage(packet(encodeAdvertisement()))).toEqual({
      type: 'advertisement',
      source: ROUTER,
    });
    const source = address('::');
    expect(decodeRouterMessage(packet(encodeSolicitation(), { source }))).toEqual({
      type: 'solicitation',
      source,
    });
  });

  it.each<[string, Uint8Array]>([
    ['has passed a router', packet(encodeAdvertisement(), { hopLimit: 254 })],
    ['is not from a link-local address', packet(encodeAdvertisement(), { source: address('fd00::1') })],
    ['is cut short', packet(encodeAdvertisement().subarray(0, 15))],
    ['has a code', packet(encodeAdvertisement().fill(1, 1, 2))],
    ['is no ICMPv6', packet(encodeAdvertisement(), { nextHeader: 17 })],
    ['is another message', packet(encodeAdvertisement().fill(135, 0, 1))],
  ])('that %s is not valid (RFC 4861 §6.1)', (_, bytes) => {
    expect(decodeRouterMessage(bytes)).toBeUndefined();
  });

  it('is read or not, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const message = decodeRouterMessage(bytes);
        expect(message === undefined || typeof message.source === 'string').toBe(true);
      }),
    );
  });
});
