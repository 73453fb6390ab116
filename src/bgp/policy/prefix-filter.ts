/**
 * Which prefixes leave this node: Calico's export chain as its users know it from BIRD (`calico_export_to_bgp_peers`
 * and `calico_aggr`), for own and learned routes alike. First match decides; what nothing accepts stays here, so that
 * a node is no transit for what its upstream routers tell it.
 */
import { familyOf } from '../../net/address.ts';
import { type Prefix, prefixRange } from '../../net/prefix.ts';

export interface ExportFacts {
  /** Own blocks. */
  readonly blocks: readonly Prefix[];
  readonly pools: readonly { readonly cidr: Prefix; readonly exported: boolean }[];
}

export type ExportRule =
  | 'pool-not-exported'
  | 'own-block'
  | 'inside-own-block'
  | 'exported-pool'
  | 'not-in-a-pool';

export interface ExportVerdict {
  readonly accept: boolean;
  readonly rule: ExportRule;
}

interface Step {
  readonly verdict: ExportVerdict;
  readonly relation: 'equal' | 'within';
  readonly nets: (facts: ExportFacts) => readonly Prefix[];
}

const STEPS: readonly Step[] = [
  {
    // IPPool.disableBGPExport; `disabled` is only about new allocations and does not stop export.
    verdict: { accept: false, rule: 'pool-not-exported' },
    relation: 'within',
    nets: ({ pools }) => pools.filter((pool) => !pool.exported).map((pool) => pool.cidr),
  },
  { verdict: { accept: true, rule: 'own-block' }, relation: 'equal', nets: ({ blocks }) => blocks },
  {
    // The block speaks for them.
    verdict: { accept: false, rule: 'inside-own-block' },
    relation: 'within',
    nets: ({ blocks }) => blocks,
  },
  {
    // Also borrowed host prefixes outside own blocks, and what a reflector passes on.
    verdict: { accept: true, rule: 'exported-pool' },
    relation: 'within',
    nets: ({ pools }) => pools.filter((pool) => pool.exported).map((pool) => pool.cidr),
  },
];

const DEFAULT_VERDICT: ExportVerdict = { accept: false, rule: 'not-in-a-pool' };

interface Range {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** The chain, compiled for one set of facts. */
export class PrefixFilter {
  private readonly steps: readonly {
    readonly verdict: ExportVerdict;
    readonly matches: (prefix: Prefix, range: Range) => boolean;
  }[];

  constructor(facts: ExportFacts) {
    this.steps = STEPS.map(({ verdict, relation, nets }) => {
      const prefixes = nets(facts);
      const equal = new Set(prefixes);
      const ranges = prefixes.map(rangeOf);
      return {
        verdict,
        matches:
          relation === 'equal'
            ? (prefix: Prefix) => equal.has(prefix)
            : (_: Prefix, range: Range) => ranges.some((outer) => covers(outer, range)),
      };
    });
  }

  /** Whether a prefix may be advertised, and by which rule. */
  verdict(prefix: Prefix): ExportVerdict {
    const range = rangeOf(prefix);
    return this.steps.find((step) => step.matches(prefix, range))?.verdict ?? DEFAULT_VERDICT;
  }
}

function rangeOf(prefix: Prefix): Range {
  return { family: familyOf(prefix), ...prefixRange(prefix) };
}

function covers(outer: Range, inner: Range): boolean {
  return outer.family === inner.family && inner.first >= outer.first && inner.last <= outer.last;
}
