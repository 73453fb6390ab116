/** AS confederations (RFC 5065): several member ASes that are one AS to everybody else. */

/** Plain data. */
export interface Confederation {
  /** The AS number that the world sees. */
  readonly identifier: number;
  /** AS numbers of the members, with or without our own. */
  readonly members: readonly number[];
}

/** Where a peer is: in our (member) AS, in another member of our confederation, or outside. */
export type PeerPlace = 'internal' | 'confederation' | 'external';

export function placeOf(
  peerAs: number,
  localAs: number,
  confederation: Confederation | undefined,
): PeerPlace {
  if (peerAs === localAs) return 'internal';
  return confederation?.members.includes(peerAs) === true ? 'confederation' : 'external';
}
