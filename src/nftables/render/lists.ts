/** Lists of a rule (prefixes, ports) as the disjoint ranges that interval sets want, and the sets that hold them. */
import type { PortRange } from '../../calc/output.ts';
import { type Family, addressBits, addressFromInteger } from '../../net/address.ts';
import { type Prefix, prefixRange } from '../../net/prefix.ts';
import { commentText, shortHash } from '../names.ts';
import type { SetValue } from '../ruleset.ts';
import { addressType } from './set-names.ts';

/** Sorts ranges and joins those that overlap or touch. */
function joinRanges<N extends number | bigint>(
  ranges: readonly { readonly first: N; readonly last: N }[],
  next: (value: N) => N,
): { first: N; last: N }[] {
  const joined: { first: N; last: N }[] = [];
  for (const { first, last } of ranges.toSorted((a, b) =>
    a.first < b.first ? -1 : Number(a.first > b.first),
  )) {
    const previous = joined.at(-1);
    if (previous === undefined || first > next(previous.last)) joined.push({ first, last });
    else if (last > previous.last) previous.last = last;
  }
  return joined;
}

/** The fewest prefixes that hold the same addresses, sorted. All are of `family`. */
export function joinPrefixes(prefixes: readonly Prefix[], family: Family): Prefix[] {
  const bits = addressBits(family);
  return joinRanges(prefixes.map(prefixRange), (value) => value + 1n).flatMap(({ first, last }) => {
    const split: Prefix[] = [];
    for (let start = first; start <= last;) {
      let hostBits = bits as number;
      while (start % (1n << BigInt(hostBits)) !== 0n || start + (1n << BigInt(hostBits)) - 1n > last)
        hostBits--;
      split.push(`${addressFromInteger(family, start)}/${bits - hostBits}` as Prefix);
      start += 1n << BigInt(hostBits);
    }
    return split;
  });
}

/** The fewest ranges that hold the same ports, sorted. */
export function joinPorts(ports: readonly PortRange[]): PortRange[] {
  return joinRanges(ports, (value) => value + 1);
}

/** A set named by its content, so that equal lists share one. */
export function prefixListSet(prefixes: readonly Prefix[], family: Family): SetValue {
  const content = prefixes.join(', ');
  return {
    name: `nets${family}-${shortHash(content)}`,
    type: [addressType(family)],
    interval: true,
    verdicts: false,
    comment: commentText(content),
    elements: prefixes.map((key) => ({ key })),
  };
}

/** See {@link prefixListSet}. */
export function portListSet(ports: readonly PortRange[]): SetValue {
  const keys = ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`));
  const content = keys.join(', ');
  return {
    name: `ports-${shortHash(content)}`,
    type: ['inet_service'],
    interval: true,
    verdicts: false,
    comment: commentText(content),
    elements: keys.map((key) => ({ key })),
  };
}
