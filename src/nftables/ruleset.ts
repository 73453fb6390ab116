/**
 * A ruleset as a value, in the shapes of the libnftables JSON schema (libnftables-json(5)), limited to what we use.
 * Rendering makes it, the codec turns it into nf_tables messages, {@link toJson} into what `nft -j -f` reads.
 *
 * Objects leave out `family` and `table`: all belong to one `inet` table. Numbers are used where nft prints a symbol
 * (protocols, ICMP types), so that a value has one spelling.
 */
import { type DataTypeName, type JsonValue, elementToJson } from './datatype.ts';

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** What makes a chain a base chain. */
export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: Hook;
  readonly prio: number;
  readonly policy: 'accept' | 'drop';
}

export interface Chain {
  readonly name: string;
  readonly comment?: string;
  /** Absent for a regular chain. */
  readonly base?: BaseChain;
}

export interface Rule {
  readonly comment?: string;
  readonly expr: readonly Statement[];
}

type Meta = {
  readonly meta: { readonly key: 'iifname' | 'oifname' | 'nfproto' | 'l4proto' | 'mark' };
};
export type AddressPayload = {
  readonly payload: { readonly protocol: 'ip' | 'ip6'; readonly field: 'saddr' | 'daddr' };
};
export type PortPayload = {
  readonly payload: {
    readonly protocol: 'tcp' | 'udp' | 'sctp' | 'udplite' | 'th';
    readonly field: 'sport' | 'dport';
  };
};
type IcmpPayload = {
  readonly payload: { readonly protocol: 'icmp' | 'icmpv6'; readonly field: 'type' | 'code' };
};

/** Packet data that fits one or more registers; several make a concatenation. */
export type Field = Meta | AddressPayload | PortPayload | IcmpPayload;
export type Key = Field | { readonly concat: readonly Field[] };

type Mark = { readonly meta: { readonly key: 'mark' } };
/** `ct mark & MASK`: the mark of the connection that a packet belongs to. */
type MaskedConnectionMark = {
  readonly '&': readonly [{ readonly ct: { readonly key: 'mark' } }, number];
};
/** `tcp flags & MASK` (RFC 9293 §3.1: RST is 4). */
type MaskedTcpFlags = {
  readonly '&': readonly [
    { readonly payload: { readonly protocol: 'tcp'; readonly field: 'flags' } },
    number,
  ];
};
/** The differentiated-services code point (RFC 2474), 6 bits. */
type Dscp = { readonly payload: { readonly protocol: 'ip' | 'ip6'; readonly field: 'dscp' } };
/** `meta mark & MASK`. */
export type MaskedMark = { readonly '&': readonly [Mark, number] };
/** `meta mark | BITS`. */
export type MarkWithBits = { readonly '|': readonly [Mark, number] };

export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif';
export type Fib = { readonly fib: { readonly result: 'oif'; readonly flags: readonly FibFlag[] } };

export type ConntrackState = 'invalid' | 'established' | 'related' | 'new' | 'untracked';

export type Value =
  | number
  | string
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [number, number] };

/** A named set as the right side of a match or as a verdict map: `@name`. */
export type SetReference = `@${string}`;

export type Match =
  | { readonly op: '==' | '!='; readonly left: Field; readonly right: Value }
  | { readonly op: '==' | '!='; readonly left: Key; readonly right: SetReference }
  | {
      readonly op: '==' | '!=';
      readonly left: MaskedMark | MaskedConnectionMark | MaskedTcpFlags;
      readonly right: number;
    }
  | { readonly op: '==' | '!='; readonly left: Fib; readonly right: boolean }
  | {
      readonly op: 'in';
      readonly left: { readonly ct: { readonly key: 'state' } };
      readonly right: readonly ConntrackState[];
    };

export type Verdict =
  | { readonly accept: null }
  | { readonly drop: null }
  | { readonly return: null }
  | { readonly jump: { readonly target: string } }
  | { readonly goto: { readonly target: string } };

export type LogLevel = 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug';
export type LimitUnit = 'second' | 'minute' | 'hour' | 'day' | 'week';
export type IcmpxCode = 'no-route' | 'port-unreachable' | 'host-unreachable' | 'admin-prohibited';

export interface Limit {
  readonly rate: number;
  readonly per: LimitUnit;
  readonly burst: number;
  /** Goes on for what exceeds the limit, instead of what is within. */
  readonly inv?: true;
}

export type Statement =
  | { readonly match: Match }
  | { readonly vmap: { readonly key: Key; readonly data: SetReference } }
  | { readonly mangle: { readonly key: Mark; readonly value: MaskedMark | MarkWithBits | number } }
  | { readonly mangle: { readonly key: Dscp; readonly value: number } }
  | { readonly counter: null }
  | { readonly log: { readonly prefix: string; readonly level: LogLevel } }
  | { readonly limit: Limit }
  /** Goes on when more than `val` connections that came here are open. */
  | { readonly 'ct count': { readonly val: number; readonly inv: true } }
  | { readonly reject: { readonly type: 'icmpx'; readonly expr: IcmpxCode } }
  | { readonly reject: { readonly type: 'tcp reset' } }
  | { readonly notrack: null }
  | { readonly masquerade: { readonly port: PortMapping } | null }
  | {
      readonly snat: {
        readonly family: 'ip' | 'ip6';
        readonly addr: string;
        readonly port?: PortMapping;
      };
    }
  | Verdict;

/** Ports to translate to; only after a match of the protocol they belong to. */
type PortMapping = { readonly range: readonly [number, number] };

/** A named set, or a verdict map if `verdicts`. */
export interface NamedSet {
  readonly name: string;
  /** One type, or the fields of a concatenation. */
  readonly type: readonly DataTypeName[];
  /** Elements may be ranges. */
  readonly interval: boolean;
  readonly verdicts: boolean;
  /** Each element counts what it matches. */
  readonly counters?: true;
  readonly comment?: string;
}

/** An element; see datatype.ts for the text of its key. */
export interface Element {
  readonly key: string;
  /** In verdict maps only. */
  readonly verdict?: Verdict;
  readonly comment?: string;
}

export interface ChainValue extends Chain {
  readonly rules: readonly Rule[];
}

export interface SetValue extends NamedSet {
  readonly elements: readonly Element[];
}

/** A whole table. */
export interface Ruleset {
  readonly table: string;
  readonly chains: readonly ChainValue[];
  readonly sets: readonly SetValue[];
}

/** What is equal for the kernel: a set of another type or kind under the same name is another set. */
export function sameDefinition(one: NamedSet, other: NamedSet): boolean {
  return (
    one.interval === other.interval &&
    one.verdicts === other.verdicts &&
    one.counters === other.counters &&
    one.type.length === other.type.length &&
    one.type.every((type, index) => type === other.type[index])
  );
}

/**
 * The ruleset for `nft -j -f`: table, chains, sets, rules, then elements, so that nothing is named before it exists
 * (nft 1.0.6 does not sort).
 */
export function toJson(ruleset: Ruleset): { nftables: JsonValue[] } {
  const place = { family: 'inet', table: ruleset.table };
  const add = (object: JsonValue): JsonValue => ({ add: object });
  return {
    nftables: [
      add({ table: { family: 'inet', name: ruleset.table } }),
      ...ruleset.chains.map((chain) => add({ chain: { ...place, ...chainToJson(chain) } })),
      ...ruleset.sets.map((set) => add({ [set.verdicts ? 'map' : 'set']: { ...place, ...setToJson(set) } })),
      ...ruleset.chains.flatMap((chain) =>
        chain.rules.map((rule) => add({ rule: { ...place, chain: chain.name, ...ruleToJson(rule) } })),
      ),
      ...ruleset.sets
        .filter((set) => set.elements.length > 0)
        .map((set) =>
          add({
            element: {
              ...place,
              name: set.name,
              elem: set.elements.map((element) => elementJson(set, element)),
            },
          }),
        ),
    ],
  };
}

function chainToJson({ name, comment, base }: Chain): { [key: string]: JsonValue } {
  return { name, ...(comment === undefined ? {} : { comment }), ...base };
}

function setToJson({ name, type, interval, verdicts, counters, comment }: NamedSet): {
  [key: string]: JsonValue;
} {
  return {
    name,
    type: type.length === 1 ? type[0]! : type,
    ...(verdicts ? { map: 'verdict' } : {}),
    ...(interval ? { flags: ['interval'] } : {}),
    ...(counters === true ? { stmt: [{ counter: null }] } : {}),
    ...(comment === undefined ? {} : { comment }),
  };
}

function ruleToJson({ comment, expr }: Rule): { [key: string]: JsonValue } {
  return { ...(comment === undefined ? {} : { comment }), expr: expr as unknown as JsonValue };
}

function elementJson(set: NamedSet, element: Element): JsonValue {
  const key = elementToJson(set.type, element.key);
  const dressed = element.comment === undefined ? key : { elem: { val: key, comment: element.comment } };
  return element.verdict === undefined ? dressed : [dressed, element.verdict as JsonValue];
}
