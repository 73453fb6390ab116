/**
 * What a group of peers is told, prefix by prefix: the BGPFilters of the peer first, then the built-in chain
 * (prefix-filter.ts). One object serves all peers with the same filters and session type, and depends on nothing else
 * of theirs: peers that share it, their addresses and their mode of next hops can share what is sent.
 */
import type { Family } from '../../net/address.ts';
import type { PrefixBits } from '../../net/prefix-bits.ts';
import { DEFAULT_LOCAL_PREF, type Path } from '../rib/route.ts';
import type { PathAttributes } from '../wire/message.ts';
import type { FilterChain, FilterSubject, Verdict } from './bgp-filter.ts';
import { metricOfLocalPref } from './preference.ts';
import type { PrefixFilter } from './prefix-filter.ts';

export interface ExportPolicyOptions {
  readonly prefixes: PrefixFilter;
  /** Undefined: the peers have no filters. */
  readonly filters: FilterChain | undefined;
  /** Metric of ordinary routes; a route with less is elevated. */
  readonly normalMetric: Readonly<Record<Family, number>>;
}

export class ExportPolicy {
  constructor(private readonly options: ExportPolicyOptions) {}

  /** Whether a path may be told, by which rule, and what is changed in it. The same object for the same rule and edit. */
  judge(prefix: PrefixBits, path: Path): Verdict {
    const { filters, prefixes } = this.options;
    if (filters !== undefined) {
      const decided = filters(new ExportSubject(prefix, path, () => this.metricOf(prefix, path)));
      if (decided !== undefined) return decided;
    }
    const verdict = prefixes.verdict(prefix);
    const { accept, rule, edit } = verdict;
    if (accept === 'own') return { accept: path.source === undefined, rule, edit };
    if (accept === 'elevated') return { accept: this.isElevated(prefix, path), rule, edit };
    return verdict as Verdict;
  }

  /** {@link judge} for a route that need not exist. */
  judgeSubject(subject: FilterSubject): Verdict {
    const { filters, prefixes, normalMetric } = this.options;
    const decided = filters?.(subject);
    if (decided !== undefined) return decided;
    const { accept, rule, edit } = prefixes.verdict(subject.prefix);
    if (accept === 'own') return { accept: !subject.learned, rule, edit };
    const elevated = subject.metric < normalMetric[subject.prefix.family];
    return { accept: accept === 'elevated' ? elevated : accept, rule, edit };
  }

  private isElevated(prefix: PrefixBits, path: Path): boolean {
    return this.metricOf(prefix, path) < this.options.normalMetric[prefix.family];
  }

  private metricOf(prefix: PrefixBits, { source, route }: Path): number {
    if (source === undefined) return this.options.normalMetric[prefix.family];
    return metricOfLocalPref(route.attributes.localPref ?? DEFAULT_LOCAL_PREF);
  }
}

/** Most rules look at the prefix only: attributes are made when one asks for them. */
class ExportSubject implements FilterSubject {
  constructor(
    readonly prefix: PrefixBits,
    private readonly path: Path,
    private readonly metricOf: () => number,
  ) {}

  get attributes(): PathAttributes {
    return this.path.route.attributes;
  }

  get learned(): boolean {
    return this.path.source !== undefined;
  }

  get metric(): number {
    return this.metricOf();
  }
}
