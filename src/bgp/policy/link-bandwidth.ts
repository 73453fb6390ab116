/**
 * The link bandwidth extended community (draft-ietf-idr-link-bandwidth §2): how much the way to a neighbour AS carries,
 * in octets a second, by which equal paths share traffic. Type 0x40 (or 0x00), subtype 4, two octets of AS number, a
 * 32-bit IEEE float.
 */
import type { PathAttributes } from '../wire/message.ts';

/** AS-specific, non-transitive and transitive (RFC 4360 §3.1), with the subtype. */
const NON_TRANSITIVE = 0x4004n;
const TRANSITIVE = 0x0004n;
const AS_TRANS = 23_456; // RFC 6793
/** The largest weight: fine enough for a percent. */
const SCALE = 100;

/** Octets a second; undefined if nothing is told. */
export function bandwidthOf({ extendedCommunities }: PathAttributes): number | undefined {
  const value = extendedCommunities?.find(isBandwidth);
  if (value === undefined) return undefined;
  const bandwidth = new DataView(new ArrayBuffer(4));
  bandwidth.setUint32(0, Number(value & 0xffff_ffffn));
  const octets = bandwidth.getFloat32(0);
  return Number.isFinite(octets) && octets > 0 ? octets : undefined;
}

/** Has the attributes say this bandwidth, in place of what they say. */
export function withBandwidth(attributes: PathAttributes, asNumber: number, octets: number): PathAttributes {
  const bandwidth = new DataView(new ArrayBuffer(4));
  bandwidth.setFloat32(0, octets);
  const shortAs = BigInt(asNumber > 0xffff ? AS_TRANS : asNumber);
  const value = (NON_TRANSITIVE << 48n) | (shortAs << 32n) | BigInt(bandwidth.getUint32(0));
  const others = attributes.extendedCommunities?.filter((community) => !isBandwidth(community)) ?? [];
  return { ...attributes, extendedCommunities: [...others, value] };
}

/** How paths of these bandwidths share traffic, as small whole numbers; alike if one of them says nothing. */
export function weightsOf(bandwidths: readonly (number | undefined)[]): number[] {
  const known = bandwidths.filter((bandwidth) => bandwidth !== undefined);
  if (known.length < bandwidths.length) return bandwidths.map(() => 1);
  const largest = Math.max(...known);
  const weights = known.map((bandwidth) => Math.max(1, Math.round((bandwidth / largest) * SCALE)));
  const divisor = weights.reduce(greatestCommonDivisor);
  return weights.map((weight) => weight / divisor);
}

function isBandwidth(community: bigint): boolean {
  const kind = community >> 48n;
  return kind === NON_TRANSITIVE || kind === TRANSITIVE;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
