/** Calico's identifier of a selector (libcalico-go `lib/hash`): equal selectors have equal identifiers everywhere. */
import { createHash } from 'node:crypto';
import { type Selector, formatSelector } from './selector.ts';

/** `s:` and the base64url of the SHA-224 of `s:` and the canonical text. */
export function selectorId(selector: Selector): string {
  return `s:${createHash('sha224')
    .update(`s:${formatSelector(selector)}`)
    .digest('base64url')}`;
}
