/** How full pools and blocks are. */
import { isKnown } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';
import type { IPAMBlock } from '../model/kinds/ipam-block.ts';
import type { IPPool } from '../model/kinds/ip-pool.ts';
import type { IPReservation } from '../model/kinds/ip-reservation.ts';
import { netPrefix } from '../model/fields.ts';
import { type Prefix, prefixContains, prefixRange } from '../net/prefix.ts';
import { allocationsOf } from './block.ts';

export interface Usage {
  readonly cidr: Prefix;
  /** Numbers of addresses. */
  readonly total: bigint;
  readonly inUse: bigint;
  /** Kept back by an IPReservation, and not in use all the same. */
  readonly reserved: bigint;
  readonly free: bigint;
}

export interface PoolUsage extends Usage {
  readonly name: string;
  readonly blocks: readonly Usage[];
}

export interface UsageReport {
  readonly pools: readonly PoolUsage[];
  /** Blocks that lie in no pool: of one that was deleted. */
  readonly orphans: readonly Usage[];
}

/** Of pools, blocks and reservations; other resources are passed over. */
export function usageOf(resources: readonly Resource[]): UsageReport {
  const known = resources.filter(isKnown);
  const pools = known.filter((resource): resource is IPPool => resource.kind === 'IPPool');
  const blocks = known.filter((resource): resource is IPAMBlock => resource.kind === 'IPAMBlock');
  const reservations = known.filter(
    (resource): resource is IPReservation => resource.kind === 'IPReservation',
  );
  const reserved = largest(reservations.flatMap(({ spec }) => (spec.reservedCIDRs ?? []).map(netPrefix)));
  const inside = (pool: IPPool): IPAMBlock[] =>
    blocks.filter(({ spec }) => prefixContains(pool.spec.cidr, spec.cidr));
  const homeless = blocks.filter(
    ({ spec }) => !pools.some((pool) => prefixContains(pool.spec.cidr, spec.cidr)),
  );
  return {
    pools: pools
      .toSorted((a, b) => compare(a.spec.cidr, b.spec.cidr))
      .map((pool) => ({
        name: pool.metadata.name,
        ...usage(pool.spec.cidr, inside(pool), reserved),
        blocks: blockUsages(inside(pool), reserved),
      })),
    orphans: blockUsages(homeless, reserved),
  };
}

function blockUsages(blocks: readonly IPAMBlock[], reserved: readonly Prefix[]): Usage[] {
  return blocks
    .toSorted((a, b) => compare(a.spec.cidr, b.spec.cidr))
    .map((block) => usage(block.spec.cidr, [block], reserved));
}

function usage(cidr: Prefix, blocks: readonly IPAMBlock[], reservations: readonly Prefix[]): Usage {
  const { first, last } = prefixRange(cidr);
  const total = last - first + 1n;
  const addresses = blocks.flatMap((block) => allocationsOf(block).map(({ address }) => address));
  let reserved = 0n;
  for (const reservation of reservations) {
    const [inner, outer] = prefixContains(cidr, reservation) ? [reservation, cidr] : [cidr, reservation];
    if (!prefixContains(outer, inner)) continue;
    const range = prefixRange(inner);
    const used = addresses.filter((address) => prefixContains(inner, address)).length;
    reserved += range.last - range.first + 1n - BigInt(used);
  }
  const inUse = BigInt(addresses.length);
  return { cidr, total, inUse, reserved, free: total - inUse - reserved };
}

/** Without those that lie in another: what remains is disjoint. */
function largest(prefixes: readonly Prefix[]): Prefix[] {
  return [...new Set(prefixes)].filter(
    (prefix, _, all) => !all.some((other) => other !== prefix && prefixContains(other, prefix)),
  );
}

/** IPv4 first, then by address. */
function compare(a: Prefix, b: Prefix): number {
  const families = Number(a.includes(':')) - Number(b.includes(':'));
  if (families !== 0) return families;
  const [first, second] = [prefixRange(a).first, prefixRange(b).first];
  return first < second ? -1 : first > second ? 1 : 0;
}
