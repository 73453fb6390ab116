/** NAT outgoing: packets that leave a pool for an address outside all pools get an address of the node. */
import type { NatOutgoingSets } from '../../calc/output.ts';
import type { Family } from '../../net/address.ts';
import type { AddressPayload, ChainValue, Match, Rule, SetReference, Statement } from '../ruleset.ts';
import type { RenderOptions } from './options.ts';
import type { KnownSets } from './rule.ts';
import { PORT_PROTOCOLS, reference } from './set-names.ts';

export const NAT_CHAIN = 'nat-outgoing';
/** Behind NF_IP_PRI_NAT_SRC (100): who translates sources there, such as kube-proxy, decides first. */
const PRIORITY = 110;

/** The chain, for both families. */
export function natChain(sets: NatOutgoingSets, options: RenderOptions, known: KnownSets): ChainValue {
  return {
    name: NAT_CHAIN,
    comment: 'what leaves a pool with natOutgoing for an address outside all pools',
    base: { type: 'nat', hook: 'postrouting', prio: PRIORITY, policy: 'accept' },
    rules: options.families.flatMap((family) => rules(sets, family, options, known)),
  };
}

function rules(
  sets: NatOutgoingSets,
  family: Family,
  { natOutgoing }: RenderOptions,
  known: KnownSets,
): Rule[] {
  const { addresses, ports, excludeNodes, outputInterface } = natOutgoing;
  const payload = (field: 'saddr' | 'daddr'): AddressPayload => ({
    payload: { protocol: family === 4 ? 'ip' : 'ip6', field },
  });
  const set = (id: string): SetReference => reference({ name: known.addressSetName(id, family) });
  const matches: Match[] = [
    { op: '==', left: payload('saddr'), right: set(sets.masqueraded) },
    { op: '!=', left: payload('daddr'), right: set(sets.pools) },
    ...(excludeNodes ? [{ op: '!=', left: payload('daddr'), right: set(sets.nodes) } as const] : []),
    ...(outputInterface === undefined
      ? []
      : [{ op: '==', left: { meta: { key: 'oifname' } }, right: outputInterface } as const]),
  ];
  const address = addresses[family];
  const translate = (port: { port: { range: [number, number] } } | undefined): Statement =>
    address === undefined
      ? { masquerade: port ?? null }
      : { snat: { family: family === 4 ? 'ip' : 'ip6', addr: address, ...port } };
  const rule = (further: readonly Match[], statement: Statement): Rule => ({
    comment: 'NAT outgoing',
    expr: [...[...further, ...matches].map((match) => ({ match })), { counter: null }, statement],
  });
  if (ports === undefined) return [rule([], translate(undefined))];
  const port = { port: { range: [ports.first, ports.last] as [number, number] } };
  return [
    // Ports may only be named behind a match of the one protocol that they belong to.
    ...[...PORT_PROTOCOLS.keys()].map((protocol) =>
      rule([{ op: '==', left: { meta: { key: 'l4proto' } }, right: protocol }], translate(port)),
    ),
    rule([], translate(undefined)),
  ];
}
