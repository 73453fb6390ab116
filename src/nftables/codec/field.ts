/** How each packet field is loaded into a register. */
import type { Field } from '../ruleset.ts';
import type { Instruction } from './instruction.ts';

export interface FieldLayout {
  /** What reads the field into a register. */
  load(dreg: number): Instruction;
  /** Bytes. */
  readonly length: number;
  readonly kind: 'address' | 'number' | 'interface';
  /** Of a `number` in its register. */
  readonly order: 'big' | 'host';
  /** NFPROTO_* that must be established before the load means anything. */
  readonly nfproto?: number;
  /** IANA protocol that must be established before. */
  readonly l4proto?: number;
}

/** `enum nft_meta_keys` (linux/netfilter/nf_tables.h). */
export const META_KEYS = { mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const IPPROTO = { tcp: 6, udp: 17, sctp: 132, udplite: 136 } as const;
const ICMP = { icmp: { l4proto: 1, nfproto: 2 }, icmpv6: { l4proto: 58, nfproto: 10 } } as const;
const ADDRESS_OFFSETS = {
  ip: { saddr: 12, daddr: 16, length: 4, nfproto: 2 },
  ip6: { saddr: 8, daddr: 24, length: 16, nfproto: 10 },
} as const;
/** `enum nft_payload_bases`. */
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;

function payload(base: number, offset: number, length: number): (dreg: number) => Instruction {
  return (dreg) => ({ name: 'payload', dreg, base, offset, length });
}

/** The layout of a field of a match, a concatenation or a map lookup. */
export function fieldLayout(field: Field): FieldLayout {
  if ('meta' in field) return metaLayout(field.meta.key);
  const { payload: part } = field;
  if (part.protocol === 'ip' || part.protocol === 'ip6') {
    const { length, nfproto, ...offsets } = ADDRESS_OFFSETS[part.protocol];
    return {
      load: payload(NETWORK_HEADER, offsets[part.field], length),
      length,
      kind: 'address',
      order: 'big',
      nfproto,
    };
  }
  if (part.protocol === 'icmp' || part.protocol === 'icmpv6') {
    const load = payload(TRANSPORT_HEADER, part.field === 'type' ? 0 : 1, 1);
    return { load, length: 1, kind: 'number', order: 'big', ...ICMP[part.protocol] };
  }
  const load = payload(TRANSPORT_HEADER, part.field === 'sport' ? 0 : 2, 2);
  const needs = part.protocol === 'th' ? {} : { l4proto: IPPROTO[part.protocol] };
  return { load, length: 2, kind: 'number', order: 'big', ...needs };
}

function metaLayout(key: keyof typeof META_KEYS): FieldLayout {
  const load = (dreg: number): Instruction => ({ name: 'meta', key: META_KEYS[key], dreg });
  switch (key) {
    case 'iifname':
    case 'oifname':
      return { load, length: 16, kind: 'interface', order: 'host' };
    case 'mark':
      return { load, length: 4, kind: 'number', order: 'host' };
    case 'nfproto':
    case 'l4proto':
      return { load, length: 1, kind: 'number', order: 'big' };
    default:
      return key satisfies never;
  }
}
