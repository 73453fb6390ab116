/**
 * One policy rule (calc/output.ts) as nft matches: no alternative if it can match no packet, one if it says nothing
 * about addresses, else one for each family; more where it says `or` (numbered and named ports, negated ICMP type
 * and code).
 *
 * A rule that constrains ports, in either way, is about packets that have ports: TCP, UDP, SCTP and UDP-Lite. A rule
 * that constrains ICMP, in either way, is about ICMP packets of the family.
 */
import type { CompiledRule, PortRange, SetId } from '../../calc/output.ts';
import { type Family, familyOf } from '../../net/address.ts';
import { type Prefix, isHostPrefix, prefixAddress, prefixLength } from '../../net/prefix.ts';
import type { AddressPayload, Field, Match, PortPayload, SetReference, SetValue, Value } from '../ruleset.ts';
import { joinPorts, joinPrefixes, portListSet, prefixListSet } from './lists.ts';
import { PORT_PROTOCOLS, PORT_PROTOCOL_SET, calculatedSetName, reference } from './set-names.ts';

interface RenderedMatches {
  /** The matches of each nft rule; with `disjoint`, no two match the same packet. */
  readonly alternatives: readonly (readonly Match[])[];
  /** Sets by content (and other fixed ones) that they use. */
  readonly sets: readonly SetValue[];
}

/** What is known of the sets that the calculation keeps. */
export interface KnownSets {
  /** Whether a match asks for a member of a set that never had one. */
  readonly isVain: (match: Match) => boolean;
  /** The name of the family's half of a set of addresses, which depends on what its members are like. */
  readonly addressSetName: (id: SetId, family: Family) => string;
}

/** Whatever members the sets have. */
export const ANY_MEMBERS: KnownSets = {
  isVain: () => false,
  addressSetName: (id, family) => calculatedSetName('networks', id, family),
};

/** Matches that hold together. */
type Conjunction = readonly Match[];
/** One part of a rule: any of these. */
type Factor = readonly Conjunction[];
type Operator = '==' | '!=';

const ICMP_PROTOCOLS: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };
const NFPROTO: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };
const HIGHEST_PORT = 65_535;
/** Lists of prefixes up to this length are written out instead of looked up. */
const MOST_WRITTEN_OUT = 3;

const SIDES = [
  { peer: 'source', address: 'saddr', port: 'sport' },
  { peer: 'destination', address: 'daddr', port: 'dport' },
] as const;
type Side = (typeof SIDES)[number];

/**
 * What a rule matches in `families`. `disjoint` keeps alternatives from matching the same packet twice, for actions
 * after which evaluation goes on. Alternatives with a match that is vain are left out.
 */
export function renderMatches(
  rule: CompiledRule,
  disjoint: boolean,
  families: readonly Family[],
  known: KnownSets = ANY_MEMBERS,
): RenderedMatches {
  const sets = new Map<string, SetValue>();
  const alternatives = familiesOf(rule, families)
    .flatMap((family) => new RuleMatches(rule, family, disjoint, sets, known).alternatives())
    .filter((matches) => !matches.some(known.isVain));
  const used = new Set(alternatives.flat().map(({ right }) => right));
  return { alternatives, sets: [...sets.values()].filter((set) => used.has(reference(set))) };
}

/** The families a rule must be written for; undefined is one rule for both. */
function familiesOf(rule: CompiledRule, families: readonly Family[]): readonly (Family | undefined)[] {
  if (rule.ipVersion !== undefined) return families.filter((family) => family === rule.ipVersion);
  const aboutAddresses = [rule.source, rule.destination].some((peer) =>
    [peer.nets, peer.notNets, peer.sets, peer.notSets, peer.namedPortSets, peer.notNamedPortSets].some(
      (list) => list.length > 0,
    ),
  );
  return aboutAddresses || rule.icmp !== undefined || rule.notIcmp !== undefined ? families : [undefined];
}

/** A factor that no packet passes. */
const NEVER: Factor = [];
const one = (match: Match): Factor => [[match]];

class RuleMatches {
  constructor(
    private readonly rule: CompiledRule,
    private readonly family: Family | undefined,
    private readonly disjoint: boolean,
    private readonly sets: Map<string, SetValue>,
    private readonly known: KnownSets,
  ) {}

  /** Cheap comparisons come first, set lookups last. */
  alternatives(): Match[][] {
    const factors = [
      ...this.protocolFactors(),
      ...this.icmpFactors(),
      ...SIDES.flatMap((side) => this.netFactors(side)),
      ...SIDES.flatMap((side) => this.portFactors(side)),
      ...SIDES.flatMap((side) => this.calculatedSetFactors(side)),
    ];
    return product(factors).map((matches) => [...this.prerequisites(matches), ...matches]);
  }

  private protocolFactors(): Factor[] {
    const { protocol, notProtocol } = this.rule;
    if (protocol !== undefined) {
      if (protocol === notProtocol) return [NEVER];
      return this.constrainsPorts && !PORT_PROTOCOLS.has(protocol) ? [NEVER] : [];
    }
    return notProtocol === undefined
      ? []
      : [one({ op: '!=', left: { meta: { key: 'l4proto' } }, right: notProtocol })];
  }

  /** Family and protocol, unless the matches bring them along. */
  private prerequisites(matches: Conjunction): Match[] {
    const payloads = new Set(matches.flatMap(payloadProtocols));
    const found: Match[] = [];
    if (this.family !== undefined) {
      const bringing = this.family === 4 ? ['ip', 'icmp'] : ['ip6', 'icmpv6'];
      if (!bringing.some((name) => payloads.has(name))) {
        found.push({ op: '==', left: { meta: { key: 'nfproto' } }, right: NFPROTO[this.family] });
      }
    }
    const { protocol } = this.rule;
    if (protocol === undefined) {
      if (this.constrainsPorts && !matches.some(namesProtocol)) {
        found.push({ op: '==', left: { meta: { key: 'l4proto' } }, right: this.use(PORT_PROTOCOL_SET) });
      }
    } else {
      const name = this.aboutIcmp ? this.icmpName : PORT_PROTOCOLS.get(protocol);
      if (name === undefined || !payloads.has(name)) {
        found.push({ op: '==', left: { meta: { key: 'l4proto' } }, right: protocol });
      }
    }
    return found;
  }

  private get aboutIcmp(): boolean {
    return this.rule.icmp !== undefined || this.rule.notIcmp !== undefined;
  }

  private get icmpName(): 'icmp' | 'icmpv6' {
    return this.family === 4 ? 'icmp' : 'icmpv6';
  }

  private icmpFactors(): Factor[] {
    const { icmp, notIcmp, protocol } = this.rule;
    if (!this.aboutIcmp || this.family === undefined) return [];
    if (protocol !== undefined && protocol !== ICMP_PROTOCOLS[this.family]) return [NEVER];
    const field = (name: 'type' | 'code', op: Operator, right: number): Match => ({
      op,
      left: { payload: { protocol: this.icmpName, field: name } },
      right,
    });
    const factors: Factor[] = [];
    if (icmp !== undefined) {
      factors.push(one(field('type', '==', icmp.type)));
      if (icmp.code !== undefined) factors.push(one(field('code', '==', icmp.code)));
    }
    if (notIcmp !== undefined) {
      const otherType: Conjunction = [field('type', '!=', notIcmp.type)];
      const otherCode =
        notIcmp.code === undefined
          ? []
          : [[field('type', '==', notIcmp.type), field('code', '!=', notIcmp.code)]];
      factors.push([otherType, ...otherCode]);
    }
    return factors;
  }

  private netFactors(side: Side): Factor[] {
    const { nets, notNets } = this.rule[side.peer];
    const factors: Factor[] = [];
    if (nets.length > 0) {
      const own = this.ownPrefixes(nets);
      if (own.length === 0) factors.push(NEVER);
      else if (!isEverything(own)) factors.push(this.inPrefixes(side, own));
    }
    const excluded = this.ownPrefixes(notNets);
    if (isEverything(excluded)) factors.push(NEVER);
    else if (excluded.length > 0) factors.push([this.outsidePrefixes(side, excluded)]);
    return factors;
  }

  private ownPrefixes(prefixes: readonly Prefix[]): Prefix[] {
    const { family } = this;
    if (family === undefined) return [];
    return joinPrefixes(
      prefixes.filter((prefix) => familyOf(prefix) === family),
      family,
    );
  }

  private address(side: Side): AddressPayload {
    return { payload: { protocol: this.family === 4 ? 'ip' : 'ip6', field: side.address } };
  }

  /** A few prefixes are a rule each: sets are dear to the kernel when there are thousands. */
  private inPrefixes(side: Side, prefixes: readonly Prefix[]): Factor {
    const left = this.address(side);
    return prefixes.length <= MOST_WRITTEN_OUT
      ? prefixes.map((prefix) => [{ op: '==', left, right: prefixValue(prefix) }])
      : one({ op: '==', left, right: this.use(prefixListSet(prefixes, this.family!)) });
  }

  private outsidePrefixes(side: Side, prefixes: readonly Prefix[]): Conjunction {
    const left = this.address(side);
    return prefixes.length <= MOST_WRITTEN_OUT
      ? prefixes.map((prefix) => ({ op: '!=', left, right: prefixValue(prefix) }))
      : [{ op: '!=', left, right: this.use(prefixListSet(prefixes, this.family!)) }];
  }

  private calculatedSetFactors(side: Side): Factor[] {
    const { family } = this;
    if (family === undefined) return [];
    const { sets, notSets } = this.rule[side.peer];
    const lookup = (op: Operator, id: string): Factor =>
      one({
        op,
        left: this.address(side),
        right: reference({ name: this.known.addressSetName(id, family) }),
      });
    return [...sets.map((id) => lookup('==', id)), ...notSets.map((id) => lookup('!=', id))];
  }

  private get constrainsPorts(): boolean {
    return [this.rule.source, this.rule.destination].some((peer) =>
      [peer.ports, peer.namedPortSets, peer.notPorts, peer.notNamedPortSets].some((list) => list.length > 0),
    );
  }

  private portFactors(side: Side): Factor[] {
    const { ports, namedPortSets, notPorts, notNamedPortSets } = this.rule[side.peer];
    const factors: Factor[] = [];
    if (ports.length > 0 || namedPortSets.length > 0) {
      const numbered = joinPorts(ports);
      if (!isEveryPort(numbered)) {
        const choices = [
          ...(numbered.length > 0 ? [this.inPorts(side, numbered)] : []),
          ...namedPortSets.map((id) => this.inNamedPort(side, id)),
        ];
        factors.push(choices.map((match, index) => this.besides(choices.slice(0, index), match)));
      }
    }
    const excluded = joinPorts(notPorts);
    if (isEveryPort(excluded)) factors.push(NEVER);
    else if (excluded.length > 0) factors.push(one(negate(this.inPorts(side, excluded))));
    return [...factors, ...notNamedPortSets.map((id) => one(negate(this.inNamedPort(side, id))))];
  }

  /** A choice, without what the choices before it match where that matters. */
  private besides(earlier: readonly Match[], match: Match): Conjunction {
    return this.disjoint ? [...earlier.map(negate), match] : [match];
  }

  private inPorts(side: Side, ports: readonly PortRange[]): Match {
    const { protocol } = this.rule;
    const header = (protocol === undefined ? undefined : PORT_PROTOCOLS.get(protocol)) ?? 'th';
    const left: PortPayload = { payload: { protocol: header, field: side.port } };
    const [only] = ports;
    if (ports.length > 1 || only === undefined) {
      return { op: '==', left, right: this.use(portListSet(ports)) };
    }
    return { op: '==', left, right: portValue(only) };
  }

  /** Only called with a family: a named port set makes a rule about addresses. */
  private inNamedPort(side: Side, id: string): Match {
    const port: PortPayload = { payload: { protocol: 'th', field: side.port } };
    const fields: Field[] = [this.address(side), { meta: { key: 'l4proto' } }, port];
    const name = calculatedSetName('ports', id, this.family!);
    return { op: '==', left: { concat: fields }, right: reference({ name }) };
  }

  private use(set: SetValue): SetReference {
    this.sets.set(set.name, set);
    return reference(set);
  }
}

function product(factors: readonly Factor[]): Match[][] {
  return factors.reduce<Match[][]>(
    (alternatives, factor) =>
      alternatives.flatMap((matches) => factor.map((conjunction) => [...matches, ...conjunction])),
    [[]],
  );
}

/** Callers negate only matches that have an operator and its opposite. */
function negate(match: Match): Match {
  return match.op === 'in' ? match : { ...match, op: match.op === '==' ? '!=' : '==' };
}

function fieldsOf(match: Match): readonly Field[] {
  if (match.op === 'in' || '&' in match.left || 'fib' in match.left) return [];
  return 'concat' in match.left ? match.left.concat : [match.left];
}

function payloadProtocols(match: Match): string[] {
  return fieldsOf(match).flatMap((field) => ('payload' in field ? [field.payload.protocol] : []));
}

/** A lookup of address, protocol and port says that the protocol is one with ports. */
function namesProtocol(match: Match): boolean {
  return match.op === '==' && 'concat' in match.left;
}

function isEverything(joined: readonly Prefix[]): boolean {
  return joined.length === 1 && prefixLength(joined[0]!) === 0;
}

function isEveryPort(joined: readonly PortRange[]): boolean {
  const [only] = joined;
  return joined.length === 1 && only !== undefined && only.first === 0 && only.last === HIGHEST_PORT;
}

function prefixValue(prefix: Prefix): Value {
  return isHostPrefix(prefix)
    ? prefixAddress(prefix)
    : { prefix: { addr: prefixAddress(prefix), len: prefixLength(prefix) } };
}

function portValue({ first, last }: PortRange): Value {
  return first === last ? first : { range: [first, last] };
}
