/**
 * Names and comments that people read in `nft list`. nft refuses comments over 128 bytes and names over 255, prints
 * comments between quotes without escaping, and reads names of letters, digits and `/ - _ .` that start with a
 * letter. What does not fit is cut and ends in 10 hexadecimal digits of the SHA-256 of the whole, so that it stays
 * unique and can be found again by hashing what is known.
 */
import { createHash } from 'node:crypto';

const LIMIT = 120;
const HASH_DIGITS = 10;
/** What is left of a text that is cut: the mark and the hash take the rest. */
const CUT = LIMIT - HASH_DIGITS - 1;

/** The first 10 hexadecimal digits of the SHA-256 of a text. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
}

/**
 * A comment: printable ASCII as it is (double quotes become single ones), at most 120 characters; a longer one is
 * cut and ends in `~` and a hash.
 */
export function commentText(text: string): string {
  const printable = text.replaceAll('"', "'").replace(/[^\x20-\x7e]/g, '?');
  return printable.length <= LIMIT ? printable : `${printable.slice(0, CUT)}~${shortHash(text)}`;
}

/** A text as nft can read it within a name: runs of what it cannot become one `_`, and what is over `limit` is cut. */
export function fittingText(text: string, limit: number): string {
  return text
    .replace(/[^A-Za-z0-9/_.-]+/g, '_')
    .replace(/^_|_$/g, '')
    .slice(0, limit);
}

/**
 * The name of a chain, set or map: `prefix` (our own, starts with a letter) and a readable text; one over 120
 * characters, or with letters that nft cannot read, ends in a hash.
 */
export function objectName(prefix: string, text: string): string {
  if (fittingText(text, LIMIT) === text) return prefix + text;
  return `${prefix}${fittingText(text, CUT)}_${shortHash(text)}`;
}
