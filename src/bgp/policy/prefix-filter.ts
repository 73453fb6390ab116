/**
 * Which prefixes leave this node: Calico's export chain as its users know it from BIRD (`calico_export_to_bgp_peers`
 * and `calico_aggr`), for own and learned routes alike. First match decides; what nothing accepts stays here, so that
 * a node is no transit for what its upstream routers tell it. What leaves carries the communities of every
 * prefixAdvertisement that it lies in.
 */
import { type PrefixBits, PrefixSet, prefixBits, prefixBitsContain } from '../../net/prefix-bits.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { LargeCommunity } from '../wire/message.ts';
import { type RouteEdit, UNCHANGED } from './route-edit.ts';

export interface ExportFacts {
  /** Own blocks. */
  readonly blocks: readonly Prefix[];
  readonly pools: readonly {
    readonly cidr: Prefix;
    readonly exported: boolean;
    readonly programmed?: boolean;
  }[];
  readonly services: readonly ServiceRange[];
  readonly advertisements: readonly PrefixAdvertisement[];
  /** Prefixes that this node announces while it has a route to a part of them. */
  readonly aggregates: readonly { readonly prefix: Prefix; readonly summaryOnly: boolean }[];
  /** This node reflects (RFC 4456). */
  readonly reflector: boolean;
}

/** A range of service addresses (BGPConfiguration serviceClusterIPs, serviceExternalIPs, serviceLoadBalancerIPs). */
export interface ServiceRange {
  readonly cidr: Prefix;
  readonly kind: 'cluster' | 'external' | 'load-balancer';
  /** This node announces the whole range. */
  readonly advertised: boolean;
}

/** Communities for everything within a range (BGPConfiguration.prefixAdvertisements). */
export interface PrefixAdvertisement {
  readonly cidr: Prefix;
  /** RFC 1997. */
  readonly communities: readonly number[];
  /** RFC 8092. */
  readonly largeCommunities: readonly LargeCommunity[];
}

export type ExportRule =
  | 'aggregate'
  | 'inside-aggregate'
  | 'pool-not-exported'
  | 'own-block'
  | 'inside-own-block'
  | 'service-range'
  | 'inside-service-range'
  | 'exported-pool'
  | 'service-address'
  | 'not-in-a-pool';

export interface PrefixVerdict {
  /**
   * `elevated`: only a route whose metric is better than that of ordinary routes (a workload that is moving here);
   * `own`: only what is ours.
   */
  readonly accept: boolean | 'elevated' | 'own';
  readonly rule: ExportRule;
  /** What is done to a route that may go; prefixes with the same communities have the same object. */
  readonly edit: RouteEdit;
}

interface Step {
  readonly accept: PrefixVerdict['accept'];
  readonly rule: ExportRule;
  readonly relation: 'equal' | 'within';
  readonly nets: (facts: ExportFacts) => readonly Prefix[];
}

const STEPS: readonly Step[] = [
  {
    accept: 'own',
    rule: 'aggregate',
    relation: 'equal',
    nets: ({ aggregates }) => aggregates.map(({ prefix }) => prefix),
  },
  {
    accept: false,
    rule: 'inside-aggregate',
    relation: 'within',
    nets: ({ aggregates }) => aggregates.filter(({ summaryOnly }) => summaryOnly).map(({ prefix }) => prefix),
  },
  {
    // IPPool.disableBGPExport; `disabled` is only about new allocations and does not stop export.
    accept: false,
    rule: 'pool-not-exported',
    relation: 'within',
    nets: ({ pools }) => pools.filter((pool) => !pool.exported).map((pool) => pool.cidr),
  },
  { accept: true, rule: 'own-block', relation: 'equal', nets: ({ blocks }) => blocks },
  {
    // The block speaks for them, but for a workload that is live-migrated and has two homes for a moment.
    accept: 'elevated',
    rule: 'inside-own-block',
    relation: 'within',
    nets: ({ blocks }) => blocks,
  },
  {
    accept: true,
    rule: 'service-range',
    relation: 'equal',
    nets: ({ services }) => services.filter(({ advertised }) => advertised).map(({ cidr }) => cidr),
  },
  {
    // Single addresses, which other nodes announce for services that only they serve.
    accept: true,
    rule: 'inside-service-range',
    relation: 'within',
    nets: ({ services, reflector }) =>
      reflector ? services.filter(({ kind }) => kind !== 'cluster').map(({ cidr }) => cidr) : [],
  },
  {
    // Also borrowed host prefixes outside own blocks, and what a reflector passes on.
    accept: true,
    rule: 'exported-pool',
    relation: 'within',
    nets: ({ pools }) => pools.filter((pool) => pool.exported).map((pool) => pool.cidr),
  },
  {
    // Single addresses of services that this node announces. They come and go, so the rule asks for none by name.
    accept: 'own',
    rule: 'service-address',
    relation: 'within',
    nets: ({ services }) => services.map(({ cidr }) => cidr),
  },
];

const NOT_IN_A_POOL: PrefixVerdict = { accept: false, rule: 'not-in-a-pool', edit: UNCHANGED };

/** The chain, compiled for one set of facts. */
export class PrefixFilter {
  private readonly steps: readonly {
    readonly relation: Step['relation'];
    readonly nets: PrefixSet;
    /** Without communities. */
    readonly verdict: PrefixVerdict;
  }[];
  private readonly advertisements: readonly (PrefixAdvertisement & { readonly network: PrefixBits })[];
  private readonly services: PrefixSet;
  private readonly unprogrammed: PrefixSet;
  /** By the ranges whose communities they add. */
  private readonly edits = new Map<string, RouteEdit>();

  constructor(facts: ExportFacts) {
    this.steps = STEPS.map(({ accept, rule, relation, nets }) => ({
      relation,
      nets: new PrefixSet(nets(facts)),
      verdict: { accept, rule, edit: UNCHANGED },
    }));
    this.services = new PrefixSet(facts.services.map(({ cidr }) => cidr));
    this.unprogrammed = new PrefixSet(
      facts.pools.filter(({ programmed }) => programmed === false).map(({ cidr }) => cidr),
    );
    this.advertisements = facts.advertisements.map((entry) => ({
      ...entry,
      network: prefixBits(entry.cidr),
    }));
  }

  /** Whether a prefix may be advertised, by which rule, and with what communities. */
  verdict(prefix: PrefixBits): PrefixVerdict {
    for (const { relation, nets, verdict } of this.steps) {
      if (!(relation === 'equal' ? nets.has(prefix) : nets.covers(prefix))) continue;
      if (verdict.accept === false || this.advertisements.length === 0) return verdict;
      return { ...verdict, edit: this.editFor(prefix) };
    }
    return NOT_IN_A_POOL;
  }

  /** Service addresses are answered on every node, so what others say of them is not for the kernel. */
  isService(prefix: PrefixBits): boolean {
    return this.services.covers(prefix);
  }

  /** What of others lies in a pool whose routes are not for the kernel (`programClusterRoutes`). */
  isUnprogrammed(prefix: PrefixBits): boolean {
    return this.unprogrammed.covers(prefix);
  }

  private editFor(prefix: PrefixBits): RouteEdit {
    const matching = this.advertisements.filter(({ network }) => prefixBitsContain(network, prefix));
    if (matching.length === 0) return UNCHANGED;
    const key = matching.map(({ cidr }) => cidr).join(' ');
    let edit = this.edits.get(key);
    if (edit === undefined) {
      edit = {
        communities: matching.flatMap(({ communities }) => communities),
        largeCommunities: matching.flatMap(({ largeCommunities }) => largeCommunities),
        prepend: [],
      };
      this.edits.set(key, edit);
    }
    return edit;
  }
}
