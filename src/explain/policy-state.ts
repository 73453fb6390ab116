/** What the dataplane holds after the calculation's deltas, with sets that can be asked for members. */
import type {
  ActivePolicy,
  CalcDelta,
  LocalEndpoint,
  LocalHostEndpoint,
  SetDelta,
  SetId,
} from '../calc/output.ts';
import { type Address, addressBits, familyOf } from '../net/address.ts';
import { hostPrefix, prefixLength, prefixesHolding, type Prefix } from '../net/prefix.ts';

interface HeldSet {
  readonly description: string;
  readonly members: Set<string>;
  /** How many members have each prefix length, by family: which lengths a lookup must try. */
  readonly lengths: Readonly<Record<4 | 6, Map<number, number>>>;
}

export class PolicyState {
  readonly policies = new Map<string, ActivePolicy>();
  readonly profiles = new Map<string, ActivePolicy>();
  /** By `namespace/name`. */
  readonly endpoints = new Map<string, LocalEndpoint>();
  readonly hostEndpoints = new Map<string, LocalHostEndpoint>();
  /** Problems of single resources by `keyText`. */
  readonly problems = new Map<string, string>();
  /** What people call an address, where they call it something. */
  readonly names = new Map<Address, string>();
  private readonly sets = new Map<SetId, HeldSet>();

  /** Takes one delta in. */
  apply(
    delta: Pick<CalcDelta, 'sets' | 'policies' | 'profiles' | 'endpoints' | 'hostEndpoints' | 'problems'>,
  ): void {
    for (const [id, change] of delta.sets) {
      if (change === undefined) this.sets.delete(id);
      else this.changeSet(id, change);
    }
    changeMap(this.policies, delta.policies);
    changeMap(this.profiles, delta.profiles);
    changeMap(this.endpoints, delta.endpoints);
    changeMap(this.hostEndpoints, delta.hostEndpoints);
    changeMap(this.problems, delta.problems);
  }

  /** Whether an `addresses` set holds the address. A set that nobody defined is empty, as in the kernel. */
  holdsAddress(id: SetId, address: Address): boolean {
    const set = this.sets.get(id);
    if (set === undefined) return false;
    const family = familyOf(address);
    const lengths = set.lengths[family];
    if (lengths.has(addressBits(family)) && set.members.has(hostPrefix(address))) return true;
    for (const prefix of prefixesHolding(address, lengths.keys())) {
      if (set.members.has(prefix)) return true;
    }
    return false;
  }

  /** Whether a `named-port` set holds the port of the address. */
  holdsPort(id: SetId, address: Address, protocol: number, port: number): boolean {
    return this.sets.get(id)?.members.has(`${address},${protocol},${port}`) === true;
  }

  /** An address, and who it is. */
  describeAddress(address: Address): string {
    const name = this.names.get(address);
    return name === undefined ? address : `${address} (${name})`;
  }

  /** What a set is, in words. */
  describeSet(id: SetId): string {
    return this.sets.get(id)?.description ?? id;
  }

  /** The members of a set. */
  members(id: SetId): Iterable<string> {
    return this.sets.get(id)?.members ?? [];
  }

  private changeSet(id: SetId, { kind, description, added, removed }: SetDelta): void {
    let set = this.sets.get(id);
    if (set === undefined) {
      set = { description, members: new Set(), lengths: { 4: new Map(), 6: new Map() } };
      this.sets.set(id, set);
    }
    for (const member of removed) set.members.delete(member);
    for (const member of added) set.members.add(member);
    if (kind !== 'addresses') return;
    for (const member of removed) count(set, member as Prefix, -1);
    for (const member of added) count(set, member as Prefix, 1);
  }
}

function count(set: HeldSet, member: Prefix, by: 1 | -1): void {
  const lengths = set.lengths[familyOf(member)];
  const length = prefixLength(member);
  const after = (lengths.get(length) ?? 0) + by;
  if (after === 0) lengths.delete(length);
  else lengths.set(length, after);
}

function changeMap<Value>(held: Map<string, Value>, changes: ReadonlyMap<string, Value | undefined>): void {
  for (const [key, value] of changes) {
    if (value === undefined) held.delete(key);
    else held.set(key, value);
  }
}
