/**
 * The same policy as Felix's nftables dataplane lays it out: one chain for each policy, a rule for each CIDR, an
 * anonymous set for each list of ports, a named set for each selector, a chain for each endpoint that jumps to every
 * policy and looks at a mark after each. Made from the objects that our own table is rendered from.
 */
import type { ActivePolicy, CalcDelta, CompiledRule, LocalEndpoint } from '../../src/calc/output.ts';
import { familyOf } from '../../src/net/address.ts';

const ACCEPTED = '0x10000';
const PASSED = '0x20000';
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
]);

/** The table for what a node has to enforce on IPv4 ingress, as text for `nft -f`. */
export function felixShaped(delta: CalcDelta): string {
  const sets = new Map([...delta.sets.keys()].map((id, index) => [id, `cali40s-${index}`]));
  const policies = new Map(
    [...delta.policies, ...delta.profiles].flatMap(([id, value], index) =>
      value === undefined ? [] : [[id, { chain: `cali-pi-${index}`, value }] as const],
    ),
  );
  const lines = ['table ip calico {'];
  for (const [id, set] of delta.sets) {
    const members = (set?.added ?? []).filter((member) => familyOf(member) === 4);
    lines.push(`set ${sets.get(id)!} {`, 'type ipv4_addr', 'flags interval');
    if (members.length > 0) lines.push(`elements = { ${members.join(', ')} }`);
    lines.push('}');
  }
  for (const { chain, value } of policies.values()) {
    lines.push(`chain ${chain} {`, ...value.ingress.flatMap((rule) => ruleLines(rule, sets)), '}');
  }
  const endpoints = [...delta.endpoints.values()].filter((endpoint) => endpoint !== undefined);
  for (const endpoint of endpoints) lines.push(...endpointLines(endpoint, policies));
  lines.push(
    'map to-endpoints {',
    'type ifname : verdict',
    `elements = { ${endpoints.map(({ interfaceName }) => `"${interfaceName}" : goto cali-tw-${interfaceName}`).join(', ')} }`,
    '}',
    'chain cali-FORWARD {',
    'type filter hook forward priority 0; policy accept;',
    'ct state established,related accept',
    'ct state invalid drop',
    'oifname "cali*" oifname vmap @to-endpoints',
    '}',
    '}',
  );
  return `${lines.join('\n')}\n`;
}

function ruleLines(rule: CompiledRule, sets: ReadonlyMap<string, string>): string[] {
  const { source, destination } = rule;
  const protocol = rule.protocol === undefined ? undefined : PROTOCOLS.get(rule.protocol);
  if (protocol === undefined && destination.ports.length > 0)
    throw new Error(`${rule.id}: not in this world`);
  const ports = destination.ports.map(({ first, last }) => (first === last ? first : `${first}-${last}`));
  const common = [
    ...(protocol === undefined ? [] : [`meta l4proto ${protocol}`]),
    ...source.sets.map((id) => `ip saddr @${sets.get(id)!}`),
    ...(ports.length === 0 ? [] : [`${protocol!} dport { ${ports.join(', ')} }`]),
  ];
  const nets = source.nets.filter((net) => familyOf(net) === 4);
  const sources = nets.length === 0 ? [''] : nets.map((net) => `ip saddr ${net} `);
  return sources.flatMap((net) => {
    const match = `${net}${common.join(' ')}`;
    switch (rule.action) {
      case 'allow':
        return [
          `${match} counter meta mark set meta mark | ${ACCEPTED}`,
          `meta mark & ${ACCEPTED} == ${ACCEPTED} return`,
        ];
      case 'pass':
        return [
          `${match} counter meta mark set meta mark | ${PASSED}`,
          `meta mark & ${PASSED} == ${PASSED} return`,
        ];
      case 'deny':
        return [`${match} counter drop`];
      case 'log':
        return [`${match} counter log`];
      default:
        return rule.action satisfies never;
    }
  });
}

function endpointLines(
  endpoint: LocalEndpoint,
  policies: ReadonlyMap<string, { readonly chain: string; readonly value: ActivePolicy }>,
): string[] {
  const lines = [`chain cali-tw-${endpoint.interfaceName} {`, `meta mark set meta mark & 0xfffcffff`];
  for (const tier of endpoint.tiers.filter(({ ingress }) => ingress.length > 0)) {
    lines.push(`meta mark set meta mark & 0xfffdffff`);
    for (const id of tier.ingress) {
      lines.push(
        `meta mark & ${PASSED} == 0 jump ${policies.get(id)!.chain}`,
        `meta mark & ${ACCEPTED} == ${ACCEPTED} accept`,
      );
    }
    if (tier.defaultAction === 'deny') lines.push(`meta mark & ${PASSED} == 0 counter drop`);
  }
  for (const id of endpoint.profiles) {
    lines.push(`jump ${policies.get(id)!.chain}`, `meta mark & ${ACCEPTED} == ${ACCEPTED} accept`);
  }
  lines.push('counter drop', '}');
  return lines;
}
