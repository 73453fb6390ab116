/**
 * Aggregates (RFC 4271 §9.2.2.2): prefixes that are ours to announce as long as there is a route to a part of them. What
 * an aggregate says follows from its parts: the worst ORIGIN, and ATOMIC_AGGREGATE once a path of theirs is left out.
 */
import type { Address, Family } from '../net/address.ts';
import { type PrefixBits, prefixBits, prefixBitsContain } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { PathId } from './rib/path-table.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { FAMILIES, type Rib } from './rib/rib.ts';
import type { Route } from './rib/route.ts';
import type { Origin } from './wire/message.ts';

/** As configured. Plain data. */
export interface AggregateConfig {
  readonly prefix: Prefix;
  /** Its parts are not announced beside it. */
  readonly summaryOnly: boolean;
}

export interface AggregatesOptions {
  readonly rib: Rib;
  /** The aggregate is to be announced with these attributes from now on, which the callee holds; 0: not any more. */
  readonly changed: (prefix: Prefix, attribute: AttributeId) => void;
}

const ORIGINS: readonly Origin[] = ['igp', 'egp', 'incomplete'];

/** A part, by what of it the aggregate shows: its ORIGIN, and whether it has a path. */
interface Part {
  readonly origin: number;
  readonly hasPath: boolean;
}

interface Aggregate {
  readonly prefix: Prefix;
  readonly bits: PrefixBits;
  readonly parts: Map<PrefixId, Part>;
  /** What it is announced as now, for comparison; empty if it is not. */
  announced: string;
}

export class Aggregates {
  private aggregates: readonly Aggregate[] = [];
  private aggregator: { readonly asNumber: number; readonly address: Address } | undefined;

  constructor(private readonly options: AggregatesOptions) {}

  /** Announces these from now on, in the name of this AS and node (AGGREGATOR, RFC 4271 §5.1.7), and no others. */
  configure(
    wanted: readonly AggregateConfig[],
    aggregator: { readonly asNumber: number; readonly address: Address },
  ): void {
    const { rib, changed } = this.options;
    for (const { prefix, announced } of this.aggregates) if (announced !== '') changed(prefix, 0);
    this.aggregator = aggregator;
    this.aggregates = wanted.map(({ prefix }) => ({
      prefix,
      bits: prefixBits(prefix),
      parts: new Map(),
      announced: '',
    }));
    if (this.aggregates.length === 0) return;
    for (const family of FAMILIES) {
      for (const prefix of rib.families[family].known()) this.follow(family, prefix);
    }
  }

  /** Whether the prefix is announced as an aggregate now. */
  isActive(prefix: Prefix): boolean {
    return this.aggregates.some((aggregate) => aggregate.prefix === prefix && aggregate.announced !== '');
  }

  /** The best path to a prefix has changed. */
  follow(family: Family, prefix: PrefixId): void {
    if (this.aggregates.length === 0) return;
    const rib = this.options.rib.families[family];
    const bits = { ...rib.prefixes.bits(prefix) };
    if (this.aggregates.some((aggregate) => aggregate.prefix === rib.prefixes.text(prefix))) return;
    const best = rib.best(prefix);
    for (const aggregate of this.aggregates) {
      if (bits.length <= aggregate.bits.length || !prefixBitsContain(aggregate.bits, bits)) continue;
      if (best === 0) aggregate.parts.delete(prefix);
      else aggregate.parts.set(prefix, this.partOf(family, best));
      this.announce(aggregate);
    }
  }

  private partOf(family: Family, best: PathId): Part {
    const { attributes }: Route = this.options.rib.path(family, best).route;
    return { origin: ORIGINS.indexOf(attributes.origin), hasPath: attributes.asPath.length > 0 };
  }

  private announce(aggregate: Aggregate): void {
    const { rib, changed } = this.options;
    if (aggregate.parts.size === 0) {
      if (aggregate.announced === '') return;
      aggregate.announced = '';
      changed(aggregate.prefix, 0);
      return;
    }
    let worst = 0;
    let atomic = false;
    for (const { origin, hasPath } of aggregate.parts.values()) {
      worst = Math.max(worst, origin);
      atomic ||= hasPath;
      if (atomic && worst === ORIGINS.length - 1) break;
    }
    const announced = `${worst} ${atomic}`;
    if (announced === aggregate.announced) return;
    aggregate.announced = announced;
    const attribute = rib.attributes.internRoute({
      attributes: {
        origin: ORIGINS[worst]!,
        asPath: [],
        ...(atomic ? { atomicAggregate: true } : {}),
        aggregator: this.aggregator,
      },
      nextHop: undefined,
    });
    changed(aggregate.prefix, attribute);
    rib.attributes.release(attribute);
  }
}
