/** Classic BPF programs for sockets (SO_ATTACH_FILTER of socket(7)): what they drop never reaches the process. */
import type { Family } from '../net/address.ts';
import { attachFilter } from './libc.ts';

/** include/uapi/linux/bpf_common.h: BPF_LD | BPF_W or BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K. */
const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
/** SKF_NET_OFF of include/uapi/linux/filter.h: offsets from here count from the IP header. */
const NETWORK_HEADER = 0xfff0_0000;
const WHOLE_PACKET = 0xffff_ffff;
const NEXT_HEADER_ICMPV6 = 58;

/** Where they stand in the IP header (RFC 791 §3.1, RFC 8200 §3). */
const TIME_TO_LIVE: Readonly<Record<Family, number>> = { 4: 8, 6: 7 };
const NEXT_HEADER = 6;
const IPV6_PAYLOAD = 40;
/** `nlmsg_pid` in the header of a netlink message (linux/netlink.h). */
const NETLINK_PORT_ID = 12;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** A byte of the packet, counted from the IP header, and what it may be. */
interface Condition {
  readonly offset: number;
  readonly values: readonly number[];
}

/**
 * Drops datagrams that have not exactly this TTL or hop limit: what `minimumTimeToLive` is for TCP, which is all that the
 * kernel knows IP_MINTTL for. Throws a KernelError.
 */
export function onlyTimeToLive(fd: number, family: Family, value: number): void {
  attach(fd, [{ offset: TIME_TO_LIVE[family], values: [value] }]);
}

/** Lets only ICMPv6 of these types and this hop limit in; extension headers are not looked behind. */
export function onlyIcmpv6(fd: number, hopLimit: number, types: readonly number[]): void {
  attach(fd, [
    { offset: NEXT_HEADER, values: [NEXT_HEADER_ICMPV6] },
    { offset: TIME_TO_LIVE[6], values: [hopLimit] },
    { offset: IPV6_PAYLOAD, values: types },
  ]);
}

/** Lets nothing in. */
export function onlyNothing(fd: number): void {
  attach(fd, [{ offset: 0, values: [] }]);
}

/**
 * Drops what the kernel tells a netlink socket of changes that the socket of this port id asked for. What is told in
 * one datagram is one change.
 */
export function nothingOfPort(fd: number, portId: number): void {
  const asLoaded = Buffer.alloc(4);
  asLoaded.writeUInt32LE(portId);
  load(fd, [
    [LOAD_WORD, 0, 0, NETLINK_PORT_ID],
    [JUMP_IF_EQUAL, 0, 1, asLoaded.readUInt32BE()],
    [RETURN, 0, 0, 0],
    [RETURN, 0, 0, WHOLE_PACKET],
  ]);
}

function attach(fd: number, conditions: readonly Condition[]): void {
  const program: Instruction[] = [];
  for (const { offset, values } of conditions) {
    program.push([LOAD_BYTE, 0, 0, NETWORK_HEADER + offset]);
    // A match goes past the other comparisons and the end that drops.
    for (const [index, value] of values.entries())
      program.push([JUMP_IF_EQUAL, values.length - index, 0, value]);
    program.push([RETURN, 0, 0, 0]);
  }
  program.push([RETURN, 0, 0, WHOLE_PACKET]);
  load(fd, program);
}

function load(fd: number, program: readonly Instruction[]): void {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes[index * 8 + 2] = ifTrue;
    bytes[index * 8 + 3] = ifFalse;
    bytes.writeUInt32LE(operand, index * 8 + 4);
  }
  attachFilter(fd, bytes);
}
