/** Every name of a set, and the sets that every table has. */
import type { SetId, SetKind } from '../../calc/output.ts';
import type { Family } from '../../net/address.ts';
import type { DataTypeName } from '../datatype.ts';
import { commentText, objectName } from '../names.ts';
import type { Element, NamedSet, SetReference, SetValue } from '../ruleset.ts';

export function addressType(family: Family): DataTypeName {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr';
}

const KIND_PREFIXES: Readonly<Record<SetKind, string>> = {
  addresses: 'addresses',
  'named-port': 'named-port',
};

/** The family's half of a set that the calculation keeps. */
export function calculatedSetName(kind: SetKind, id: SetId, family: Family): string {
  return objectName(`${KIND_PREFIXES[kind]}${family}-`, id);
}

export function calculatedSet(kind: SetKind, id: SetId, family: Family, description: string): NamedSet {
  const address = addressType(family);
  return {
    name: calculatedSetName(kind, id, family),
    type: kind === 'addresses' ? [address] : [address, 'inet_proto', 'inet_service'],
    interval: kind === 'addresses',
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

/**
 * ICMPv6 that a host must get from its workloads for IPv6 to work: multicast listener query, report and done
 * (RFC 2710), router and neighbour solicitation, neighbour advertisement (RFC 4861). Not router advertisement: a
 * workload is no router.
 */
export const NEIGHBOUR_DISCOVERY_SET = fixedSet(
  {
    name: 'neighbour-discovery',
    type: ['icmpv6_type'],
    comment: 'ICMPv6 that the host must get from workloads',
  },
  [130, 131, 132, 133, 135, 136],
);

/** Interface to chain, for packets from workloads and to workloads. */
export const DISPATCH_SETS: Readonly<Record<'egress' | 'ingress', NamedSet>> = {
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
