/**
 * Rules of policies and profiles, from the resource's words to addresses, ports and sets. A rule that cannot be
 * enforced is contained, never widened: what would have allowed or logged is left out, what would have denied or
 * passed on denies everything in its place.
 */
import { MargayError } from '../base/errors.ts';
import { type Family, familyOf } from '../net/address.ts';
import { netPrefix, parsePort, protocolNumber } from '../model/fields.ts';
import { entitySelectors } from '../model/convert/rewrite.ts';
import type { EntityRule } from '../model/entity-rule.ts';
import type { Rule } from '../model/rule.ts';
import { parseSelector } from '../model/selector/parser.ts';
import { everything, type Selector } from '../model/selector/selector.ts';
import type { CompiledPeer, CompiledRule, Direction, IcmpMatch, PortRange, RuleAction } from './output.ts';
import {
  addressSet,
  namedPortSet,
  nodeAddressSet,
  serviceAddressSet,
  servicePortSet,
} from './set-definition.ts';
import type { SetDefinition } from './set-registry.ts';

/** What is compiled together with its surroundings. */
export interface RuleContext {
  /** `tier/kind/namespace/name`. */
  readonly policy: string;
  readonly direction: Direction;
  /** Undefined for global policies and profiles. */
  readonly namespace: string | undefined;
}

export interface CompiledRules {
  readonly rules: readonly CompiledRule[];
  /** Every set that the rules refer to. */
  readonly sets: readonly SetDefinition[];
  /** One sentence for each rule that could not be compiled. */
  readonly problems: readonly string[];
}

/** Compiles the rules of one direction. */
export function compileRules(rules: readonly Rule[], context: RuleContext): CompiledRules {
  const compiled: CompiledRule[] = [];
  const sets: SetDefinition[] = [];
  const problems: string[] = [];
  for (const [index, rule] of rules.entries()) {
    const id = `${context.policy}/${context.direction}/${index}`;
    try {
      const result = compileRule(rule, id, context.namespace);
      compiled.push(result.rule);
      sets.push(...result.sets);
    } catch (error) {
      if (!(error instanceof MargayError)) throw error;
      const denies = rule.action === 'Deny' || rule.action === 'Pass';
      if (denies) compiled.push({ id, action: 'deny', source: anyPeer, destination: anyPeer });
      const effect = denies ? 'denies everything instead' : 'never matches';
      problems.push(`${context.direction} rule ${index} ${effect}: ${error.message}`);
    }
  }
  return { rules: compiled, sets, problems };
}

/** No constraint. */
const anyPeer: CompiledPeer = {
  nets: [],
  notNets: [],
  sets: [],
  notSets: [],
  ports: [],
  namedPortSets: [],
  notPorts: [],
  notNamedPortSets: [],
};

const actions: Readonly<Record<Rule['action'], RuleAction>> = {
  Allow: 'allow',
  Deny: 'deny',
  Pass: 'pass',
  Log: 'log',
};

function compileRule(
  rule: Rule,
  id: string,
  namespace: string | undefined,
): { rule: CompiledRule; sets: readonly SetDefinition[] } {
  if (rule.http !== undefined) throw unsupported('http', 'the kernel cannot match HTTP requests');
  const sets: SetDefinition[] = [];
  const ipVersion = familyOfRule(rule);
  const protocol = rule.protocol === undefined ? undefined : protocolNumber(rule.protocol);
  const icmp = icmpMatch(rule.icmp);
  const notIcmp = icmpMatch(rule.notICMP);
  return {
    rule: {
      id,
      action: actions[rule.action],
      ...(ipVersion === undefined ? {} : { ipVersion }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(rule.notProtocol === undefined ? {} : { notProtocol: protocolNumber(rule.notProtocol) }),
      ...(icmp === undefined ? {} : { icmp }),
      ...(notIcmp === undefined ? {} : { notIcmp }),
      source: compilePeer('source', rule.source, protocol, namespace, sets),
      destination: compilePeer('destination', rule.destination, protocol, namespace, sets),
    },
    sets,
  };
}

/**
 * The one family that the rule is about. CIDRs tell it too, and the model lets a rule have those of one family only:
 * a rule that merely excludes an IPv4 CIDR would otherwise match all of IPv6 (felix `rules.FilterRuleToIPVersion`).
 */
function familyOfRule({ ipVersion, source, destination }: Rule): Family | undefined {
  if (ipVersion !== undefined) return ipVersion;
  const [net] = [source, destination].flatMap((side) => [...(side?.nets ?? []), ...(side?.notNets ?? [])]);
  return net === undefined ? undefined : familyOf(net);
}

function compilePeer(
  side: 'source' | 'destination',
  entity: EntityRule | undefined,
  protocol: number | undefined,
  namespace: string | undefined,
  sets: SetDefinition[],
): CompiledPeer {
  if (entity === undefined) return anyPeer;
  const { selector, notSelector } = entitySelectors(entity, namespace);
  const ports = splitPorts(entity.ports);
  const notPorts = splitPorts(entity.notPorts);
  const use = (definition: SetDefinition): string => {
    sets.push(definition);
    return definition.id;
  };
  const service = entity.services && use(serviceSet(side, entity.services, namespace));
  if (service !== undefined && side === 'destination') return { ...anyPeer, namedPortSets: [service] };
  const nodes = entity.nodes === undefined ? [] : [use(nodeAddressSet(parseSelector(entity.nodes)))];
  // A negated named port too is looked up among what the selector selects: nothing else reaches that match.
  const named = (names: readonly string[]): string[] =>
    names.map((name) => use(namedPortSet(selector ?? everything, { name, protocol })));
  // The members of a named-port set are selected already.
  const coveredByPorts = ports.names.length > 0 && ports.ranges.length === 0;
  const addressSets = (wanted: Selector | undefined): string[] =>
    wanted === undefined ? [] : [use(addressSet(wanted))];
  return {
    nets: (entity.nets ?? []).map(netPrefix),
    notNets: (entity.notNets ?? []).map(netPrefix),
    sets: [
      ...nodes,
      ...(service === undefined ? [] : [service]),
      ...(coveredByPorts ? [] : addressSets(selector)),
    ],
    notSets: addressSets(notSelector),
    ports: ports.ranges,
    namedPortSets: named(ports.names),
    notPorts: notPorts.ranges,
    notNamedPortSets: named(notPorts.names),
  };
}

/** A service as destination means its endpoints at its ports, as source its endpoints whatever the port. */
function serviceSet(
  side: 'source' | 'destination',
  { name, namespace }: NonNullable<EntityRule['services']>,
  home: string | undefined,
): SetDefinition {
  const space = namespace ?? home;
  if (space === undefined) throw unsupported('services', 'the namespace of the service is missing');
  return (side === 'source' ? serviceAddressSet : servicePortSet)({ namespace: space, name });
}

function splitPorts(ports: EntityRule['ports']): { ranges: PortRange[]; names: string[] } {
  const ranges: PortRange[] = [];
  const names: string[] = [];
  for (const port of ports ?? []) {
    const meaning = parsePort(port);
    if (meaning === undefined) throw unsupported('ports', `${JSON.stringify(port)} is not a port`);
    if ('name' in meaning) names.push(meaning.name);
    else ranges.push(meaning);
  }
  return { ranges, names };
}

function icmpMatch(icmp: Rule['icmp']): IcmpMatch | undefined {
  if (icmp?.type === undefined) return undefined;
  return { type: icmp.type, ...(icmp.code === undefined ? {} : { code: icmp.code }) };
}

function unsupported(field: string, reason: string): MargayError {
  return new MargayError('calc.unsupported-match', `${field}: ${reason}`);
}
