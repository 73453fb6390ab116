/** BGPFilter (projectcalico.org/v3): which routes BGP takes from and gives to a peer, and what it changes on them. */
import * as z from 'zod';
import type { Family } from '../../net/address.ts';
import * as field from '../fields.ts';
import type { Immutable } from '../resource.ts';
import { community } from './bgp-configuration.ts';
import { type Finding, type ResourceOf, defineKind, once } from './definition.ts';

/** Priorities are metrics of routes; BGP carries them as 2147483647 minus the priority in LOCAL_PREF. */
const priority = () => z.int().min(1).max(2_147_483_646);

const operation = once(() =>
  field.across(
    z.strictObject({
      addCommunity: z
        .strictObject({ value: community().describe('The community.') })
        .exactOptional()
        .describe('Adds a community.'),
      prependASPath: z
        .strictObject({
          prefix: z
            .array(field.asNumber())
            .min(1)
            .max(10)
            .describe('AS numbers, the first of which comes first in the path.'),
        })
        .exactOptional()
        .describe('Puts AS numbers before the AS path.'),
      setPriority: z
        .strictObject({ value: priority().describe('The priority.') })
        .exactOptional()
        .describe('Sets the priority of the route.'),
    }),
    (value, context) => {
      if (Object.keys(value).length + context.issues.length === 1) return;
      if (context.issues.length === 0) {
        field.fault(context, 'an operation has exactly one field', {
          allowed: 'one of addCommunity, prependASPath, setPriority',
        });
      }
    },
  ),
);

/** How many bits a prefix of the family can have. */
const longest: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

const filterRule = (family: Family) => {
  const length = () => z.int().min(0).max(longest[family]).exactOptional();
  return field.across(
    z.strictObject({
      cidr: field
        .maskedNetOf(family)
        .exactOptional()
        .describe('Compared to the prefix of the route as matchOperator says.'),
      prefixLength: z
        .strictObject({
          min: length().describe('Least length.'),
          max: length().describe('Greatest length.'),
        })
        .exactOptional()
        .describe('Narrows the match to prefixes of these lengths inside cidr.'),
      source: z.enum(['RemotePeers']).exactOptional().describe('Only routes that were learned from peers.'),
      interface: z
        .string()
        .superRefine((text, context) => {
          if (/^[a-zA-Z0-9_.*-]{1,15}$/.test(text)) return;
          field.fault(context, 'not an interface pattern', {
            allowed: '1 to 15 of letters, digits, "_", ".", "-" and "*"',
          });
        })
        .exactOptional()
        .describe('Only routes out of interfaces of this name; `*` is a wildcard.'),
      matchOperator: z
        .enum(['Equal', 'NotEqual', 'In', 'NotIn'])
        .exactOptional()
        .describe('How the prefix of the route compares to cidr.'),
      peerType: z.enum(['eBGP', 'iBGP']).exactOptional().describe('Only sessions of this type.'),
      communities: z
        .strictObject({
          values: z.array(community()).min(1).max(1).describe('The community, exactly one.'),
        })
        .exactOptional()
        .describe('Only routes with this community.'),
      asPathPrefix: z
        .array(field.asNumber())
        .exactOptional()
        .describe('Only routes whose AS path begins with these.'),
      priority: priority().exactOptional().describe('Only routes of this priority.'),
      action: z.enum(['Accept', 'Reject']).describe('What becomes of a route that matches.'),
      operations: z
        .array(operation())
        .min(1)
        .max(10)
        .exactOptional()
        .describe('What to change on an accepted route, in order.'),
    }),
    checkRule,
  );
};

interface RuleFields {
  readonly cidr?: string;
  readonly prefixLength?: unknown;
  readonly matchOperator?: string;
  readonly action?: string;
  readonly operations?: readonly unknown[];
}

function checkRule(rule: RuleFields, context: z.RefinementCtx): void {
  const faulty = new Set(context.issues.map(({ path }) => path?.[0]));
  if (!faulty.has('cidr') && !faulty.has('matchOperator')) {
    if (rule.cidr !== undefined && rule.matchOperator === undefined) {
      field.fault(context, 'cidr needs matchOperator', {}, ['cidr']);
    }
    if (rule.cidr === undefined && rule.matchOperator !== undefined) {
      field.fault(context, 'matchOperator needs cidr', {}, ['matchOperator']);
    }
  }
  if (rule.prefixLength !== undefined && rule.cidr === undefined && !faulty.has('cidr')) {
    field.fault(context, 'prefixLength needs cidr', {}, ['prefixLength']);
  }
  if (rule.operations !== undefined && rule.action === 'Reject') {
    field.fault(context, 'operations are for action Accept only', {}, ['operations']);
  }
}

const filterRuleV4 = once(() => filterRule(4));
const filterRuleV6 = once(() => filterRule(6));

/** One rule of a filter. */
export type BGPFilterRule = Immutable<z.output<ReturnType<typeof filterRuleV4>>>;

const lists = ['exportV4', 'importV4', 'exportV6', 'importV6'] as const;

export const bgpFilter = defineKind({
  kind: 'BGPFilter',
  apiVersion: 'projectcalico.org/v3',
  plural: 'bgpfilters',
  aliases: ['bgpf', 'bgpfs'],
  namespaced: false,
  description: 'Rules on routes from and to BGP peers that name the filter.',
  spec: () =>
    z.strictObject({
      exportV4: z
        .array(filterRuleV4())
        .exactOptional()
        .describe('Rules for IPv4 routes to the peer, in order; the first that matches decides.'),
      importV4: z
        .array(filterRuleV4())
        .exactOptional()
        .describe('Rules for IPv4 routes from the peer, in order; the first that matches decides.'),
      exportV6: z
        .array(filterRuleV6())
        .exactOptional()
        .describe('Rules for IPv6 routes to the peer, in order; the first that matches decides.'),
      importV6: z
        .array(filterRuleV6())
        .exactOptional()
        .describe('Rules for IPv6 routes from the peer, in order; the first that matches decides.'),
    }),
  checkEntry: ({ spec }) => {
    const findings: Finding[] = [];
    for (const list of lists) {
      for (const [index, { prefixLength }] of (spec[list] ?? []).entries()) {
        if ((prefixLength?.min ?? 0) <= (prefixLength?.max ?? Infinity)) continue;
        const path = ['spec', list, index, 'prefixLength', 'max'];
        findings.push({ path, message: 'less than min, which nothing can match' });
      }
    }
    return findings;
  },
});

export type BGPFilter = ResourceOf<typeof bgpFilter>;
