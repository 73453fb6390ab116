/** What becomes of routes that outlive their session for long (RFC 9494 §4.2). */
import type { PathAttributes } from '../wire/message.ts';
import { LLGR_STALE, NO_LLGR } from './well-known.ts';

/** The attributes of a route that goes on as long-lived stale; undefined if it must not. */
export function longLivedAttributes(attributes: PathAttributes): PathAttributes | undefined {
  const { communities = [] } = attributes;
  if (communities.includes(NO_LLGR)) return undefined;
  return communities.includes(LLGR_STALE)
    ? attributes
    : { ...attributes, communities: [...communities, LLGR_STALE] };
}
