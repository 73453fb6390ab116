/** Messages of one peer, by type and direction (RFC 4273, bgpPeerInTotalMessages and its kin). */
import type { BgpMessageCounts, BgpMessageType } from '../base/bgp-view.ts';
import {
  MESSAGE_KEEPALIVE,
  MESSAGE_NOTIFICATION,
  MESSAGE_OPEN,
  MESSAGE_ROUTE_REFRESH,
  MESSAGE_UPDATE,
} from './wire/iana.ts';

const TYPES: readonly (readonly [BgpMessageType, number])[] = [
  ['open', MESSAGE_OPEN],
  ['update', MESSAGE_UPDATE],
  ['notification', MESSAGE_NOTIFICATION],
  ['keepalive', MESSAGE_KEEPALIVE],
  ['route-refresh', MESSAGE_ROUTE_REFRESH],
];
/** Offsets in a message's header (RFC 4271 §4.1). */
const LENGTH_AT = 16;
const TYPE_AT = 18;

export class MessageCounts {
  private readonly counts = new Float64Array(256);

  /** Counts a whole message by its octets. */
  add(message: Uint8Array): void {
    this.counts[message[TYPE_AT]!]!++;
  }

  /** Counts whole messages, one after the other. */
  addAll(messages: Uint8Array): void {
    for (let at = 0; at + TYPE_AT < messages.length;) {
      this.counts[messages[at + TYPE_AT]!]!++;
      at += (messages[at + LENGTH_AT]! << 8) | messages[at + LENGTH_AT + 1]!;
    }
  }

  view(): BgpMessageCounts {
    const entries = TYPES.map(([type, code]) => [type, this.counts[code]!] as const);
    return Object.fromEntries(entries) as Record<BgpMessageType, number>;
  }
}
