/** The published shapes of what `margayctl` prints as JSON about policy. */
import * as z from 'zod';

const verdict = z.enum(['allow', 'deny', 'unknown']);
const direction = z.enum(['ingress', 'egress']);
const revision = z.int().optional().describe('Revision of the datastore that was read; absent for files.');

const check = z.strictObject({
  field: z.string().describe('Name of a rule’s field; `selector` stands for all that selects by label.'),
  outcome: z.enum(['hit', 'miss', 'unknown']),
  wanted: z.string().describe('What the rule wants there.'),
  found: z.string().describe('What the packet has there.'),
});

const rule = z.strictObject({
  id: z.string().describe('The comment of the rule in `nft list table inet margay`.'),
  action: z.enum(['allow', 'deny', 'pass', 'log']),
  outcome: z.enum(['hit', 'miss', 'unknown']),
  checks: z.array(check).describe('Every field that the rule constrains.'),
});

const policy = z.strictObject({
  id: z.string().describe('tier/kind/namespace/name'),
  rules: z.array(rule).describe('Those that were looked at, in order.'),
  failClosed: z.string().optional().describe('Why it denies everything, if so.'),
});

const walk = z.strictObject({
  direction,
  endpoint: z.string(),
  workload: z.string(),
  stage: z
    .enum(['normal', 'forward', 'preDNAT', 'untracked', 'discovery', 'tunnel', 'to-host'])
    .optional()
    .describe('Where a host has its say.'),
  tiers: z.array(
    z.strictObject({
      name: z.string(),
      defaultAction: z.enum(['deny', 'pass']),
      policies: z.array(policy),
      ended: z.boolean().describe('Whether no rule decided, so that the default action did.'),
    }),
  ),
  profiles: z.array(policy),
  verdict,
  decidedBy: z.array(z.string()),
  setting: z
    .string()
    .optional()
    .describe('The field of FelixConfiguration that decides, where no policy does.'),
});

const packet = z.strictObject({
  source: z.string(),
  destination: z.string(),
  protocol: z.int().describe('IANA number.'),
  sourcePort: z.int().optional(),
  destinationPort: z.int().optional(),
  icmp: z.strictObject({ type: z.int(), code: z.int() }).optional(),
});

const end = z.strictObject({
  name: z.string(),
  kind: z.enum(['workload', 'node', 'host-endpoint', 'service', 'address', 'cidr']),
  workloadEndpoint: z.string().optional(),
});

const answer = {
  format: z.literal('margay-explain/v1'),
  source: end,
  destination: end,
  verdict: verdict.describe('`unknown` if it depends on what was not told, or differs between paths.'),
  paths: z.array(
    z.strictObject({
      packet,
      verdict,
      decidedBy: z.array(z.string()).describe('Ids of the rules that decide.'),
      walks: z.array(walk).describe('What the packet meets, in order.'),
    }),
  ),
  nearest: z
    .array(
      z.strictObject({
        rule: z.string(),
        direction,
        workload: z.string(),
        failed: z.array(check),
        suggestions: z.array(z.string()),
      }),
    )
    .describe('Where denied: rules that would have allowed it, fewest failed fields first.'),
  bystanders: z.array(
    z.strictObject({ policy: z.string(), workload: z.string(), direction, reason: z.string() }),
  ),
  notes: z.array(z.string()),
};

const family = z.union([z.literal(4), z.literal(6)]);

const changes = z.array(
  z.strictObject({
    from: z.string(),
    to: z.string(),
    family,
    protocol: z.string(),
    ports: z.string().optional().describe('`80` or `8000-8010`; absent where there are no ports.'),
    before: verdict,
    after: verdict,
  }),
);

/** By the name of the command that prints it. */
export const schemas = {
  explain: z.strictObject({
    ...answer,
    revision,
    nodes: z
      .array(z.strictObject({ node: z.string(), revisionInForce: z.int(), inForce: z.boolean() }))
      .optional()
      .describe('Agents that answer on this machine, and whether the revision is in force there.'),
    remedy: z
      .strictObject({ rule: z.string(), change: z.string(), effects: changes })
      .optional()
      .describe('Where denied: the smallest change that lets the rule match, and what it does on this port.'),
    before: z.strictObject(answer).optional().describe('The answer without --with and --without.'),
  }),
  reach: z.strictObject({
    format: z.literal('margay-reach/v1'),
    revision,
    sources: z.array(z.string()),
    destinations: z.array(z.string()),
    verdicts: z.array(z.array(verdict)).describe('By source, then by destination.'),
  }),
  'policy-diff': z.strictObject({
    format: z.literal('margay-reach-diff/v1'),
    changes,
  }),
  lint: z.strictObject({
    format: z.literal('margay-lint/v1'),
    findings: z.array(z.strictObject({ check: z.string(), subject: z.string(), message: z.string() })),
  }),
} as const;

/** A shape as JSON Schema (draft 2020-12). */
export function jsonSchema(name: keyof typeof schemas): unknown {
  return z.toJSONSchema(schemas[name]);
}
