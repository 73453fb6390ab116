import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { readHeader } from '../../../../src/bgp/wire/header.ts';
import { NOTIFICATION_REGISTRY } from '../../../../src/bgp/wire/notification-registry.ts';
import { BASIC_WIRE } from '../../../../src/bgp/wire/message.ts';
import {
  cease,
  describeNotification,
  hardReset,
  isHardReset,
  notification,
  prefixLimitData,
  shutdownCommunication,
} from '../../../../src/bgp/wire/notification.ts';
import { hex } from './bytes.ts';

describe('a NOTIFICATION in words', () => {
  it('names every code and subcode of the registry', () => {
    for (const [code, { name, subcodes }] of Object.entries(NOTIFICATION_REGISTRY)) {
      expect(describeNotification(notification(Number(code)))).toBe(name);
      for (const [subcode, row] of Object.entries(subcodes)) {
        expect(describeNotification(notification(Number(code), Number(subcode)))).toBe(
          `${name}, ${row.name}`,
        );
      }
    }
  });

  it('says the numbers of what it does not know, and shows data as it stands', () => {
    expect(describeNotification(notification(99, 3))).toBe('error 99, subcode 3');
    expect(describeNotification(notification(6, 99))).toBe('Cease, subcode 99');
    expect(describeNotification(notification(1, 2, hex('1001')))).toBe(
      'Message Header Error, Bad Message Length (data 1001)',
    );
  });

  it('quotes the shutdown communication (RFC 9003)', () => {
    expect(describeNotification(cease(2, 'upgrade at "noon"'))).toBe(
      'Cease, Administrative Shutdown: "upgrade at \\"noon\\""',
    );
  });

  it('says which limit was passed (RFC 4486 §4)', () => {
    expect(describeNotification(notification(6, 1, prefixLimitData(4, 1000)))).toBe(
      'Cease, Maximum Number of Prefixes Reached: more than 1000 of IPv4',
    );
    expect(describeNotification(notification(6, 1, hex('00 19 46 00 00 00 01')))).toMatch(
      /\(data 00194600000001\)$/,
    );
  });

  it('looks into a hard reset (RFC 8538 §3.1)', () => {
    const message = hardReset(cease(2, 'bye'));
    expect(isHardReset(message)).toBe(true);
    expect(describeNotification(message)).toBe('Cease, Hard Reset: Cease, Administrative Shutdown: "bye"');
  });
});

describe('the data of a NOTIFICATION', () => {
  it('is cut to what a message may hold (RFC 4271 §4.1, RFC 8654 §3)', () => {
    const long = notification(7, 1, new Uint8Array(70_000).fill(9));
    for (const [extendedMessages, length] of [
      [false, 4096],
      [true, 65_535],
    ] as const) {
      const wire = { ...BASIC_WIRE, extendedMessages };
      const bytes = encodeMessage(long, wire);
      expect(bytes.length).toBe(length);
      expect(readHeader(bytes, 0, length)).toBe(length);
    }
  });
});

describe('the shutdown communication (RFC 9003)', () => {
  it('goes with Administrative Shutdown and Administrative Reset only', () => {
    expect(shutdownCommunication(cease(2, 'bye'))).toBe('bye');
    expect(shutdownCommunication(cease(4, 'bye'))).toBe('bye');
    expect(cease(3, 'bye').data.length).toBe(0);
  });

  it('is cut at 255 octets without splitting a character', () => {
    const { data } = cease(2, 'é'.repeat(200));
    expect(data[0]).toBe(254);
    expect(shutdownCommunication(cease(2, 'é'.repeat(200)))).toBe('é'.repeat(127));
  });

  it('is not interpreted if it is empty, cut off or no UTF-8', () => {
    for (const data of ['', '00', '05 6162', '02 c328']) {
      expect(shutdownCommunication(notification(6, 2, hex(data)))).toBeUndefined();
    }
  });
});
