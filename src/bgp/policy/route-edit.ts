/** What a policy changes in a route that it accepts. Made once where the policy is compiled: equal edits are one object. */
import type { AsPathSegment, LargeCommunity, PathAttributes } from '../wire/message.ts';

export interface RouteEdit {
  /** Standard communities to add (RFC 1997). */
  readonly communities: readonly number[];
  /** Large communities to add (RFC 8092). */
  readonly largeCommunities: readonly LargeCommunity[];
  /** AS numbers to put in front of AS_PATH, in this order. */
  readonly prepend: readonly number[];
  /** LOCAL_PREF to set. */
  readonly localPref?: number;
}

/** Changes nothing. */
export const UNCHANGED: RouteEdit = { communities: [], largeCommunities: [], prepend: [] };

/** The most AS numbers in one segment (RFC 4271 §4.3: the count is one octet). */
const SEGMENT_LIMIT = 255;

/** The attributes after the edit; the same object if there is none. */
export function editAttributes(attributes: PathAttributes, edit: RouteEdit): PathAttributes {
  if (edit === UNCHANGED) return attributes;
  const { communities, largeCommunities, prepend, localPref } = edit;
  let { asPath } = attributes;
  for (const asNumber of prepend.toReversed()) asPath = prependAs(asPath, asNumber);
  return {
    ...attributes,
    asPath,
    ...(communities.length === 0
      ? {}
      : { communities: [...new Set([...(attributes.communities ?? []), ...communities])] }),
    ...(largeCommunities.length === 0
      ? {}
      : { largeCommunities: withLarge(attributes.largeCommunities ?? [], largeCommunities) }),
    ...(localPref === undefined ? {} : { localPref }),
  };
}

function withLarge(known: readonly LargeCommunity[], added: readonly LargeCommunity[]): LargeCommunity[] {
  return [...known, ...added.filter((value) => !known.some((other) => sameLarge(other, value)))];
}

/** Whether two large communities are the same (RFC 8092 §3). */
export function sameLarge(a: LargeCommunity, b: LargeCommunity): boolean {
  return a.global === b.global && a.local1 === b.local1 && a.local2 === b.local2;
}

/** Puts an AS in front (RFC 4271 §5.1.2 b). Confederation segments stay inside the confederation (RFC 5065 §4). */
export function prependAs(asPath: readonly AsPathSegment[], asNumber: number): readonly AsPathSegment[] {
  const path = asPath.filter(({ type }) => type === 'sequence' || type === 'set');
  const [first, ...rest] = path;
  if (first?.type === 'sequence' && first.asNumbers.length < SEGMENT_LIMIT) {
    return [{ type: 'sequence', asNumbers: [asNumber, ...first.asNumbers] }, ...rest];
  }
  return [{ type: 'sequence', asNumbers: [asNumber] }, ...path];
}

/** Puts a member AS in front within its confederation (RFC 5065 §4 c). */
export function prependMember(asPath: readonly AsPathSegment[], asNumber: number): readonly AsPathSegment[] {
  const [first, ...rest] = asPath;
  if (first?.type === 'confederation-sequence' && first.asNumbers.length < SEGMENT_LIMIT) {
    return [{ type: 'confederation-sequence', asNumbers: [asNumber, ...first.asNumbers] }, ...rest];
  }
  return [{ type: 'confederation-sequence', asNumbers: [asNumber] }, ...asPath];
}
