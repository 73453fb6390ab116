import { describe, expect, it } from 'vitest';
import { withoutMartians } from '../../../../src/bgp/policy/martians.ts';
import { type NlriBytes, decodeNlri, parseNlri } from '../../../../src/bgp/wire/nlri.ts';
import { prefix } from '../../../../src/net/prefix.ts';

function nlri(family: 4 | 6, texts: readonly string[], addPath = false): NlriBytes {
  const octets: number[] = [9];
  for (const [index, text] of texts.entries()) {
    const { bytes, bits } = parseNlri(prefix(text));
    if (addPath) octets.push(0, 0, 0, index);
    octets.push(bits, ...bytes.subarray(0, (bits + 7) >> 3));
  }
  const bytes = Uint8Array.from([...octets, 9]);
  return { family, addPath, bytes, start: 1, end: octets.length };
}

const MARTIANS = {
  4: ['0.0.0.0/8', '0.1.0.0/16', '127.0.0.0/8', '127.0.0.1/32', '224.0.0.0/4', '239.1.0.0/16'],
  6: ['ff00::/8', 'ff02::1/128', 'fe80::/10', 'fe80::1/128', '::1/128', '::/128'],
};
const ORDINARY = {
  4: [
    '0.0.0.0/0',
    '0.0.0.0/1',
    '224.0.0.0/3',
    '10.0.0.0/8',
    '126.0.0.0/7',
    '223.255.255.0/24',
    '240.0.0.0/4',
  ],
  6: ['::/0', '::/8', 'fe00::/7', 'fec0::/10', '2001:db8::/32', '::2/128', '::ffff:0:0/96'],
};

describe('prefixes that no unicast route leads to (RFC 4271 §6.3)', () => {
  it.each([4, 6] as const)('are left out of IPv%i, and the others stay', (family) => {
    for (const addPath of [false, true]) {
      const texts = ORDINARY[family].flatMap((text, index) => [text, MARTIANS[family][index] ?? text]);
      const all = decodeNlri(nlri(family, texts, addPath));
      const left = decodeNlri(withoutMartians(nlri(family, texts, addPath)));
      const wanted = all.prefixes.flatMap((text, index) => (MARTIANS[family].includes(text) ? [] : [index]));
      expect(left.prefixes).toEqual(wanted.map((index) => all.prefixes[index]));
      expect(left.pathIds).toEqual(addPath ? wanted.map((index) => all.pathIds![index]) : undefined);
    }
  });

  it.each([4, 6] as const)('are all that there is: nothing of IPv%i stays', (family) => {
    expect(decodeNlri(withoutMartians(nlri(family, MARTIANS[family]))).prefixes).toEqual([]);
  });

  it.each([4, 6] as const)('are not there: IPv%i stays the same octets', (family) => {
    const given = nlri(family, ORDINARY[family]);
    expect(withoutMartians(given)).toBe(given);
  });
});
