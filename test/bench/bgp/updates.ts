/** Ready-made bytes: OPEN and the UPDATEs of a feed. Prefix number N is the N-th /24 from 1.0.0.0 on. */

/** How prefixes share attribute sets. */
export type Mix =
  /** So many sets, each with its prefixes one after the other. */
  | { readonly kind: 'grouped'; readonly sets: number }
  /** The same, but the sets take turns from prefix to prefix, so that each UPDATE carries one. */
  | { readonly kind: 'interleaved'; readonly sets: number }
  /** Sets of so many prefixes. */
  | { readonly kind: 'sets-of'; readonly size: number };

export interface Feed {
  readonly first: number;
  readonly count: number;
  readonly mix: Mix;
  /** Told again so many times, each time with other attributes. */
  readonly rounds?: number;
}

export interface Speaks {
  readonly asNumber: number;
  /** Also the BGP identifier. */
  readonly address: string;
  /** The session is iBGP: LOCAL_PREF, and no AS of ours in the path. */
  readonly internal: boolean;
  /** Keeps what the daemon told while it restarts (RFC 4724). */
  readonly helpsRestart?: boolean;
}

const FIRST_NETWORK = 0x010000;
const MAXIMUM = 4096;
export const HOLD_TIME = 180;

export function prefixNumber(octets: Uint8Array, at: number): number {
  return ((octets[at]! << 16) | (octets[at + 1]! << 8) | octets[at + 2]!) - FIRST_NETWORK;
}

function message(type: number, ...parts: readonly (readonly number[])[]): Buffer {
  const body = parts.flat();
  const length = 19 + body.length;
  return Buffer.from([...Array.from({ length: 16 }, () => 255), length >> 8, length & 255, type, ...body]);
}

const word = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const octets = (address: string): number[] => address.split('.').map(Number);

export const KEEPALIVE = message(4);
/** End-of-RIB of IPv4 unicast (RFC 4724 §2). */
export const END_OF_RIB = message(2, [0, 0, 0, 0]);
/** Cease, Administrative Shutdown: without the N bit (RFC 8538) it ends graceful restart, too. */
export const CEASE = message(3, [6, 2]);

/** Graceful restart of no family: end-of-RIB is understood (RFC 4724 §4). */
const UNDERSTANDS_END_OF_RIB = [64, 2, 0, 0];
/** Graceful restart of IPv4 unicast within 120 s, forwarding kept (RFC 4724 §3). */
const HELPS_RESTART = [64, 6, 0, 120, 0, 1, 1, 0x80];

export function open({ asNumber, address, helpsRestart }: Speaks, holdTime = HOLD_TIME): Buffer {
  const capabilities = [
    [1, 4, 0, 1, 0, 1], // IPv4 unicast
    [2, 0], // route refresh
    [65, 4, ...word(asNumber)],
    helpsRestart === true ? HELPS_RESTART : UNDERSTANDS_END_OF_RIB,
  ].flat();
  return message(
    1,
    [4, asNumber >> 8, asNumber & 255, 0, holdTime],
    octets(address),
    [capabilities.length + 2, 2, capabilities.length],
    capabilities,
  );
}

/** The attributes of set `set`: an AS_PATH of four, two communities, as routes of the Internet have them. */
function attributes(speaks: Speaks, set: number, round: number): number[] {
  const path = [100_000 + (set % 50_000), 200_000 + Math.floor(set / 50_000), 300_000 + round];
  if (!speaks.internal) path.unshift(speaks.asNumber);
  const segment = [2, path.length, ...path.flatMap(word)];
  const preference = speaks.internal ? [0x40, 5, 4, ...word(100)] : [];
  const communities = [((65_001 << 16) >>> 0) + (set & 0xffff), ((65_002 << 16) >>> 0) + 7];
  return [
    [0x40, 1, 1, 0],
    [0x40, 2, segment.length, ...segment],
    [0x40, 3, 4, ...octets(speaks.address)],
    preference,
    [0xc0, 8, 8, ...communities.flatMap(word)],
  ].flat();
}

/** In the AS_PATH's last place: the round that a route was told in. */
export const ROUND_BASE = 300_000;

/** All UPDATEs of a feed, in buffers of about 64 KiB. */
export function updates(speaks: Speaks, feed: Feed): Buffer[] {
  const buffers: Buffer[] = [];
  let buffer = Buffer.alloc(65_536);
  let used = 0;
  const room = (length: number): number => {
    if (used + length > buffer.length) {
      buffers.push(buffer.subarray(0, used));
      buffer = Buffer.alloc(65_536);
      used = 0;
    }
    used += length;
    return used - length;
  };
  const put = (numbers: Iterable<number>, set: number, round: number, count: number): void => {
    const list = attributes(speaks, set, round);
    const most = Math.floor((MAXIMUM - 23 - list.length) / 4);
    const next = numbers[Symbol.iterator]();
    for (let left = count; left > 0;) {
      const now = Math.min(left, most);
      const length = 23 + list.length + 4 * now;
      let at = room(length);
      buffer.fill(255, at, at + 16);
      buffer.writeUInt16BE(length, at + 16);
      buffer[at + 18] = 2;
      buffer.writeUInt16BE(0, at + 19);
      buffer.writeUInt16BE(list.length, at + 21);
      buffer.set(list, at + 23);
      at += 23 + list.length;
      for (let index = 0; index < now; index++) {
        const network = FIRST_NETWORK + (next.next().value as number);
        buffer[at++] = 24;
        buffer[at++] = network >> 16;
        buffer[at++] = network >> 8;
        buffer[at++] = network;
      }
      left -= now;
    }
  };
  const { first, count, mix, rounds = 1 } = feed;
  for (let round = 0; round < rounds; round++) {
    if (mix.kind === 'interleaved') {
      for (let number = first; number < first + count; number++) put([number], number % mix.sets, round, 1);
      continue;
    }
    const size = mix.kind === 'grouped' ? Math.ceil(count / mix.sets) : mix.size;
    for (let start = 0, set = 0; start < count; start += size, set++) {
      const now = Math.min(size, count - start);
      put(range(first + start, now), set, round, now);
    }
  }
  buffers.push(buffer.subarray(0, used));
  return buffers;
}

function* range(first: number, count: number): Generator<number> {
  for (let number = first; number < first + count; number++) yield number;
}
