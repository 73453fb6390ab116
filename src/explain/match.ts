/**
 * One compiled rule against one packet, field by field. The meaning is that of `nftables/render/rule.ts`: fields are
 * ANDed; a rule that constrains ports is about packets that have ports, one that constrains ICMP about ICMP packets
 * of the packet's family.
 */
import type { CompiledPeer, CompiledRule, PortRange } from '../calc/output.ts';
import { isServiceSet } from '../calc/set-definition.ts';
import { type Address, familyOf } from '../net/address.ts';
import { prefixContains } from '../net/prefix.ts';
import { type Packet, icmpProtocols, portProtocols } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

export type Side = 'source' | 'destination';

/** Names are those of a rule's fields in a policy resource; `selector` stands for all that selects by label. */
export type MatchField =
  | 'ipVersion'
  | 'protocol'
  | 'notProtocol'
  | 'icmp'
  | 'notICMP'
  | `${Side}.${'nets' | 'notNets' | 'selector' | 'notSelector' | 'services' | 'ports' | 'notPorts'}`;

export type Outcome = 'hit' | 'miss' | 'unknown';

/** One field that a rule constrains. */
export interface FieldCheck {
  readonly field: MatchField;
  readonly outcome: Outcome;
  /** What the rule wants there, in words. */
  readonly wanted: string;
  /** What the packet has there, in words. */
  readonly found: string;
}

export interface RuleMatch {
  readonly outcome: Outcome;
  /** Every field that the rule constrains, in the order of comparison. */
  readonly checks: readonly FieldCheck[];
}

/** Compares a packet with a rule. */
export function matchRule(rule: CompiledRule, packet: Packet, state: PolicyState): RuleMatch {
  const checks = [...packetChecks(rule, packet), ...sideChecks(rule, packet, state)];
  const outcome = checks.some((check) => check.outcome === 'miss')
    ? 'miss'
    : checks.some((check) => check.outcome === 'unknown')
      ? 'unknown'
      : 'hit';
  return { outcome, checks };
}

const decided = (hit: boolean): Outcome => (hit ? 'hit' : 'miss');

function* packetChecks(rule: CompiledRule, packet: Packet): Generator<FieldCheck> {
  const family = familyOf(packet.source);
  const { ipVersion, protocol, notProtocol, icmp, notIcmp } = rule;
  const found = protocolText(packet.protocol);
  if (ipVersion !== undefined) {
    const outcome = decided(ipVersion === family);
    yield { field: 'ipVersion', outcome, wanted: `IPv${ipVersion}`, found: `IPv${family}` };
  }
  if (protocol !== undefined) {
    const outcome = decided(protocol === packet.protocol);
    yield { field: 'protocol', outcome, wanted: protocolText(protocol), found };
  }
  if (notProtocol !== undefined) {
    const outcome = decided(notProtocol !== packet.protocol);
    yield { field: 'notProtocol', outcome, wanted: `not ${protocolText(notProtocol)}`, found };
  }
  const isIcmp = packet.protocol === icmpProtocols[family];
  for (const [field, match] of [
    ['icmp', icmp],
    ['notICMP', notIcmp],
  ] as const) {
    if (match === undefined) continue;
    const wanted = `type ${match.type}${match.code === undefined ? '' : ` code ${match.code}`}`;
    const facts = { field, wanted: field === 'icmp' ? wanted : `not ${wanted}` };
    if (!isIcmp) {
      yield { ...facts, outcome: 'miss', found: `${found} is not the ICMP of IPv${family}` };
    } else if (packet.icmp === undefined) {
      yield { ...facts, outcome: 'unknown', found: 'type and code are not given' };
    } else {
      const { type, code } = packet.icmp;
      const same = type === match.type && (match.code === undefined || code === match.code);
      yield { ...facts, outcome: decided(same === (field === 'icmp')), found: `type ${type} code ${code}` };
    }
  }
}

function* sideChecks(rule: CompiledRule, packet: Packet, state: PolicyState): Generator<FieldCheck> {
  for (const side of ['source', 'destination'] as const) {
    yield* addressChecks(side, rule[side], packet[side], state);
    yield* portChecks(side, rule[side], packet, state);
  }
}

function* addressChecks(
  side: Side,
  peer: CompiledPeer,
  address: Address,
  state: PolicyState,
): Generator<FieldCheck> {
  const inSome = (nets: CompiledPeer['nets']): boolean => nets.some((net) => prefixContains(net, address));
  if (peer.nets.length > 0) {
    const outcome = decided(inSome(peer.nets));
    yield { field: `${side}.nets`, outcome, wanted: `in ${list(peer.nets)}`, found: address };
  }
  if (peer.notNets.length > 0) {
    const outcome = decided(!inSome(peer.notNets));
    yield { field: `${side}.notNets`, outcome, wanted: `not in ${list(peer.notNets)}`, found: address };
  }
  const found = state.describeAddress(address);
  for (const id of peer.sets) {
    const outcome = decided(state.holdsAddress(id, address));
    const field = isServiceSet(id) ? (`${side}.services` as const) : (`${side}.selector` as const);
    yield { field, outcome, wanted: state.describeSet(id), found };
  }
  for (const id of peer.notSets) {
    const outcome = decided(!state.holdsAddress(id, address));
    yield { field: `${side}.notSelector`, outcome, wanted: `not ${state.describeSet(id)}`, found };
  }
}

function* portChecks(
  side: Side,
  peer: CompiledPeer,
  packet: Packet,
  state: PolicyState,
): Generator<FieldCheck> {
  const address = packet[side];
  const port = side === 'source' ? packet.sourcePort : packet.destinationPort;
  for (const [field, ranges, sets, negated] of [
    [`${side}.ports`, peer.ports, peer.namedPortSets, false],
    [`${side}.notPorts`, peer.notPorts, peer.notNamedPortSets, true],
  ] as const) {
    if (ranges.length === 0 && sets.length === 0) continue;
    const names = [...ranges.map(rangeText), ...sets.map((id) => state.describeSet(id))];
    const isService = sets.some(isServiceSet);
    const facts = {
      field: isService ? (`${side}.services` as const) : field,
      wanted: `${negated ? 'not ' : ''}${list(names)}`,
    };
    if (!portProtocols.has(packet.protocol)) {
      yield { ...facts, outcome: 'miss', found: `${protocolText(packet.protocol)} has no ports` };
    } else if (port === undefined) {
      yield { ...facts, outcome: 'unknown', found: 'port is not given' };
    } else {
      const held =
        ranges.some(({ first, last }) => first <= port && port <= last) ||
        sets.some((id) => state.holdsPort(id, address, packet.protocol, port));
      const found = isService ? `${state.describeAddress(address)} port ${port}` : String(port);
      yield { ...facts, outcome: decided(held !== negated), found };
    }
  }
}

const protocolNames: ReadonlyMap<number, string> = new Map([
  [1, 'ICMP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [58, 'ICMPv6'],
  [132, 'SCTP'],
  [136, 'UDPLite'],
]);

/** Its name, or `protocol N`. */
export function protocolText(protocol: number): string {
  return protocolNames.get(protocol) ?? `protocol ${protocol}`;
}

function rangeText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}:${last}`;
}

const shownMembers = 4;

function list(items: readonly string[]): string {
  const shown = items.slice(0, shownMembers).join(', ');
  return items.length > shownMembers ? `${shown} and ${items.length - shownMembers} more` : shown;
}
