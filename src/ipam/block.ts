/**
 * What a block of addresses says, and what it says after a release (libcalico-go `lib/ipam/ipam_block.go`). Pure: the
 * compare-and-swap around it is in release.ts.
 */
import { type Address, familyOf } from '../net/address.ts';
import { type Prefix, addressAt, prefixContains, prefixRange } from '../net/prefix.ts';
import { addressToInteger } from '../net/address.ts';
import type { IPAMBlock, SequenceNumber } from '../model/kinds/ipam-block.ts';

/** An address of a block that is not free. */
export interface Allocation {
  readonly address: Address;
  /** Its place in the block. */
  readonly ordinal: number;
  /** Of its owner, if it was assigned with one. */
  readonly handle: string | undefined;
  /** Facts about the owner: `node`, `namespace`, `pod`, `type`, `timestamp`. */
  readonly owner: Readonly<Record<string, string>>;
  /** Facts about a second owner, during a live migration. */
  readonly alternateOwner: Readonly<Record<string, string>>;
  /** When it was released, if it waits until it may be assigned again (RFC 3339). */
  readonly releasedAt: string | undefined;
  /** Of the write that assigned it: tells an assignment from a later one of the same address. */
  readonly sequenceNumber: SequenceNumber | undefined;
}

/** All that is not free, in the order of addresses. Places that the block does not describe are left out. */
export function allocationsOf({ spec }: IPAMBlock): Allocation[] {
  return spec.allocations.flatMap((place, ordinal) => {
    const attribute = place === null ? undefined : spec.attributes?.[place];
    const address = addressAt(spec.cidr, BigInt(ordinal));
    if (attribute === undefined || address === undefined) return [];
    return {
      address,
      ordinal,
      handle: attribute.handle_id ?? undefined,
      owner: attribute.secondary ?? {},
      alternateOwner: attribute.alternateOwnerAttrs ?? {},
      releasedAt: attribute.releasedAt ?? undefined,
      sequenceNumber: spec.sequenceNumberForAllocation?.[String(ordinal)],
    };
  });
}

/** The place of an address in a block; undefined if it is not of the block. */
export function ordinalOf(cidr: Prefix, address: Address): number | undefined {
  if (familyOf(cidr) !== familyOf(address) || !prefixContains(cidr, address)) return undefined;
  return Number(addressToInteger(address) - prefixRange(cidr).first);
}

/** The node whose block it is; undefined for nobody's and for a virtual holder's (load balancers). */
export function nodeOf({ spec }: IPAMBlock): string | undefined {
  return /^host:(.+)$/.exec(spec.affinity ?? '')?.[1];
}

/** Whether no address is assigned. */
export function isUnused({ spec }: IPAMBlock): boolean {
  return spec.allocations.every((place) => place === null);
}

/**
 * The block after some of its addresses were released. They go to the end of the queue of free ones; with
 * `releasedAt` they only begin to cool down, and IPAM frees them later.
 */
export function withReleased(block: IPAMBlock, ordinals: readonly number[], releasedAt?: string): IPAMBlock {
  const { spec } = block;
  const allocations = [...spec.allocations];
  const attributes = [...(spec.attributes ?? [])];
  const numbers = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) {
    const attribute = attributes[allocations[ordinal] ?? -1];
    if (releasedAt !== undefined && attribute !== undefined) {
      // The others of the same owner keep theirs.
      allocations[ordinal] = attributes.push({ ...attribute, releasedAt }) - 1;
    } else {
      allocations[ordinal] = null;
      delete numbers[String(ordinal)];
    }
  }
  const used = [...new Set(allocations.filter((place) => place !== null))].toSorted((a, b) => a - b);
  const freed = releasedAt === undefined ? ordinals : [];
  return {
    ...block,
    spec: {
      ...spec,
      allocations: allocations.map((place) => (place === null ? null : used.indexOf(place))),
      unallocated: [...(spec.unallocated ?? []), ...freed],
      attributes: used.map((place) => attributes[place]!),
      sequenceNumber: following(spec.sequenceNumber),
      sequenceNumberForAllocation: numbers,
    },
  };
}

function following(number: SequenceNumber): SequenceNumber {
  const next = BigInt(number) + 1n;
  return next <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(next) : String(next);
}
