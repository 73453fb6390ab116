/** The first packet of a connection, as far as policy looks at it. */
import type { Address } from '../net/address.ts';

/** What is left out is not known: rules that look at it neither match nor miss. */
export interface Packet {
  readonly source: Address;
  /** Of the same family. */
  readonly destination: Address;
  /** IANA protocol number. */
  readonly protocol: number;
  /** Of protocols that have ports only. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of ICMP and ICMPv6 only. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** Protocols whose header starts with two ports: TCP, UDP, SCTP, UDP-Lite. */
export const portProtocols: ReadonlySet<number> = new Set([6, 17, 132, 136]);

/** The ICMP of a family (RFC 792, RFC 4443). */
export const icmpProtocols = { 4: 1, 6: 58 } as const;
