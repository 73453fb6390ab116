/**
 * Limits of workloads, whatever policy says (Calico felix/rules/endpoints.go): packets per second, replies included;
 * open TCP connections; and the code point of what leaves the pools. Bandwidth is a matter of queues, not of rules.
 */
import type { Direction, LocalEndpoint, SetId } from '../../calc/output.ts';
import { type Family, familyOf } from '../../net/address.ts';
import { hostPrefix } from '../../net/prefix.ts';
import { commentText, objectName } from '../names.ts';
import type { AddressPayload, ChainValue, Rule, SetValue, Statement } from '../ruleset.ts';
import { joinPrefixes, prefixListSet } from './lists.ts';
import type { RenderOptions } from './options.ts';
import type { KnownSets } from './rule.ts';
import { INTERFACE_FIELDS, reference } from './set-names.ts';
import type { PartValue } from './table-part.ts';

type Limited = Pick<LocalEndpoint, 'key' | 'interfaceName' | 'workload' | 'addresses' | 'qos'>;

const RATE_PREFIXES: Readonly<Record<Direction, string>> = {
  egress: 'from-workload-rate',
  ingress: 'to-workload-rate',
};
const TCP = 6;
const DSCP_CHAIN = 'code-points';
/** NF_IP_PRI_MANGLE: sources are not translated yet. */
const DSCP_PRIORITY = -150;

/** The rule that hands packets of limited workloads to their limit; none while there is no limit. */
export function rateRules(direction: Direction, limited: readonly Limited[]): Rule[] {
  if (!limited.some(({ qos }) => qos?.packetRate[direction] !== undefined)) return [];
  const map = reference({ name: RATE_PREFIXES[direction] });
  return [{ expr: [{ vmap: { key: INTERFACE_FIELDS[direction], data: map } }] }];
}

/** The maps and chains behind {@link rateRules}, and the chain that sets code points. */
export function renderQos(
  limited: readonly Limited[],
  pools: SetId | undefined,
  options: RenderOptions,
  known: KnownSets,
): PartValue {
  const rates = (['egress', 'ingress'] as const).map((direction) => renderRates(direction, limited));
  const points = pools === undefined ? undefined : renderCodePoints(limited, pools, options, known);
  return {
    chains: [...rates.flatMap(({ chains }) => chains), ...(points?.chains ?? [])],
    sets: [...rates.flatMap(({ sets }) => sets), ...(points?.sets ?? [])],
  };
}

function renderRates(direction: Direction, limited: readonly Limited[]): PartValue {
  const chains: ChainValue[] = [];
  const elements: SetValue['elements'][number][] = [];
  const prefix = RATE_PREFIXES[direction];
  for (const { interfaceName, workload, qos } of limited) {
    const limit = qos?.packetRate[direction];
    if (limit === undefined) continue;
    const name = objectName(`${prefix}-`, interfaceName);
    const over: Statement = { limit: { rate: limit.rate, per: 'second', burst: limit.burst, inv: true } };
    const comment = commentText(`over ${limit.rate} packets a second, ${workload}, ${direction}`);
    chains.push({ name, rules: [{ comment, expr: [over, { counter: null }, { drop: null }] }] });
    elements.push({ key: interfaceName, verdict: { jump: { target: name } } });
  }
  const map: SetValue = {
    name: prefix,
    type: ['ifname'],
    interval: false,
    verdicts: true,
    comment: 'packet rates by workload interface',
    elements,
  };
  return { chains, sets: chains.length === 0 ? [] : [map] };
}

/** Refuses connections beyond the limit; to be asked about new connections only. */
export function connectionLimitRules(direction: Direction, { key, qos }: Limited): Rule[] {
  const limit = qos?.maxConnections[direction];
  if (limit === undefined) return [];
  return [
    {
      comment: commentText(`${key}/${direction}/over ${limit} connections`),
      expr: [
        { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: TCP } },
        { 'ct count': { val: limit, inv: true } },
        { counter: null },
        { reject: { type: 'tcp reset' } },
      ],
    },
  ];
}

function renderCodePoints(
  limited: readonly Limited[],
  pools: SetId,
  options: RenderOptions,
  known: KnownSets,
): PartValue {
  const marked = limited.filter(({ qos }) => qos?.dscp !== undefined);
  const values = [...new Set(marked.map(({ qos }) => qos!.dscp!))].toSorted((a, b) => a - b);
  const sets: SetValue[] = [];
  const rules = options.families.flatMap((family) =>
    values.flatMap((value): Rule[] => {
      const sources = marked
        .filter(({ qos }) => qos!.dscp === value)
        .flatMap(({ addresses }) => addresses)
        .filter((address) => familyOf(address) === family);
      if (sources.length === 0) return [];
      const set = prefixListSet(joinPrefixes(sources.map(hostPrefix), family), family);
      sets.push(set);
      return [codePointRule(family, set, known.addressSetName(pools, family), value)];
    }),
  );
  const chain: ChainValue = {
    name: DSCP_CHAIN,
    comment: 'code points of what leaves the pools',
    base: { type: 'filter', hook: 'postrouting', prio: DSCP_PRIORITY, policy: 'accept' },
    rules,
  };
  return rules.length === 0 ? { chains: [], sets: [] } : { chains: [chain], sets };
}

function codePointRule(family: Family, sources: SetValue, pools: string, value: number): Rule {
  const protocol = family === 4 ? 'ip' : 'ip6';
  const payload = (field: 'saddr' | 'daddr'): AddressPayload => ({ payload: { protocol, field } });
  return {
    comment: `code point ${value}`,
    expr: [
      { match: { op: '==', left: payload('saddr'), right: reference(sources) } },
      { match: { op: '!=', left: payload('daddr'), right: reference({ name: pools }) } },
      { counter: null },
      { mangle: { key: { payload: { protocol, field: 'dscp' } }, value } },
    ],
  };
}
