/** The policies of a speaker, each compiled once and shared by all peers that it is the same for. */
import type { PeerConfig, SpeakerConfig } from './config.ts';
import {
  type FilterChain,
  type FilterDirection,
  type FilterSubject,
  type NamedFilter,
  type Verdict,
  compileFilters,
} from './policy/bgp-filter.ts';
import { UNCHANGED } from './policy/route-edit.ts';
import { ExportPolicy } from './policy/export-policy.ts';
import { PrefixFilter } from './policy/prefix-filter.ts';

/** What of a configuration policies are made from: another value of one of these makes other policies. */
export const POLICY_FIELDS = [
  'blocks',
  'pools',
  'services',
  'advertisements',
  'aggregates',
  'clusterId',
  'kernel',
  'filters',
] as const satisfies readonly (keyof SpeakerConfig)[];

/** What no filter decides on import is taken as it is. */
const UNDECIDED: Verdict = { accept: true, rule: 'no filter decides', edit: UNCHANGED };

export class Policies {
  readonly prefixes: PrefixFilter;
  private readonly exports = new Map<string, ExportPolicy>();
  private readonly imports = new Map<string, FilterChain | undefined>();

  constructor(private readonly config: SpeakerConfig) {
    const { blocks, pools, services, advertisements, aggregates, clusterId } = config;
    this.prefixes = new PrefixFilter({
      blocks,
      pools,
      services,
      advertisements,
      aggregates,
      reflector: clusterId !== undefined,
    });
  }

  /** What a peer is told. The same object for all peers with the same filters and type of session. */
  exportPolicy(peer: PeerConfig): ExportPolicy {
    return cached(this.exports, keyOf(peer), () => {
      return new ExportPolicy({
        prefixes: this.prefixes,
        filters: compileFilters(this.filtersOf(peer), 'export', isExternal(peer)),
        normalMetric: this.config.kernel.metric,
      });
    });
  }

  /** What is taken from a peer; undefined if it has no filters. */
  importFilters(peer: PeerConfig): FilterChain | undefined {
    return cached(this.imports, keyOf(peer), () =>
      compileFilters(this.filtersOf(peer), 'import', isExternal(peer)),
    );
  }

  /** What the policy of a peer does with a route that need not exist. */
  judge(peer: PeerConfig, direction: FilterDirection, subject: FilterSubject): Verdict {
    if (direction === 'export') return this.exportPolicy(peer).judgeSubject(subject);
    return this.importFilters(peer)?.(subject) ?? UNDECIDED;
  }

  /** The rules that a peer's import is subject to, as text that differs if they do. */
  importText(peer: PeerConfig): string {
    const { allowedOwnAs, rejectAsSets, gracefulShutdown, linkBandwidth, aigp } = peer;
    const filters = this.filtersOf(peer).map(({ rules }) => rules?.import ?? 'missing');
    const judged = { allowedOwnAs, gracefulShutdown, linkBandwidth, metric: aigp !== undefined };
    return JSON.stringify({ filters, rejectAsSets: rejectAsSets === true, ...judged });
  }

  private filtersOf({ filters }: PeerConfig): NamedFilter[] {
    return filters.map((name) => ({ name, rules: this.config.filters[name] }));
  }
}

function isExternal({ asNumber, localAsNumber }: PeerConfig): boolean {
  return asNumber !== localAsNumber;
}

function keyOf(peer: PeerConfig): string {
  return JSON.stringify([peer.filters, isExternal(peer)]);
}

function cached<Value>(cache: Map<string, Value>, key: string, make: () => Value): Value {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key)!;
}
