/** Rules of policies and profiles. */
import * as z from 'zod';
import { type Family, familyOf } from '../net/address.ts';
import { type EntityRule, entityRule } from './entity-rule.ts';
import * as field from './fields.ts';
import { fault, parsePort, protocolNumber } from './fields.ts';
import { once } from './kinds/definition.ts';
import type { Immutable } from './resource.ts';

const icmp = once(() =>
  field.across(
    z.strictObject({
      type: z.int().min(0).max(254).exactOptional().describe('ICMP type.'),
      code: z.int().min(0).max(255).exactOptional().describe('ICMP code; needs a type.'),
    }),
    (match, context) => {
      if (match.code !== undefined && match.type === undefined && context.issues.length === 0) {
        fault(context, 'an ICMP code needs a type', {}, ['code']);
      }
    },
  ),
);

const httpPath = once(() =>
  field.across(
    z.strictObject({
      exact: z.string().exactOptional().describe('The whole path.'),
      prefix: z.string().exactOptional().describe('How the path begins.'),
    }),
    (path, context) => {
      if (context.issues.length > 0) return;
      if ((path.exact === undefined) === (path.prefix === undefined)) {
        fault(context, 'a path is either exact or a prefix', { allowed: 'one of exact, prefix' });
        return;
      }
      const name = path.exact === undefined ? 'prefix' : 'exact';
      // RFC 3986 §3.3: an absolute path, without query and fragment.
      if (!/^\/[^? #]*$/.test(path[name]!)) {
        fault(context, 'not a path', { allowed: 'text that begins with "/", without "?", "#" and spaces' }, [
          name,
        ]);
      }
    },
  ),
);

const ruleShape = once(() =>
  z.strictObject({
    action: z
      .enum(['Allow', 'Deny', 'Log', 'Pass'])
      .describe('What to do with a packet that matches; `Pass` goes to the next tier, `Log` goes on.'),
    ipVersion: z.literal([4, 6]).exactOptional().describe('Only IPv4 or only IPv6.'),
    protocol: field.protocol().exactOptional().describe('IP protocol by name or number.'),
    icmp: icmp().exactOptional().describe('ICMP type and code; needs protocol ICMP or ICMPv6.'),
    notProtocol: field.protocol().exactOptional().describe('Any IP protocol but this.'),
    notICMP: icmp().exactOptional().describe('Any ICMP type and code but this.'),
    source: entityRule().exactOptional().describe('Where the packet comes from.'),
    destination: entityRule().exactOptional().describe('Where the packet goes to.'),
    http: z
      .strictObject({
        methods: z
          .array(z.string())
          .max(20)
          .superRefine((methods, context) => {
            for (const [index, method] of methods.entries()) {
              if (methods.indexOf(method) < index) fault(context, 'duplicate method', {}, [index]);
            }
          })
          .exactOptional()
          .describe('HTTP methods, any of which matches.'),
        paths: z.array(httpPath()).max(20).exactOptional().describe('HTTP paths, any of which matches.'),
      })
      .exactOptional()
      .describe('HTTP requests, for an application-layer proxy; the kernel cannot match them.'),
    metadata: z
      .strictObject({
        annotations: field.labelMap().exactOptional().describe('Notes for people and tools.'),
      })
      .exactOptional()
      .describe('Notes on the rule.'),
  }),
);

export type Rule = Omit<Immutable<z.output<ReturnType<typeof ruleShape>>>, 'source' | 'destination'> & {
  readonly source?: EntityRule;
  readonly destination?: EntityRule;
};

export const rule = once(() => field.across(ruleShape(), checkRule).describe('A match and what to do then.'));

function checkRule(rule: Partial<Rule>, context: z.RefinementCtx): void {
  const faulty = new Set(context.issues.map((issue) => issue.path?.[0]));
  if (!faulty.has('protocol')) {
    checkPorts(rule, context);
    checkIcmp(rule, context);
  }
  checkFamilies(rule, context);
  const { services, ports, notPorts } = rule.destination ?? {};
  if (services !== undefined && ((ports?.length ?? 0) > 0 || (notPorts?.length ?? 0) > 0)) {
    const name = (ports?.length ?? 0) > 0 ? 'ports' : 'notPorts';
    fault(context, 'a service brings its own ports: the destination cannot have others', {}, [
      'destination',
      name,
    ]);
  }
  if (rule.http !== undefined) {
    if (rule.action !== undefined && rule.action !== 'Allow') {
      fault(context, 'HTTP matches are for action Allow only', {}, ['http']);
    }
    if (rule.protocol !== undefined && protocolNumber(rule.protocol) !== field.protocolNumbers.TCP) {
      fault(context, 'HTTP matches need protocol TCP', {}, ['http']);
    }
  }
}

/** Numbers mean nothing without a protocol that has ports; a name brings its protocol with it. */
function checkPorts(rule: Partial<Rule>, context: z.RefinementCtx): void {
  if (rule.protocol !== undefined && field.portProtocolNumbers.has(protocolNumber(rule.protocol))) return;
  for (const side of ['source', 'destination'] as const) {
    for (const name of ['ports', 'notPorts'] as const) {
      for (const [index, port] of (rule[side]?.[name] ?? []).entries()) {
        const named = 'name' in (parsePort(port) ?? {});
        if (named && rule.protocol === undefined) continue;
        fault(
          context,
          rule.protocol === undefined
            ? 'a port number needs a protocol'
            : `protocol ${rule.protocol} has no ports`,
          { allowed: 'ports with protocol TCP, UDP or SCTP' },
          [side, name, index],
        );
      }
    }
  }
}

const icmpFamily: ReadonlyMap<number, Family> = new Map([
  [field.protocolNumbers.ICMP, 4],
  [field.protocolNumbers.ICMPv6, 6],
]);

function checkIcmp(rule: Partial<Rule>, context: z.RefinementCtx): void {
  const family = rule.protocol === undefined ? undefined : icmpFamily.get(protocolNumber(rule.protocol));
  for (const name of ['icmp', 'notICMP'] as const) {
    if (rule[name] !== undefined && family === undefined) {
      fault(context, `${name} needs protocol ICMP or ICMPv6`, {}, [name]);
    }
  }
  for (const protocol of [rule.protocol, rule.notProtocol]) {
    const own = protocol === undefined ? undefined : icmpFamily.get(protocolNumber(protocol));
    if (own === undefined || rule.ipVersion === undefined || rule.ipVersion === own) continue;
    fault(context, `protocol ${protocol} is of IPv${own}`, { allowed: String(own) }, ['ipVersion']);
  }
}

/** One rule speaks of one address family. */
function checkFamilies(rule: Partial<Rule>, context: z.RefinementCtx): void {
  let family: Family | undefined = rule.ipVersion;
  for (const side of ['source', 'destination'] as const) {
    for (const name of ['nets', 'notNets'] as const) {
      for (const [index, net] of (rule[side]?.[name] ?? []).entries()) {
        family ??= familyOf(net);
        if (familyOf(net) === family) continue;
        const message =
          rule.ipVersion === undefined
            ? 'IPv4 and IPv6 CIDRs in one rule'
            : `IPv${familyOf(net)} CIDR in a rule for ipVersion ${rule.ipVersion}`;
        fault(context, message, { allowed: 'one address family in a rule' }, [side, name, index]);
      }
    }
  }
}

/** Faults of a rule that depend on the direction it is for, and on whether its policy has a namespace. */
export function checkDirection(
  rule: Rule,
  direction: 'ingress' | 'egress',
  namespaced: boolean,
  report: (message: string, path: readonly (string | number)[]) => void,
): void {
  const wrongSide = direction === 'ingress' ? 'destination' : 'source';
  if (rule[wrongSide]?.services !== undefined) {
    const rightSide = direction === 'ingress' ? 'source' : 'destination';
    report(`${direction} rules name services only as ${rightSide}`, [wrongSide, 'services']);
  }
  for (const side of ['source', 'destination'] as const) {
    const services = rule[side]?.services;
    if (!namespaced && services !== undefined && services.namespace === undefined) {
      report('a service needs its namespace here', [side, 'services']);
    }
  }
  if (direction === 'egress' && rule.http !== undefined)
    report('HTTP matches are for ingress only', ['http']);
}
