/** Updates of one session as bytes: prefixes packed by route, a route's attributes encoded once per session. */
import type { Family } from '../net/address.ts';
import { ByteWriter } from '../net/bytes.ts';
import type { PendingUpdates } from './rib/adj-rib-out.ts';
import type { Route } from './rib/route.ts';
import type { NextHop, WireOptions } from './wire/message.ts';
import { parseNlri } from './wire/nlri.ts';
import { UpdateWriter, encodeRouteAttributes, fits } from './wire/update-writer.ts';

export class UpdateSender {
  private readonly encoded: Readonly<Record<Family, WeakMap<Route, Uint8Array>>> = {
    4: new WeakMap(),
    6: new WeakMap(),
  };

  constructor(private readonly wire: WireOptions) {}

  /** Whether the route can be told at all: its attributes may be too long for a message (RFC 4271 §9.2). */
  fits(route: Route, family: Family): boolean {
    const nextHop = nextHopOf(route);
    return fits(this.attributesOf(route, family, nextHop), family, nextHop, this.wire);
  }

  /** All messages for these updates in one buffer; empty if there are none. */
  encode(family: Family, updates: PendingUpdates): Uint8Array {
    const writer = new ByteWriter(4096);
    const writing = new UpdateWriter(writer, this.wire);
    if (updates.withdrawn.length > 0) {
      writing.begin({ kind: 'withdraw', family });
      this.writePrefixes(writing, updates.withdrawn);
    }
    for (const [route, prefixes] of updates.announced) {
      const nextHop = nextHopOf(route);
      const attributes = this.attributesOf(route, family, nextHop);
      writing.begin({ kind: 'announce', family, nextHop, attributes });
      this.writePrefixes(writing, prefixes);
    }
    writing.end();
    return writer.copy();
  }

  private writePrefixes(writing: UpdateWriter, prefixes: PendingUpdates['withdrawn']): void {
    for (const prefix of prefixes) {
      const { bytes, bits } = parseNlri(prefix);
      writing.prefix(bytes, 0, bits, 0);
    }
  }

  private attributesOf(route: Route, family: Family, nextHop: NextHop): Uint8Array {
    let bytes = this.encoded[family].get(route);
    if (bytes === undefined) {
      bytes = encodeRouteAttributes(route.attributes, family, nextHop, this.wire);
      this.encoded[family].set(route, bytes);
    }
    return bytes;
  }
}

/** An exported route always has a next hop: policy/export.ts gives it one. */
function nextHopOf(route: Route): NextHop {
  return route.nextHop!;
}
