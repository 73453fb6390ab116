/** Addresses that stand for all of a CIDR: policy can change only where a prefix of some rule or set begins or ends. */
import { ConfigError } from '../base/errors.ts';
import type { CompiledPeer } from '../calc/output.ts';
import { type Address, addressFromInteger, familyOf } from '../net/address.ts';
import { parsePrefix, prefixContains, prefixRange, type Prefix } from '../net/prefix.ts';
import type { PolicyState } from './policy-state.ts';

const most = 4096;

/** One address of every part of the CIDR that rules can tell apart. Throws a ConfigError if there are too many. */
export function representatives(text: string, state: PolicyState): Address[] {
  const cidr = parsePrefix(text)!;
  const family = familyOf(cidr);
  const { first, last } = prefixRange(cidr);
  const starts = new Set([first]);
  for (const prefix of prefixesIn(state)) {
    if (familyOf(prefix) !== family || !prefixContains(cidr, prefix)) continue;
    const range = prefixRange(prefix);
    starts.add(range.first);
    if (range.last < last) starts.add(range.last + 1n);
    if (starts.size > most) {
      throw new ConfigError('explain.cidr', `policy splits ${text} into more than ${most} parts`, {
        fix: 'ask about a smaller CIDR',
      });
    }
  }
  return [...starts].toSorted((a, b) => (a < b ? -1 : 1)).map((start) => addressFromInteger(family, start));
}

function* prefixesIn(state: PolicyState): Generator<Prefix> {
  for (const { ingress, egress } of [...state.policies.values(), ...state.profiles.values()]) {
    for (const { source, destination } of [...ingress, ...egress]) {
      for (const peer of [source, destination]) yield* prefixesOf(peer, state);
    }
  }
}

function* prefixesOf(peer: CompiledPeer, state: PolicyState): Generator<Prefix> {
  yield* peer.nets;
  yield* peer.notNets;
  for (const id of [...peer.sets, ...peer.notSets]) yield* state.members(id) as Iterable<Prefix>;
  for (const id of [...peer.namedPortSets, ...peer.notNamedPortSets]) {
    for (const member of state.members(id)) yield portSetPrefix(member);
  }
}

/** The address of a member of a `named-port` set, as a prefix. */
export function portSetPrefix(member: string): Prefix {
  return parsePrefix(member.slice(0, member.indexOf(',')))!;
}
