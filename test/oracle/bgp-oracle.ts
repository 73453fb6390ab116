/**
 * What a BGP message means, written a second time and as plainly as the RFCs put it: for the fuzzer, which compares
 * it with the codec. Nothing is shared with `src/bgp/wire` but the form of the answer.
 */

import { hex, u16, u32 } from './octets.ts';

/** What two ends of a session have agreed on, as far as it changes what bytes mean. */
export interface OracleSession {
  readonly fourOctetAs: boolean;
  readonly extendedMessages: boolean;
  readonly external: boolean;
  readonly families: readonly (4 | 6)[];
  readonly addPathReceive: readonly (4 | 6)[];
  readonly extendedNextHop: boolean;
}

/** The session would end, with one of these `code/subcode`; several faults leave the choice to the receiver. */
interface Ended {
  readonly type: 'error';
  readonly allowed: ReadonlySet<string>;
}

export interface UpdateMeaning {
  readonly type: 'update';
  /** Prefixes as `family hex/bits#path-identifier`, in order; what is announced with ` via next-hop` behind. */
  readonly withdrawn: readonly string[];
  readonly announced: readonly string[];
  readonly treatAsWithdraw: readonly string[];
  /** By name, in one spelling; empty if nothing is announced. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly endOfRib: 4 | 6 | undefined;
}

export type Meaning =
  | Ended
  | UpdateMeaning
  | { readonly type: 'open' | 'notification' | 'keepalive' | 'route-refresh' };

export interface Judgement {
  readonly meaning: Meaning;
  /** At least one attribute had its header read. */
  readonly reachedAttributes: boolean;
}

/** Judges one whole message; undefined while its header asks for more octets than there are. */
export function judge(bytes: Uint8Array, session: OracleSession): Judgement | undefined {
  const header = judgeHeader(bytes, session);
  if (header !== undefined) return { meaning: header, reachedAttributes: false };
  const length = u16(bytes, 16);
  if (length > bytes.length) return undefined;
  const message = bytes.subarray(0, length);
  switch (bytes[18]!) {
    case 1:
      return { meaning: judgeOpen(message), reachedAttributes: false };
    case 2:
      return new UpdateJudge(message, session).judge();
    case 3:
      return { meaning: { type: 'notification' }, reachedAttributes: false };
    case 4:
      return { meaning: { type: 'keepalive' }, reachedAttributes: false };
    default:
      return { meaning: judgeRefresh(message), reachedAttributes: false };
  }
}

/** RFC 4271 §6.1, RFC 8654 §4. */
function judgeHeader(bytes: Uint8Array, session: OracleSession): Ended | undefined {
  for (let at = 0; at < 16; at++) if (bytes[at] !== 255) return ended('1/1');
  const length = u16(bytes, 16);
  const least = new Map([
    [1, 29],
    [2, 23],
    [3, 21],
    [4, 19],
    [5, 22],
  ]).get(bytes[18]!);
  const faults: string[] = [];
  const most = session.extendedMessages ? 65_535 : 4096;
  if (length < 19 || length > most) faults.push('1/2');
  if (least === undefined) faults.push('1/3');
  else if (length < least) faults.push('1/2');
  if (bytes[18] === 4 && length !== 19) faults.push('1/2');
  if (bytes[18] === 1 && length > 4096) faults.push('1/2');
  return faults.length === 0 ? undefined : ended(...faults);
}

/** RFC 4271 §6.2, RFC 5492, RFC 9072. What the values are good for is the state machine's affair. */
function judgeOpen(message: Uint8Array): Meaning {
  const faults: string[] = [];
  if (message[19] !== 4) faults.push('2/1');
  let at = 29;
  let length = message[28]!;
  let wide = false;
  if (length > 0 && message[29] === 255) {
    wide = true;
    length = u16(message, 30);
    at = 32;
    if (message.length < 32) return ended(...faults, '2/0');
  }
  if (at + length !== message.length) return ended(...faults, '2/0');
  while (at < message.length) {
    const head = wide ? 3 : 2;
    if (at + head > message.length) faults.push('2/0');
    const size = wide ? u16(message, at + 1) : message[at + 1]!;
    const next = at + head + size;
    if (next > message.length) faults.push('2/0');
    else if (message[at] === 2 && !fits(message, at + head, next)) faults.push('2/0');
    if (message[at] !== 2) faults.push('2/4');
    at = next;
  }
  return faults.length === 0 ? { type: 'open' } : ended(...faults);
}

/** Whether capabilities, each a code, a length and a value, fill the space. */
function fits(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) at = at + 1 < end ? at + 2 + bytes[at + 1]! : end + 1;
  return at === end;
}

/** RFC 7313 §5. */
function judgeRefresh(message: Uint8Array): Meaning {
  const marker = message[21] === 1 || message[21] === 2;
  if (marker && message.length !== 23) return ended('7/1');
  return message.length < 23 ? ended('1/2') : { type: 'route-refresh' };
}

type Damage = 'withdraw' | 'discard';
type Reader = (value: Uint8Array, judge: UpdateJudge) => string | undefined;

interface Expectation {
  readonly name: string;
  /** Optional and transitive bits. */
  readonly kind: 0x40 | 0x80 | 0xc0;
  readonly damage: Damage;
  /** Means nothing from another AS. */
  readonly internal?: true;
  /** Means nothing from who knows 32-bit AS numbers. */
  readonly twoOctet?: true;
  /** The value in words, undefined if it is malformed. */
  readonly read: Reader;
}

const list =
  (size: number, each: (value: Uint8Array, at: number) => string): Reader =>
  (value) => {
    if (value.length === 0 || value.length % size !== 0) return undefined;
    const items: string[] = [];
    for (let at = 0; at < value.length; at += size) items.push(each(value, at));
    return items.join(' ');
  };
const number: Reader = (value) => (value.length === 4 ? String(u32(value, 0)) : undefined);
const quad = (value: Uint8Array, at: number): string => value.subarray(at, at + 4).join('.');

function aggregator(value: Uint8Array, wide: boolean): string | undefined {
  if (value.length !== (wide ? 8 : 6)) return undefined;
  const asNumber = wide ? u32(value, 0) : u16(value, 0);
  return asNumber === 0 ? undefined : `${asNumber} ${quad(value, wide ? 4 : 2)}`;
}

/** A path as the pieces that count: an AS of a sequence, or a whole set or confederation segment. */
type Piece = { readonly counts: boolean; readonly text: string };

function asPath(value: Uint8Array, wide: boolean): Piece[] | undefined {
  const pieces: Piece[] = [];
  const width = wide ? 4 : 2;
  for (let at = 0; at < value.length;) {
    const type = value[at]!;
    const count = value[at + 1];
    if (count === undefined || count === 0 || type < 1 || type > 4) return undefined;
    if (at + 2 + count * width > value.length) return undefined;
    const numbers: number[] = [];
    for (let index = 0; index < count; index++) {
      const from = at + 2 + index * width;
      numbers.push(wide ? u32(value, from) : u16(value, from));
    }
    if (numbers.includes(0)) return undefined;
    if (type === 2) pieces.push(...numbers.map((asn) => ({ counts: true, text: String(asn) })));
    else pieces.push({ counts: type === 1, text: `${'?{.([}'[type]}${numbers.join(',')}` });
    at += 2 + count * width;
  }
  return pieces;
}

/** RFC 7606 §7 and the RFCs of the attributes that came after it. */
const EXPECTATIONS = new Map<number, Expectation>([
  [
    1,
    {
      name: 'origin',
      kind: 0x40,
      damage: 'withdraw',
      read: (value) => (value.length === 1 ? ['igp', 'egp', 'incomplete'][value[0]!] : undefined),
    },
  ],
  [
    2,
    {
      name: 'asPath',
      kind: 0x40,
      damage: 'withdraw',
      read: (value, judge) => {
        judge.path = asPath(value, judge.session.fourOctetAs);
        // RFC 5065 §5: what a confederation says to itself.
        const inside = judge.path?.some(({ text }) => /^[([]/.test(text)) === true;
        return judge.path === undefined || (inside && judge.session.external) ? undefined : '';
      },
    },
  ],
  [
    3,
    {
      name: 'nextHop',
      kind: 0x40,
      damage: 'withdraw',
      read(value, judge) {
        if (value.length !== 4) return undefined;
        judge.nextHop = quad(value, 0);
        return '';
      },
    },
  ],
  [4, { name: 'multiExitDisc', kind: 0x80, damage: 'withdraw', read: number }],
  [5, { name: 'localPref', kind: 0x40, damage: 'withdraw', internal: true, read: number }],
  [
    6,
    {
      name: 'atomicAggregate',
      kind: 0x40,
      damage: 'discard',
      read: (value) => (value.length === 0 ? 'true' : undefined),
    },
  ],
  [
    7,
    {
      name: 'aggregator',
      kind: 0xc0,
      damage: 'discard',
      read: (value, judge) => aggregator(value, judge.session.fourOctetAs),
    },
  ],
  [
    8,
    {
      name: 'communities',
      kind: 0xc0,
      damage: 'withdraw',
      read: list(4, (value, at) => String(u32(value, at))),
    },
  ],
  [
    9,
    {
      name: 'originatorId',
      kind: 0x80,
      damage: 'withdraw',
      internal: true,
      read: (value) => (value.length === 4 ? quad(value, 0) : undefined),
    },
  ],
  [10, { name: 'clusterList', kind: 0x80, damage: 'withdraw', internal: true, read: list(4, quad) }],
  [
    16,
    {
      name: 'extendedCommunities',
      kind: 0xc0,
      damage: 'withdraw',
      read: list(8, (value, at) => hex(value.subarray(at, at + 8))),
    },
  ],
  [
    17,
    {
      name: 'as4Path',
      kind: 0xc0,
      damage: 'discard',
      twoOctet: true,
      read(value, judge) {
        if (value.length < 6) return undefined;
        judge.path4 = asPath(value, true)?.filter(({ text }) => !/^[([]/.test(text));
        return judge.path4 && '';
      },
    },
  ],
  [
    18,
    {
      name: 'as4Aggregator',
      kind: 0xc0,
      damage: 'discard',
      twoOctet: true,
      read: (value) => aggregator(value, true),
    },
  ],
  [
    25,
    {
      name: 'ipv6ExtendedCommunities',
      kind: 0xc0,
      damage: 'withdraw',
      read: list(20, (value, at) => hex(value.subarray(at, at + 20))),
    },
  ],
  [26, { name: 'aigp', kind: 0x80, damage: 'discard', read: readAigp }],
  [
    32,
    {
      name: 'largeCommunities',
      kind: 0xc0,
      damage: 'withdraw',
      read: list(12, (value, at) => [0, 4, 8].map((offset) => u32(value, at + offset)).join(':')),
    },
  ],
  [35, { name: 'onlyToCustomer', kind: 0xc0, damage: 'withdraw', read: number }],
]);

/** RFC 7311 §3: the first AIGP TLV counts; no TLV at all says nothing. */
function readAigp(value: Uint8Array): string | undefined {
  let metric = '';
  for (let at = 0; at < value.length;) {
    if (at + 3 > value.length) return undefined;
    const size = u16(value, at + 1);
    if (size < 3 || at + size > value.length) return undefined;
    if (value[at] === 1 && metric === '') {
      if (size !== 11) return undefined;
      metric = hex(value.subarray(at + 3, at + 11));
    }
    at += size;
  }
  return metric;
}

class UpdateJudge {
  path: Piece[] | undefined;
  path4: Piece[] | undefined;
  nextHop: string | undefined;
  private readonly resets = new Set<string>();
  private readonly values: Record<string, string> = {};
  private readonly unknown: string[] = [];
  private readonly partial: number[] = [];
  private withdraw = false;
  /** The list ends within an attribute. */
  private cutOff = false;
  /** Types for which a fault was found: a missing attribute and a malformed one are the same fault. */
  private readonly damaged = new Set<number>();
  private reach: { readonly prefixes: readonly string[]; readonly nextHop: string } | undefined;
  private reachFault = false;
  private unreach: { readonly family: 4 | 6; readonly prefixes: readonly string[] } | undefined;
  private otherFamily = false;
  private readonly seen = new Set<number>();

  constructor(
    private readonly message: Uint8Array,
    readonly session: OracleSession,
  ) {}

  judge(): Judgement {
    const { message, session } = this;
    const outcome = (meaning: Meaning): Judgement => ({ meaning, reachedAttributes: this.seen.size > 0 });
    const withdrawnEnd = 21 + u16(message, 19);
    if (withdrawnEnd + 2 > message.length) return outcome(ended('3/1'));
    const attributesEnd = withdrawnEnd + 2 + u16(message, withdrawnEnd);
    if (attributesEnd > message.length) return outcome(ended('3/1'));
    const withdrawn = this.prefixes(message.subarray(21, withdrawnEnd), 4);
    const announced = this.prefixes(message.subarray(attributesEnd), 4);
    if (withdrawn === undefined || announced === undefined) this.resets.add('3/10');
    this.attributes(withdrawnEnd + 2, attributesEnd);
    const classic = announced ?? [];
    const reached = this.reach?.prefixes ?? [];
    if (classic.length > 0 || reached.length > 0) this.required(classic.length > 0);
    else if (this.withdraw && !this.otherFamily && !this.onlyWithdraws) this.resets.add('3/1');
    if (this.resets.size > 0) return outcome({ type: 'error', allowed: this.resets });

    const four = session.families.includes(4);
    const all = [
      ...(four ? classic.map((prefix) => `${prefix} via ${this.nextHop}`) : []),
      ...reached.map((prefix) => `${prefix} via ${this.reach?.nextHop}`),
    ];
    const empty = withdrawnEnd === 21 && attributesEnd === message.length;
    return outcome({
      type: 'update',
      withdrawn: [...(four ? (withdrawn ?? []) : []), ...(this.unreach?.prefixes ?? [])],
      announced: this.withdraw ? [] : all,
      treatAsWithdraw: this.withdraw ? all.map((text) => text.replace(/ via .*/, '')) : [],
      attributes: this.withdraw || all.length === 0 ? {} : this.summary(),
      endOfRib: empty ? this.endOfRib(four) : undefined,
    });
  }

  /** RFC 7606 §5.2: MP_UNREACH_NLRI and nothing else is no announcement whose prefixes have been missed. */
  private get onlyWithdraws(): boolean {
    return this.seen.size === 1 && this.seen.has(15) && !this.cutOff;
  }

  /** RFC 4724 §2. */
  private endOfRib(four: boolean): 4 | 6 | undefined {
    if (this.seen.size === 0) return four ? 4 : undefined;
    return this.seen.size === 1 && this.unreach?.prefixes.length === 0 ? this.unreach.family : undefined;
  }

  /** RFC 4271 §4.3, RFC 7911 §3; undefined if the octets are no prefixes. */
  private prefixes(bytes: Uint8Array, family: 4 | 6): string[] | undefined {
    const found: string[] = [];
    const identified = this.session.addPathReceive.includes(family);
    for (let at = 0; at < bytes.length;) {
      const identifier = identified ? u32(bytes, at) : 0;
      if (identified) at += 4;
      const bits = bytes[at++];
      if (bits === undefined || bits > (family === 4 ? 32 : 128)) return undefined;
      const octets = Math.ceil(bits / 8);
      if (at + octets > bytes.length) return undefined;
      const address = bytes.slice(at, at + octets);
      if (bits % 8 !== 0) address[octets - 1] = address[octets - 1]! & (0xff00 >> (bits % 8));
      found.push(prefixText(family, address, bits, identifier));
      at += octets;
    }
    return found;
  }

  /** RFC 7606 §3, §4. */
  private attributes(start: number, end: number): void {
    const { message } = this;
    for (let at = start; at < end;) {
      const flags = message[at]!;
      const head = (flags & 0x10) === 0 ? 3 : 4;
      if (at + head > end) {
        this.withdraw = true;
        this.cutOff = true;
        return;
      }
      const code = message[at + 1]!;
      const length = head === 3 ? message[at + 2]! : u16(message, at + 2);
      const next = at + head + length;
      if (next > end) {
        this.withdraw = true;
        this.cutOff = true;
        if (code === 14 || code === 15) this.resets.add('3/1');
        this.damaged.add(code);
        return;
      }
      this.attribute(flags, code, message.subarray(at + head, next));
      at = next;
    }
  }

  private attribute(flags: number, code: number, value: Uint8Array): void {
    const again = this.seen.has(code);
    this.seen.add(code);
    if (code === 14 || code === 15) {
      if (again) this.resets.add('3/1');
      if ((flags & 0xc0) !== 0x80) this.withdraw = true;
      if (code === 14) this.reachable(value);
      else this.unreachable(value);
      return;
    }
    if (again) return;
    const expected = EXPECTATIONS.get(code);
    if (expected === undefined) {
      if ((flags & 0x80) === 0) this.resets.add('3/2');
      else if ((flags & 0x40) !== 0) this.unknown.push(`${code}:${hex(value)}`);
      return;
    }
    if (expected.internal === true && this.session.external) return;
    if (expected.twoOctet === true && this.session.fourOctetAs) return;
    const right = (flags & 0xc0) === expected.kind;
    const text = right ? expected.read(value, this) : undefined;
    if (text !== undefined) {
      if ((flags & 0x20) !== 0 && expected.kind === 0xc0) this.partial.push(code);
      if (text !== '') this.values[expected.name] = text;
      return;
    }
    this.damaged.add(code);
    if (!right || expected.damage === 'withdraw') this.withdraw = true;
  }

  /** RFC 4760 §3, RFC 2545 §3, RFC 8950 §3, RFC 7606 §7.11. */
  private reachable(value: Uint8Array): void {
    if (value.length < 5) return void this.resets.add('3/9');
    const family = familyOf(value);
    if (family === undefined || !this.session.families.includes(family)) {
      this.otherFamily = true;
      return;
    }
    const length = value[3]!;
    const allowed = family === 4 ? [4, 16, 32] : [16, 32];
    if (!allowed.includes(length) || 4 + length + 1 > value.length) return void this.resets.add('3/9');
    const prefixes = this.prefixes(value.subarray(4 + length + 1), family);
    if (prefixes === undefined) return void this.resets.add('3/9');
    const parts = [value.subarray(4, 4 + Math.min(length, 16)), value.subarray(20, 4 + length)];
    const texts = parts.filter((part) => part.length > 0).map(hex);
    const none = '0'.repeat(32);
    // A sender without a global address puts nothing, or the link-local one, in its place.
    const nextHop =
      texts.length === 2 && (texts[0] === none || texts[0] === texts[1])
        ? texts[1]!
        : texts.filter((text, index) => index === 0 || text !== none).join('+');
    const first = nextHop.slice(0, 32);
    const octet = Number.parseInt(first.slice(0, 2), 16);
    // RFC 8950 §4: an IPv6 one for IPv4 only where both have said that they know it.
    const agreed = family === 6 || first.length === 8 || this.session.extendedNextHop;
    const host = first.length === 8 ? octet > 0 && octet < 224 : first !== none && !first.startsWith('ff');
    this.reachFault = !agreed || !host;
    this.reach = { prefixes, nextHop: first.length === 8 ? quad(parts[0]!, 0) : nextHop };
  }

  private unreachable(value: Uint8Array): void {
    if (value.length < 3) return void this.resets.add('3/9');
    const family = familyOf(value);
    if (family === undefined || !this.session.families.includes(family)) return;
    const prefixes = this.prefixes(value.subarray(3), family);
    if (prefixes === undefined) this.resets.add('3/9');
    else this.unreach = { family, prefixes };
  }

  /** RFC 7606 §3 d. */
  private required(classic: boolean): void {
    for (const code of classic ? [1, 2, 3] : [1, 2]) {
      if (!this.seen.has(code) || this.damaged.has(code)) this.withdraw = true;
    }
    const first = Number(this.nextHop?.split('.')[0]);
    if (classic && (first === 0 || first >= 224)) this.withdraw = true;
    if (this.reachFault) this.withdraw = true;
  }

  private summary(): Record<string, string> {
    const { as4Aggregator, ...values } = this.values;
    // RFC 6793 §4.2.3: an AGGREGATOR of another AS than AS_TRANS is newer than what the AS4 attributes say.
    const outdated =
      values['aggregator'] !== undefined &&
      !values['aggregator'].startsWith('23456 ') &&
      as4Aggregator !== undefined;
    if (!outdated && values['aggregator'] !== undefined && as4Aggregator !== undefined)
      values['aggregator'] = as4Aggregator;
    values['asPath'] = (outdated ? this.path! : joined(this.path!, this.path4))
      .map(({ text }) => text)
      .join(' ');
    if (this.unknown.length > 0) values['unknown'] = this.unknown.join(' ');
    if (this.partial.length > 0) values['partial'] = this.partial.join(' ');
    return values;
  }
}

/** RFC 6793 §4.2.3: what the two-octet path has more stands in front of the four-octet one. */
function joined(path: readonly Piece[], path4: readonly Piece[] | undefined): readonly Piece[] {
  const length = (pieces: readonly Piece[]): number => pieces.filter(({ counts }) => counts).length;
  if (path4 === undefined || path4.length === 0 || length(path4) > length(path)) return path;
  let more = length(path) - length(path4);
  const front: Piece[] = [];
  for (const piece of path) {
    if (piece.counts && more-- === 0) break;
    front.push(piece);
  }
  return [...front, ...path4];
}

function familyOf(value: Uint8Array): 4 | 6 | undefined {
  if (value[2] !== 1) return undefined;
  return u16(value, 0) === 1 ? 4 : u16(value, 0) === 2 ? 6 : undefined;
}

/** One spelling of a prefix with its path identifier; `address` holds the octets that the bits need. */
export function prefixText(family: 4 | 6, address: Uint8Array, bits: number, identifier: number): string {
  return `${family} ${hex(address)}/${bits}#${identifier}`;
}

function ended(...allowed: readonly string[]): Ended {
  return { type: 'error', allowed: new Set(allowed) };
}
