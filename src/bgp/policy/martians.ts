/**
 * Prefixes that no unicast route can lead to: they are ignored, and what stands beside them counts (RFC 4271 §6.3: an
 * unexpected multicast address; RFC 7606 §5.3 leaves that as it is). In the kernel they would draw off its own traffic.
 */
import type { NlriBytes } from '../wire/nlri.ts';

/** The same prefixes but for such; the same object, nearly always, if there are none. */
export function withoutMartians(nlri: NlriBytes): NlriBytes {
  const { family, addPath, bytes, start, end } = nlri;
  let kept: number[] | undefined;
  for (let at = start; at < end;) {
    const lengthAt = addPath ? at + 4 : at;
    const length = bytes[lengthAt]!;
    const next = lengthAt + 1 + ((length + 7) >> 3);
    if (family === 4 ? isMartian4(bytes, lengthAt + 1, length) : isMartian6(bytes, lengthAt + 1, length)) {
      kept ??= [...bytes.subarray(start, at)];
    } else if (kept !== undefined) {
      for (let index = at; index < next; index++) kept.push(bytes[index]!);
    }
    at = next;
  }
  return kept === undefined
    ? nlri
    : { family, addPath, bytes: Uint8Array.from(kept), start: 0, end: kept.length };
}

/** 0.0.0.0/8 and 127.0.0.0/8 (RFC 1122 §3.2.1.3), 224.0.0.0/4 (RFC 5771), and what is in them. */
function isMartian4(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < 4) return false;
  const first = bytes[at]!;
  return (first & 0xf0) === 0xe0 || (length >= 8 && (first === 0 || first === 127));
}

/** ff00::/8, fe80::/10, ::1 and :: (RFC 4291 §2.5, §2.7), and what is in them. */
function isMartian6(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < 8) return false;
  const first = bytes[at]!;
  if (first === 0xff) return true;
  if (first === 0xfe) return length >= 10 && (bytes[at + 1]! & 0xc0) === 0x80;
  if (first !== 0 || length !== 128) return false;
  for (let index = at + 1; index < at + 15; index++) if (bytes[index] !== 0) return false;
  return bytes[at + 15]! <= 1;
}
