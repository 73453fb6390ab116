/**
 * What import policy has made of one UPDATE, put into UPDATEs anew: the adj-RIB-in after policy as a monitoring station
 * is told of it (RFC 7854 §5). A route that policy refuses is withdrawn there. What goes without an UPDATE (stale routes
 * that are swept, RFC 4724 §4.2) a station does not learn here, as it does not from what came.
 */
import type { Family } from '../net/address.ts';
import { type PrefixBits, formatPrefixBits } from '../net/prefix-bits.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { RouteValues } from './wire/attribute-record.ts';
import { encodeMessage } from './wire/codec.ts';
import { MessageFramer } from './wire/framer.ts';
import type { NlriList, UpdateMessage, WireOptions } from './wire/message.ts';
import { type NlriBytes, decodeNlri } from './wire/nlri.ts';
import { encodeRouteAttributes, fits } from './wire/update-writer.ts';

/** Who is told of it. */
export interface PostPolicyListener {
  /** Whether anybody wants to know; asked for every UPDATE. */
  readonly wanted: () => boolean;
  readonly told: (update: PostPolicyUpdate) => void;
}

interface OneByOne {
  readonly prefixes: ReturnType<typeof formatPrefixBits>[];
  readonly pathIds: number[];
}

export class PostPolicyUpdate {
  private readonly withdrawn: NlriList[] = [];
  private readonly announced: { readonly list: NlriList; readonly route: RouteValues }[] = [];

  constructor(private readonly endOfRib: Family | undefined) {}

  withdraw(nlri: NlriBytes): void {
    this.withdrawn.push(decodeNlri(nlri));
  }

  announce(nlri: NlriBytes, route: RouteValues): void {
    this.announced.push({ list: decodeNlri(nlri), route });
  }

  /** For prefixes that are judged one by one: takes each with the attributes that it is taken with, or none. */
  sorter(
    { family, addPath }: NlriBytes,
    routeOf: (attribute: AttributeId) => RouteValues,
  ): (prefix: PrefixBits, identifier: number, attribute: AttributeId | undefined) => void {
    const lists = new Map<AttributeId | undefined, OneByOne>();
    return (prefix, identifier, attribute) => {
      let list = lists.get(attribute);
      if (list === undefined) {
        lists.set(attribute, (list = { prefixes: [], pathIds: [] }));
        const { prefixes, pathIds } = list;
        const told = { family, prefixes, ...(addPath ? { pathIds } : {}) };
        if (attribute === undefined) this.withdrawn.push(told);
        else this.announced.push({ list: told, route: routeOf(attribute) });
      }
      list.prefixes.push(formatPrefixBits(prefix));
      list.pathIds.push(identifier);
    };
  }

  /**
   * The messages, each by itself, in the form that the session has agreed on, because its OPENs are what a station knows;
   * but for the length, so that attributes which policy has added to fit in any case, and preference is always told.
   */
  encode(session: WireOptions): Uint8Array[] {
    const wire = {
      ...session,
      external: false,
      extendedMessages: true,
      addPathSend: session.addPathReceive,
    };
    const framer = new MessageFramer();
    framer.extendedMessages = true;
    const { withdrawn, announced, endOfRib } = this;
    const push = (message: Omit<UpdateMessage, 'type'>): void =>
      framer.push(encodeMessage({ type: 'update', ...message }, wire));
    const tooLong: NlriList[] = [];
    // What one UPDATE both withdraws and announces is announced (RFC 4271 §4.3).
    if (withdrawn.length > 0) push({ withdrawn, announced: [] });
    for (const { list, route } of announced) {
      const { attributes, nextHop } = route;
      if (nextHop === undefined) continue; // none of a peer's
      const encoded = encodeRouteAttributes(attributes, list.family, nextHop, wire);
      if (fits(encoded, list.family, nextHop, wire)) {
        push({ withdrawn: [], announced: [{ ...list, nextHop }], attributes });
      } else {
        tooLong.push(list);
      }
    }
    if (tooLong.length > 0) push({ withdrawn: tooLong, announced: [] });
    if (endOfRib !== undefined) push({ withdrawn: [], announced: [], endOfRib });
    const messages: Uint8Array[] = [];
    for (let next = framer.next(); next instanceof Uint8Array; next = framer.next())
      messages.push(next.slice());
    return messages;
  }
}
