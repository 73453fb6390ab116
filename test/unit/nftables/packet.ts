/**
 * A packet, what a policy rule says of it, read naively off calc/output.ts, and what rendered matches say of it, by a
 * small interpreter of the ruleset value.
 */
import type { CompiledPeer, CompiledRule, IcmpMatch } from '../../../src/calc/output.ts';
import { type Address, familyOf } from '../../../src/net/address.ts';
import { prefix, prefixContains } from '../../../src/net/prefix.ts';
import type { Element, Field, Match, SetValue, Value } from '../../../src/nftables/ruleset.ts';

export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: number;
  /** Meaningful for protocols with ports. */
  readonly sport: number;
  readonly dport: number;
  /** Meaningful for ICMP. */
  readonly icmpType: number;
  readonly icmpCode: number;
}

/** Members of calculated sets by id. */
export type Members = Readonly<Record<string, readonly string[]>>;

const WITH_PORTS = new Set([6, 17, 132, 136]);

/** Whether a rule matches, by the words of calc/output.ts. */
export function ruleMatches(rule: CompiledRule, packet: Packet, members: Members): boolean {
  const family = familyOf(packet.source);
  const peers: readonly (readonly [CompiledPeer, Address, number])[] = [
    [rule.source, packet.source, packet.sport],
    [rule.destination, packet.destination, packet.dport],
  ];
  if (rule.ipVersion !== undefined && rule.ipVersion !== family) return false;
  if (rule.protocol !== undefined && rule.protocol !== packet.protocol) return false;
  if (rule.notProtocol === packet.protocol) return false;
  if (rule.icmp !== undefined || rule.notIcmp !== undefined) {
    if (packet.protocol !== (family === 4 ? 1 : 58)) return false;
    if (rule.icmp !== undefined && !icmpIs(rule.icmp, packet)) return false;
    if (rule.notIcmp !== undefined && icmpIs(rule.notIcmp, packet)) return false;
  }
  const portsMatter = peers.some(
    ([peer]) =>
      peer.ports.length + peer.namedPortSets.length + peer.notPorts.length + peer.notNamedPortSets.length > 0,
  );
  if (portsMatter && !WITH_PORTS.has(packet.protocol)) return false;
  return peers.every(([peer, address, port]) => peerMatches(peer, address, packet.protocol, port, members));
}

function icmpIs({ type, code }: IcmpMatch, packet: Packet): boolean {
  return packet.icmpType === type && (code === undefined || packet.icmpCode === code);
}

function peerMatches(
  peer: CompiledPeer,
  address: Address,
  protocol: number,
  port: number,
  members: Members,
): boolean {
  const within = (nets: readonly string[]): boolean =>
    nets.some((net) => prefixContains(prefix(net), address));
  const inRanges = (ranges: CompiledPeer['ports']): boolean =>
    ranges.some(({ first, last }) => first <= port && port <= last);
  const named = (id: string): boolean => members[id]!.includes(`${address},${protocol},${port}`);
  if (peer.nets.length > 0 && !within(peer.nets)) return false;
  if (within(peer.notNets)) return false;
  if (!peer.sets.every((id) => within(members[id]!))) return false;
  if (peer.notSets.some((id) => within(members[id]!))) return false;
  if (peer.ports.length + peer.namedPortSets.length > 0) {
    if (!inRanges(peer.ports) && !peer.namedPortSets.some(named)) return false;
  }
  return !inRanges(peer.notPorts) && !peer.notNamedPortSets.some(named);
}

const L4_PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  udplite: 136,
  icmp: 1,
  icmpv6: 58,
};

/** Whether all matches of a rendered rule hold. */
export function matchesHold(matches: readonly Match[], packet: Packet, sets: readonly SetValue[]): boolean {
  return matches.every((match) => holds(match, packet, sets));
}

function holds(match: Match, packet: Packet, sets: readonly SetValue[]): boolean {
  if (match.op === 'in' || '&' in match.left || 'fib' in match.left) throw new Error('not in a policy rule');
  const fields = 'concat' in match.left ? match.left.concat : [match.left];
  // A payload that is not there breaks the rule, whatever the operator.
  const values = fields.map((field) => fieldValue(field, packet));
  if (values.includes(undefined)) return false;
  return compare(values as (string | number)[], match.right as Value, sets) === (match.op === '==');
}

function fieldValue(field: Field, packet: Packet): string | number | undefined {
  const family = familyOf(packet.source);
  if ('meta' in field) {
    if (field.meta.key === 'nfproto') return family === 4 ? 2 : 10;
    if (field.meta.key === 'l4proto') return packet.protocol;
    throw new Error('not in a policy rule');
  }
  const { payload } = field;
  if (payload.protocol === 'ip' || payload.protocol === 'ip6') {
    if (payload.protocol !== (family === 4 ? 'ip' : 'ip6')) return undefined;
    return payload.field === 'saddr' ? packet.source : packet.destination;
  }
  if (payload.protocol === 'icmp' || payload.protocol === 'icmpv6') {
    const bringsAlong = payload.protocol === (family === 4 ? 'icmp' : 'icmpv6');
    if (!bringsAlong || packet.protocol !== L4_PROTOCOLS[payload.protocol]) return undefined;
    return payload.field === 'type' ? packet.icmpType : packet.icmpCode;
  }
  const needed = L4_PROTOCOLS[payload.protocol];
  if (needed !== undefined && needed !== packet.protocol) return undefined;
  return payload.field === 'sport' ? packet.sport : packet.dport;
}

function compare(values: readonly (string | number)[], right: Value, sets: readonly SetValue[]): boolean {
  if (typeof right === 'string' && right.startsWith('@')) {
    const set = sets.find(({ name }) => name === right.slice(1));
    if (set === undefined) throw new Error(`no set ${right}`);
    return set.elements.some((element) => elementHolds(element, values));
  }
  const [value] = values;
  if (typeof right === 'object' && 'prefix' in right) {
    return prefixContains(prefix(`${right.prefix.addr}/${right.prefix.len}`), value as Address);
  }
  if (typeof right === 'object') return right.range[0] <= Number(value) && Number(value) <= right.range[1];
  return value === right;
}

function elementHolds({ key }: Element, values: readonly (string | number)[]): boolean {
  return key.split(',').every((field, index) => {
    const value = values[index]!;
    if (field.includes('/')) return prefixContains(prefix(field), value as Address);
    const [first, last] = field.split('-');
    if (last !== undefined) return Number(first) <= Number(value) && Number(value) <= Number(last);
    return field === String(value);
  });
}
