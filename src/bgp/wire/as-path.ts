/**
 * AS_PATH segments (RFC 4271 §4.3 b): type 1 octet, count 1 octet, AS numbers of two or four octets; and how the
 * 32-bit path is carried through peers that know only 16 bits (RFC 6793 §4.2).
 */
import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { AS_TRANS } from './iana.ts';
import type { AsPathSegment, WireOptions } from './message.ts';

type AsWidth = 2 | 4;

/** Segment types by number (RFC 4271 §4.3, RFC 5065 §3). */
const SEGMENT_TYPES = [undefined, 'set', 'sequence', 'confederation-sequence', 'confederation-set'] as const;
/** The same by name. */
export const SEGMENT_CODES = {
  set: 1,
  sequence: 2,
  'confederation-sequence': 3,
  'confederation-set': 4,
} as const;
/** The count has eight bits. */
const SEGMENT_LENGTH = 255;

/** Reads segments up to the reader's end, or says what is malformed (RFC 7606 §7.2, RFC 7607 §2). */
export function readAsPath(reader: ByteReader, width: AsWidth): AsPathSegment[] | string {
  const segments: AsPathSegment[] = [];
  while (reader.remaining > 0) {
    if (reader.remaining < 2) return 'a segment header is cut off (RFC 7606 §7.2)';
    const code = reader.u8();
    const count = reader.u8();
    const type = SEGMENT_TYPES[code];
    if (type === undefined) return `segment type ${code} does not exist (RFC 7606 §7.2)`;
    if (count === 0) return 'a segment is empty (RFC 7606 §7.2)';
    if (count * width > reader.remaining) return 'a segment runs past the attribute (RFC 7606 §7.2)';
    const asNumbers: number[] = [];
    for (let index = 0; index < count; index++) {
      const asNumber = width === 4 ? reader.u32() : reader.u16();
      if (asNumber === 0) return 'AS number 0 (RFC 7607 §2)';
      asNumbers.push(asNumber);
    }
    segments.push({ type, asNumbers });
  }
  return segments;
}

/** What of a path cannot come from where the peer is (RFC 5065 §5), or undefined if all can. */
export function confederationFault(
  path: readonly AsPathSegment[],
  { external, confederation }: Pick<WireOptions, 'external' | 'confederation'>,
): string | undefined {
  if (external && path.some(({ type }) => isConfederation(type))) {
    return 'a confederation segment from outside our confederation (RFC 5065 §5)';
  }
  if (confederation === true && path[0]?.type !== 'confederation-sequence') {
    return 'no confederation sequence in front from another member AS (RFC 5065 §5)';
  }
  return undefined;
}

function isConfederation(type: AsPathSegment['type']): boolean {
  return type === 'confederation-sequence' || type === 'confederation-set';
}

/** Appends segments; a sequence longer than 255 becomes several. In two octets, large numbers become AS_TRANS. */
export function writeAsPath(writer: ByteWriter, path: readonly AsPathSegment[], width: AsWidth): void {
  for (const { type, asNumbers } of path) {
    for (let start = 0; start < asNumbers.length; start += SEGMENT_LENGTH) {
      const part = asNumbers.slice(start, start + SEGMENT_LENGTH);
      writer.u8(SEGMENT_CODES[type]);
      writer.u8(part.length);
      for (const asNumber of part) {
        if (width === 4) writer.u32(asNumber);
        else writer.u16(asNumber > 0xffff ? AS_TRANS : asNumber);
      }
    }
  }
}

/** Whether a two-octet peer needs AS4_PATH beside AS_PATH, for what AS4_PATH may hold (RFC 6793 §4.2.2). */
export function needsAs4Path(path: readonly AsPathSegment[]): boolean {
  return withoutConfederation(path).some(({ asNumbers }) => asNumbers.some((asNumber) => asNumber > 0xffff));
}

/** Path length as RFC 4271 §9.1.2.2 a and RFC 5065 §5.3 count it: a set is one, confederation segments are none. */
export function asPathLength(path: readonly AsPathSegment[]): number {
  let length = 0;
  for (const { type, asNumbers } of path) {
    if (type === 'sequence') length += asNumbers.length;
    else if (type === 'set') length += 1;
  }
  return length;
}

/** A path without its confederation segments, which AS4_PATH must not hold (RFC 6793 §3). */
export function withoutConfederation(path: readonly AsPathSegment[]): AsPathSegment[] {
  return path.filter(({ type }) => !isConfederation(type));
}

/**
 * The exact path out of AS_PATH and AS4_PATH (RFC 6793 §4.2.3): what AS_PATH has more than AS4_PATH was added by
 * two-octet speakers and goes in front. An AS4_PATH longer than AS_PATH is ignored.
 */
export function mergeAs4Path(
  path: readonly AsPathSegment[],
  as4Path: readonly AsPathSegment[],
): readonly AsPathSegment[] {
  let missing = asPathLength(path) - asPathLength(as4Path);
  if (missing < 0 || as4Path.length === 0) return path;
  const merged: AsPathSegment[] = [];
  for (const segment of path) {
    if (missing === 0 && !isConfederation(segment.type)) break;
    if (segment.type === 'sequence') {
      const asNumbers = segment.asNumbers.slice(0, missing);
      missing -= asNumbers.length;
      merged.push({ type: 'sequence', asNumbers });
    } else {
      if (segment.type === 'set') missing -= 1;
      merged.push(segment);
    }
  }
  const last = merged.at(-1);
  const [first, ...rest] = as4Path;
  if (last?.type !== 'sequence' || first?.type !== 'sequence') return [...merged, ...as4Path];
  const joined = { type: 'sequence', asNumbers: [...last.asNumbers, ...first.asNumbers] } as const;
  return [...merged.slice(0, -1), joined, ...rest];
}
