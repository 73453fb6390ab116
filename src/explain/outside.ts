/**
 * Addresses of no workload and no node, in the parts that policy can tell apart: two addresses are of one part if every
 * list and set of every rule has both or neither. Found by one sweep over where the prefixes begin and end.
 */
import type { CompiledPeer } from '../calc/output.ts';
import {
  type Address,
  type Family,
  addressBits,
  addressBytes,
  addressFromInteger,
  familyOf,
} from '../net/address.ts';
import { type Prefix, hostPrefix, prefixFromBytes, prefixRange } from '../net/prefix.ts';
import type { PolicyState } from './policy-state.ts';
import { portSetPrefix } from './representatives.ts';

export interface OutsidePart {
  /** `outside` if nothing tells outside addresses apart, `rest of outside` for the largest part, or its CIDRs. */
  readonly name: string;
  /** One address that stands for all. */
  readonly address: Address;
}

/** What all parts together are called. */
export const outside = 'outside';
const mostNamed = 3;

/** The parts of a family that any of the states tells apart, without the addresses `inside`. */
export function outsideParts(
  family: Family,
  states: readonly PolicyState[],
  inside: Iterable<Address>,
): OutsidePart[] {
  const sweep = new Sweep(family);
  const within = sweep.add([...inside].map(hostPrefix));
  for (const state of states) for (const list of listsOf(state)) sweep.add(list);
  const parts = sweep.parts(within);
  const largest = parts.reduce((a, b) => (sizeOf(b) > sizeOf(a) ? b : a), parts[0]!);
  return parts.map((ranges) => ({
    name:
      parts.length === 1 ? outside : ranges === largest ? `rest of ${outside}` : rangeNames(family, ranges),
    address: addressFromInteger(family, ranges[0]!.first),
  }));
}

interface Range {
  readonly first: bigint;
  last: bigint;
}

class Sweep {
  /** By address, the lists that one more or one less prefix is of from there on. */
  private readonly steps = new Map<bigint, [list: number, by: 1 | -1][]>();
  private lists = 0;
  private readonly end: bigint;

  constructor(private readonly family: Family) {
    this.end = 1n << BigInt(addressBits(family));
    this.steps.set(0n, []);
  }

  /** The number of the list. */
  add(prefixes: Iterable<Prefix>): number {
    const list = this.lists++;
    for (const one of prefixes) {
      if (familyOf(one) !== this.family) continue;
      const { first, last } = prefixRange(one);
      this.step(first, [list, 1]);
      this.step(last + 1n, [list, -1]);
    }
    return list;
  }

  /** Ranges with the same lists, for each combination of lists without `without`. */
  parts(without: number): Range[][] {
    const depths = new Map<number, number>();
    const parts = new Map<string, Range[]>();
    const starts = [...this.steps.keys()].filter((at) => at < this.end).toSorted((a, b) => (a < b ? -1 : 1));
    for (const [index, first] of starts.entries()) {
      for (const [list, by] of this.steps.get(first)!) {
        const depth = (depths.get(list) ?? 0) + by;
        if (depth === 0) depths.delete(list);
        else depths.set(list, depth);
      }
      if (depths.has(without)) continue;
      const key = [...depths.keys()].toSorted((a, b) => a - b).join();
      const last = (starts[index + 1] ?? this.end) - 1n;
      const ranges = parts.get(key);
      const previous = ranges?.at(-1);
      if (ranges === undefined) parts.set(key, [{ first, last }]);
      else if (previous?.last === first - 1n) previous.last = last;
      else ranges.push({ first, last });
    }
    return [...parts.values()];
  }

  private step(at: bigint, change: [list: number, by: 1 | -1]): void {
    const steps = this.steps.get(at);
    if (steps === undefined) this.steps.set(at, [change]);
    else steps.push(change);
  }
}

/** Every list of prefixes that a rule may ask about. */
function* listsOf(state: PolicyState): Generator<Iterable<Prefix>> {
  const sets = new Set<string>();
  for (const { ingress, egress } of [...state.policies.values(), ...state.profiles.values()]) {
    for (const { source, destination } of [...ingress, ...egress]) {
      for (const peer of [source, destination]) yield* listsOfPeer(peer, state, sets);
    }
  }
}

function* listsOfPeer(
  { nets, notNets, ...peer }: CompiledPeer,
  state: PolicyState,
  seen: Set<string>,
): Generator<Iterable<Prefix>> {
  for (const list of [nets, notNets]) if (list.length > 0) yield list;
  for (const id of [...peer.sets, ...peer.notSets]) {
    if (!seen.has(id)) yield state.members(id) as Iterable<Prefix>;
    seen.add(id);
  }
  for (const id of [...peer.namedPortSets, ...peer.notNamedPortSets]) {
    if (!seen.has(id)) {
      // Each port of an address is a member of its own, and what has one may not have the other.
      const byPort = new Map<string, Prefix[]>();
      for (const member of state.members(id)) {
        const port = member.slice(member.indexOf(','));
        const held = byPort.get(port);
        if (held === undefined) byPort.set(port, [portSetPrefix(member)]);
        else held.push(portSetPrefix(member));
      }
      yield* byPort.values();
    }
    seen.add(id);
  }
}

function sizeOf(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
}

function rangeNames(family: Family, ranges: readonly Range[]): string {
  const names: string[] = [];
  for (const range of ranges) {
    for (const name of prefixesOfRange(family, range)) {
      names.push(name);
      // Their number says nothing that the first few do not.
      if (names.length > mostNamed) return `${names.slice(0, mostNamed).join(' ')} …`;
    }
  }
  return names.join(' ');
}

/** The fewest prefixes that are exactly the range. */
function* prefixesOfRange(family: Family, { first, last }: Range): Generator<Prefix> {
  const bits = addressBits(family);
  let at = first;
  while (at <= last) {
    let length = bits;
    let size = 1n;
    while (length > 0 && at % (size * 2n) === 0n && at + size * 2n - 1n <= last) {
      size *= 2n;
      length--;
    }
    yield prefixFromBytes(addressBytes(addressFromInteger(family, at)), length);
    at += size;
  }
}
