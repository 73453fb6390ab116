/** Every name of a set, and the sets that every table has. */
import { createHash } from 'node:crypto';
import type { Direction, SetId } from '../../calc/output.ts';
import type { Family } from '../../net/address.ts';
import { hostDiscoveryTypes, workloadDiscoveryTypes } from '../../net/icmpv6.ts';
import type { DataTypeName } from '../datatype.ts';
import { commentText, fittingText } from '../names.ts';
import type { Element, NamedSet, SetReference, SetValue } from '../ruleset.ts';

export function addressType(family: Family): DataTypeName {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr';
}

/**
 * How a set holds its members: a set of addresses is a hash until the first of its members is a network, which only
 * an interval set can hold.
 */
export type SetShape = 'hosts' | 'networks' | 'ports';

const SHAPE_LETTERS: Readonly<Record<SetShape, string>> = { hosts: 'h', networks: 'n', ports: 'p' };

/** 66 bits, so that nobody finds a selector whose set has the name of another's. */
const HASH_LETTERS = 11;

/** What of the selector a rule shows; the set's comment says all of it. */
const LONGEST_TEXT = 40;

/**
 * The family's half of a set that the calculation keeps: a hash, then for people what it is of. To find a set, or to
 * see that there is none yet, the kernel compares the names of all sets before it (nf_tables_api.c, nft_set_lookup and
 * nf_tables_set_alloc_name), each up to the first letter that differs. With thousands of sets a beginning that many
 * share costs a cold start a quarter of its time.
 */
export function calculatedSetName(shape: SetShape, id: SetId, family: Family): string {
  const hash = createHash('sha256').update(id).digest('base64url').slice(0, HASH_LETTERS);
  return `${SHAPE_LETTERS[shape]}${family}-${hash}-${fittingText(id, LONGEST_TEXT)}`;
}

export function calculatedSet(shape: SetShape, id: SetId, family: Family, description: string): NamedSet {
  const address = addressType(family);
  return {
    name: calculatedSetName(shape, id, family),
    type: shape === 'ports' ? [address, 'inet_proto', 'inet_service'] : [address],
    interval: shape === 'networks',
    verdicts: false,
    comment: commentText(description),
  };
}

function fixedSet(
  set: Omit<NamedSet, 'interval' | 'verdicts'>,
  keys: readonly (number | string)[],
): SetValue {
  const elements = keys.map((key): Element => ({ key: String(key) }));
  return { ...set, interval: false, verdicts: false, elements };
}

/** Protocols whose header starts with ports: TCP, UDP, SCTP, UDP-Lite. */
export const PORT_PROTOCOLS: ReadonlyMap<number, 'tcp' | 'udp' | 'sctp' | 'udplite'> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
  [136, 'udplite'],
]);

export const PORT_PROTOCOL_SET = fixedSet(
  { name: 'port-protocols', type: ['inet_proto'], comment: 'protocols that have ports' },
  [...PORT_PROTOCOLS.keys()],
);

export const NEIGHBOUR_DISCOVERY_SET = fixedSet(
  {
    name: 'neighbour-discovery',
    type: ['icmpv6_type'],
    comment: 'ICMPv6 that the host must get from workloads',
  },
  workloadDiscoveryTypes,
);

export const HOST_DISCOVERY_SET = fixedSet(
  {
    name: 'host-discovery',
    type: ['icmpv6_type'],
    comment: 'ICMPv6 without which a host has no IPv6',
  },
  hostDiscoveryTypes,
);

/** Interface to chain, for packets from workloads and to workloads. */
export const DISPATCH_SETS: Readonly<Record<Direction, NamedSet>> = {
  egress: {
    name: 'from-workload-dispatch',
    type: ['ifname'],
    interval: false,
    verdicts: true,
    comment: 'egress policy by workload interface',
  },
  ingress: {
    name: 'to-workload-dispatch',
    type: ['ifname'],
    interval: false,
    verdicts: true,
    comment: 'ingress policy by workload interface',
  },
};

/** What the profiles of grouped endpoints come to (endpoint-places.ts). */
export const PROFILE_VERDICT_SETS: Readonly<Record<Direction, NamedSet>> = {
  egress: {
    name: 'from-workload-profiles',
    type: ['ifname'],
    interval: false,
    verdicts: true,
    counters: true,
    comment: 'what no tier decides, by workload interface',
  },
  ingress: {
    name: 'to-workload-profiles',
    type: ['ifname'],
    interval: false,
    verdicts: true,
    counters: true,
    comment: 'what no tier decides, by workload interface',
  },
};

/** How chains of groups of endpoints begin. */
export const GROUP_PREFIXES: Readonly<Record<Direction, string>> = {
  egress: 'fw-group-',
  ingress: 'tw-group-',
};
const GROUP_SET_PREFIXES: Readonly<Record<Direction, string>> = {
  egress: 'from-workload-group-',
  ingress: 'to-workload-group-',
};

/** The interfaces of the endpoints that a group's chain is about. */
export function groupSet(
  direction: Direction,
  chain: string,
  tiers: readonly { readonly name: string }[] = [],
): NamedSet {
  const names = tiers.map(({ name }) => name).join(', ');
  return {
    name: GROUP_SET_PREFIXES[direction] + chain.slice(GROUP_PREFIXES[direction].length),
    type: ['ifname'],
    interval: false,
    verdicts: false,
    comment: commentText(`workload interfaces with ${direction} tiers: ${names === '' ? 'none' : names}`),
  };
}

/** Which interface of the host a packet is told by. */
export const INTERFACE_FIELDS = {
  egress: { meta: { key: 'iifname' } },
  ingress: { meta: { key: 'oifname' } },
} as const;

/** Which addresses each workload may send from. */
export function sourceSet(family: Family): NamedSet {
  return {
    name: `workload-sources${family}`,
    type: ['ifname', addressType(family)],
    interval: false,
    verdicts: false,
    comment: 'addresses that workloads may send from',
  };
}

export function reference(set: { readonly name: string }): SetReference {
  return `@${set.name}`;
}
