/**
 * Which next hops lead somewhere (RFC 4271 §9.1.2.1), as a column by attribute record: a path whose next hop does not
 * is no candidate of the decision. Next hops are watched for as long as a record has them.
 */
import { type Address, formatAddress, isLinkLocal } from '../../net/address.ts';
import { word32 } from '../wire/attribute-record.ts';
import { readIPv4NextHop } from '../wire/next-hop.ts';
import type { AttributeId, AttributeStore } from './attribute-store.ts';
import { FIRST_ROWS, grown } from './columns.ts';

/** Tells whether addresses can be reached. */
export interface Reachability {
  /** Begins to watch an address, and says whether it can be reached now. Changes are told to the RIB. */
  watch(address: Address): boolean;
  unwatch(address: Address): void;
}

/** Where every next hop counts as reachable: for a RIB without a kernel. */
export const EVERYWHERE: Reachability = { watch: () => true, unwatch: () => undefined };

/** Number of a next hop; 0: not read yet. */
type NextHopId = number;

/** No next hop, which is an own route's, or one on the link of the session, which ends with its link. */
const GIVEN: NextHopId = 1;

export class NextHops {
  private ids = new Uint32Array(FIRST_ROWS);
  private readonly byAddress = new Map<string, NextHopId>();
  private readonly addresses: (Address | undefined)[] = [undefined, undefined];
  private readonly usable: boolean[] = [false, true];
  /** Records that have the next hop. */
  private readonly holders: number[] = [0, 0];
  private readonly free: NextHopId[] = [];
  private lastWord = -1;
  private lastId: NextHopId = GIVEN;

  constructor(
    private readonly attributes: AttributeStore,
    private readonly reachability: Reachability,
  ) {}

  /** Whether paths with this record may be used. */
  leads(attribute: AttributeId): boolean {
    return this.usable[this.of(attribute)]!;
  }

  /** The next hop that is watched for the record; undefined if none is. */
  address(attribute: AttributeId): Address | undefined {
    return this.addresses[this.of(attribute)];
  }

  /** Takes over what has changed. Returns which records that concerns, or undefined if none. */
  change(changes: ReadonlyMap<string, boolean>): ((attribute: AttributeId) => boolean) | undefined {
    const changed = new Set<NextHopId>();
    for (const [address, usable] of changes) {
      const id = this.byAddress.get(address);
      if (id === undefined || this.usable[id] === usable) continue;
      this.usable[id] = usable;
      changed.add(id);
    }
    // What was not read yet has not been decided on, either.
    return changed.size === 0 ? undefined : (attribute) => changed.has(this.ids[attribute] ?? 0);
  }

  /** The number will mean another record. */
  forget(attribute: AttributeId): void {
    const id = attribute < this.ids.length ? this.ids[attribute]! : 0;
    if (id === 0) return;
    this.ids[attribute] = 0;
    if (id === GIVEN || --this.holders[id]! > 0) return;
    const address = this.addresses[id]!;
    this.addresses[id] = undefined;
    this.byAddress.delete(address);
    this.free.push(id);
    if (id === this.lastId) this.lastWord = -1;
    this.reachability.unwatch(address);
  }

  private of(attribute: AttributeId): NextHopId {
    const known = attribute < this.ids.length ? this.ids[attribute]! : 0;
    return known === 0 ? this.read(attribute) : known;
  }

  private read(attribute: AttributeId): NextHopId {
    const bytes = this.attributes.block(attribute);
    const start = this.attributes.start(attribute);
    const length = bytes[start]!;
    if (attribute >= this.ids.length) this.ids = grown(this.ids, attribute + 1);
    let id = GIVEN;
    if (length === 4) id = this.ofWord(word32(bytes, start + 1));
    else if (length > 0)
      id = this.idOf(formatAddress(bytes.slice(start + 1, start + 1 + Math.min(length, 16))));
    this.ids[attribute] = id;
    if (id !== GIVEN) this.holders[id]!++;
    return id;
  }

  /** Of an IPv4 address: records that come together mostly have the same. */
  private ofWord(word: number): NextHopId {
    if (word !== this.lastWord) {
      this.lastWord = word;
      this.lastId = this.idOf(readIPv4NextHop(word).address);
    }
    return this.lastId;
  }

  private idOf(address: Address): NextHopId {
    if (isLinkLocal(address)) return GIVEN;
    const known = this.byAddress.get(address);
    if (known !== undefined) return known;
    const id = this.free.pop() ?? this.usable.length;
    this.byAddress.set(address, id);
    this.addresses[id] = address;
    this.holders[id] = 0;
    this.usable[id] = this.reachability.watch(address);
    return id;
  }
}
