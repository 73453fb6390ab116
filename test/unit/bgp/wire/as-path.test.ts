import { describe, expect, it } from 'vitest';
import {
  asPathLength,
  confederationFault,
  mergeAs4Path,
  needsAs4Path,
  writeAsPath,
} from '../../../../src/bgp/wire/as-path.ts';
import type { AsPathSegment } from '../../../../src/bgp/wire/message.ts';
import { ByteWriter } from '../../../../src/net/bytes.ts';
import { toHex } from './bytes.ts';

const sequence = (...asNumbers: number[]): AsPathSegment => ({ type: 'sequence', asNumbers });
const set = (...asNumbers: number[]): AsPathSegment => ({ type: 'set', asNumbers });
const confederation = (...asNumbers: number[]): AsPathSegment => ({
  type: 'confederation-sequence',
  asNumbers,
});

describe('the length of an AS path (RFC 4271 §9.1.2.2, RFC 5065 §5.3)', () => {
  it.each([
    ['outside, with a confederation segment', { external: true }, [confederation(1)], /outside/],
    ['outside, without', { external: true }, [sequence(1)], undefined],
    ['in another member AS, without', { external: false, confederation: true }, [sequence(1)], /in front/],
    ['in another member AS, with nothing', { external: false, confederation: true }, [], /in front/],
    [
      'in another member AS, in front',
      { external: false, confederation: true },
      [confederation(1)],
      undefined,
    ],
    ['in our AS', { external: false }, [confederation(1)], undefined],
  ] as const)('of a peer %s, is judged by RFC 5065 §5', (_, wire, path, fault) => {
    if (fault === undefined) expect(confederationFault(path, wire)).toBeUndefined();
    else expect(confederationFault(path, wire)).toMatch(fault);
  });

  it('counts a set as one and confederation segments as none', () => {
    expect(asPathLength([confederation(1, 2), sequence(3, 4), set(5, 6, 7)])).toBe(3);
  });
});

describe('AS4_PATH', () => {
  it('is not sent for the sake of numbers that it must not hold (RFC 6793 §4.2.2)', () => {
    expect(needsAs4Path([confederation(70_000), sequence(1)])).toBe(false);
    expect(needsAs4Path([confederation(1), sequence(70_000)])).toBe(true);
  });
});

describe('AS_PATH and AS4_PATH together (RFC 6793 §4.2.3)', () => {
  it.each([
    ['replaces a path of equal length', [sequence(1, 23456)], [sequence(1, 70000)], [sequence(1, 70000)]],
    [
      'puts what two-octet speakers added in front',
      [sequence(7, 8, 23456)],
      [sequence(70000)],
      [sequence(7, 8, 70000)],
    ],
    ['ignores an AS4_PATH longer than AS_PATH', [sequence(23456)], [sequence(1, 70000)], [sequence(23456)]],
    ['ignores an empty AS4_PATH', [sequence(1, 2)], [], [sequence(1, 2)]],
    ['counts a set as one', [sequence(7), set(1, 2)], [set(70000, 70001)], [sequence(7), set(70000, 70001)]],
    [
      'keeps confederation segments in front',
      [confederation(9), sequence(23456)],
      [sequence(70000)],
      [confederation(9), sequence(70000)],
    ],
    [
      'takes a part of a sequence',
      [set(5), sequence(6, 7, 23456)],
      [sequence(7, 70000)],
      [set(5), sequence(6, 7, 70000)],
    ],
  ])('%s', (_name, path, as4Path, expected) => {
    expect(mergeAs4Path(path, as4Path)).toEqual(expected);
  });
});

describe('writing an AS path', () => {
  it('splits a sequence longer than 255 (RFC 4271 §5.1.2)', () => {
    const writer = new ByteWriter();
    writeAsPath(writer, [sequence(...new Array<number>(256).fill(1))], 2);
    expect(writer.length).toBe(2 + 255 * 2 + 2 + 2);
    expect(toHex(writer.bytes().subarray(512))).toBe('02010001');
  });
});
