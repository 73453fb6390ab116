/** What is done to AS_PATH towards a peer in another AS, beyond putting ours in front (RFC 4271 §5.1.2 b). */
import type { AsPathSegment } from '../wire/message.ts';

/**
 * What becomes of AS numbers for private use: taken out, if the path has no others (`if-all`) or in any case (`all`), or
 * `replace`d by ours.
 */
export type PrivateAsRemoval = 'if-all' | 'all' | 'replace';

export interface AsPathEdit {
  readonly localAs: number;
  readonly peerAs: number;
  readonly removePrivateAs?: PrivateAsRemoval | undefined;
  /** Puts our AS wherever the peer's stands, so that sites which share an AS number take one another's routes. */
  readonly asOverride?: boolean | undefined;
}

/** RFC 6996 §5. */
export function isPrivateAs(asNumber: number): boolean {
  return (
    (asNumber >= 64_512 && asNumber <= 65_534) || (asNumber >= 4_200_000_000 && asNumber <= 4_294_967_294)
  );
}

/** The path after the edit, before our own AS is put in front; the same object if there is none. */
export function editAsPath(path: readonly AsPathSegment[], edit: AsPathEdit): readonly AsPathSegment[] {
  const { removePrivateAs, asOverride, localAs, peerAs } = edit;
  let edited = path;
  if (removePrivateAs !== undefined) edited = withoutPrivateAs(edited, removePrivateAs, edit);
  if (asOverride === true) {
    edited = mapAsNumbers(edited, (asNumber) => [asNumber === peerAs ? localAs : asNumber]);
  }
  return edited;
}

/** The peer's own AS stays: by it the peer finds loops. */
function withoutPrivateAs(
  path: readonly AsPathSegment[],
  mode: PrivateAsRemoval,
  { localAs, peerAs }: AsPathEdit,
): readonly AsPathSegment[] {
  if (mode === 'if-all' && !path.every(({ asNumbers }) => asNumbers.every(isPrivateAs))) return path;
  return mapAsNumbers(path, (asNumber) => {
    if (!isPrivateAs(asNumber) || asNumber === peerAs) return [asNumber];
    return mode === 'replace' ? [localAs] : [];
  });
}

/** A segment that has become empty goes, as no segment may be (RFC 7606 §7.2). */
function mapAsNumbers(
  path: readonly AsPathSegment[],
  map: (asNumber: number) => readonly number[],
): readonly AsPathSegment[] {
  return path
    .map(({ type, asNumbers }) => ({ type, asNumbers: asNumbers.flatMap(map) }))
    .filter(({ asNumbers }) => asNumbers.length > 0);
}
