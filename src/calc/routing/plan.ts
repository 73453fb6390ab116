/** Keeps the RoutingPlan: each part is worked out again only when what it is derived from has changed. */
import { isDeepStrictEqual } from 'node:util';
import { readOptions } from '../../model/annotation-options.ts';
import { bgpPeerOptions } from '../../model/bgp-options.ts';
import type { ServiceAddressView } from '../../base/bgp-view.ts';
import { type Address, familyOf, isLinkLocal } from '../../net/address.ts';
import { type Prefix, isHostPrefix, prefixAddress } from '../../net/prefix.ts';
import type { BGPConfiguration } from '../../model/kinds/bgp-configuration.ts';
import type { BGPFilter } from '../../model/kinds/bgp-filter.ts';
import type { BGPPeer } from '../../model/kinds/bgp-peer.ts';
import type { BlockAffinity } from '../../model/kinds/block-affinity.ts';
import type { IPPool } from '../../model/kinds/ip-pool.ts';
import type { KubernetesEndpointSlice } from '../../model/kinds/kubernetes-endpoint-slice.ts';
import type { KubernetesService } from '../../model/kinds/kubernetes-service.ts';
import type { Node } from '../../model/kinds/node.ts';
import type { Labels } from '../label-index.ts';
import type { PeerPlan, RoutingPlan } from '../output.ts';
import { BgpSettings, defaultPort } from './bgp-settings.ts';
import { type ClusterRouteSettings, unprogrammed } from './cluster-routes.ts';
import { type FilterPlan, filterPlan } from './filter-plan.ts';
import { OwnRoutes } from './own-routes.ts';
import { type PeerSpec, planPeers } from './peers.ts';
import { type Router, routerOf } from './router.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { WorkloadEnds } from './workload-ends.ts';

type SessionsPlan = Pick<
  RoutingPlan,
  | 'node'
  | 'listenPort'
  | 'listenAddresses'
  | 'peers'
  | 'workloadPeering'
  | 'services'
  | 'advertisements'
  | 'routePriority'
  | 'options'
>;

/** What routing needs to know of a workload of this node. */
export interface LocalWorkload {
  readonly prefixes: readonly Prefix[];
  /** Its own. */
  readonly labels: Labels;
  /** Those that it inherits labels from. */
  readonly profiles: readonly string[];
}

/** Kubernetes' label for nodes that service traffic is to stay away from. */
const noServicesLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

export class RoutingCalculator {
  private readonly routers = new Map<string, Router>();
  private readonly peers = new Map<string, PeerSpec>();
  private readonly pools = new Map<string, IPPool['spec']>();
  private readonly filters = new Map<string, FilterPlan>();
  private readonly settings = new BgpSettings();
  private felixClusterRoutes: ClusterRouteSettings['felix'];
  private readonly ownRoutes: OwnRoutes;
  private readonly serviceAddresses = new ServiceAddresses();
  private readonly workloads = new WorkloadEnds(() => {
    this.sessionsDirty = true;
  });
  private sessionsDirty = true;
  private routesDirty = true;
  private poolsDirty = true;
  private filtersDirty = true;
  private flushed: RoutingPlan | undefined;

  constructor(private readonly nodeName: string) {
    this.ownRoutes = new OwnRoutes(nodeName);
  }

  setNode(name: string, node: Node | undefined): void {
    const router = node === undefined ? undefined : routerOf(node);
    if (isDeepStrictEqual(router, this.routers.get(name))) return;
    if (router === undefined) this.routers.delete(name);
    else this.routers.set(name, router);
    this.sessionsDirty = true;
  }

  setPeer(name: string, peer: BGPPeer | undefined): void {
    if (peer === undefined) {
      this.peers.delete(name);
    } else {
      const options = readOptions(bgpPeerOptions, peer.metadata.annotations);
      this.peers.set(name, { ...peer.spec, name, options });
    }
    this.workloads.setSelector(name, peer?.spec.localWorkloadSelector);
    this.sessionsDirty = true;
  }

  setConfiguration(name: string, configuration: BGPConfiguration | undefined): void {
    const { clusterRoutes } = this.settings;
    this.settings.setObject(name, configuration);
    this.sessionsDirty = true;
    if (this.settings.clusterRoutes !== clusterRoutes) this.poolsDirty = true;
  }

  setFilter(name: string, spec: BGPFilter['spec'] | undefined): void {
    if (spec === undefined) this.filters.delete(name);
    else this.filters.set(name, filterPlan(spec));
    this.filtersDirty = true;
  }

  /** BGPPeers that name a BGPFilter which does not exist, with what that means. */
  *missingFilters(): Generator<readonly [peer: string, problem: string | undefined]> {
    for (const [peer, { filters = [] }] of this.peers) {
      const missing = filters.filter((name) => !this.filters.has(name));
      const problem = `there is no BGPFilter ${missing.join(', ')}: it lets no routes pass`;
      yield [peer, missing.length === 0 ? undefined : problem];
    }
  }

  setPool(name: string, spec: IPPool['spec'] | undefined): void {
    if (spec === undefined) this.pools.delete(name);
    else this.pools.set(name, spec);
    this.poolsDirty = true;
  }

  /** FelixConfiguration programClusterRoutes of this node. */
  setFelixClusterRoutes(value: ClusterRouteSettings['felix']): void {
    if (value === this.felixClusterRoutes) return;
    this.felixClusterRoutes = value;
    this.poolsDirty = true;
  }

  /** Whether what is planned, or said, of pools may be something else since the last flush. */
  get poolsChanged(): boolean {
    return this.poolsDirty;
  }

  /** Every IPPool, with why its routes stay out of the kernel, if they do. */
  *poolProblems(): Generator<readonly [pool: string, problem: string | undefined]> {
    for (const [name, spec] of this.pools) yield [name, unprogrammed(spec, this.clusterRoutes)];
  }

  private get clusterRoutes(): ClusterRouteSettings {
    return { felix: this.felixClusterRoutes, bgp: this.settings.clusterRoutes };
  }

  setAffinity(key: string, spec: BlockAffinity['spec'] | undefined): void {
    this.ownRoutes.setAffinity(key, spec);
    this.routesDirty = true;
  }

  /** Sets a service by `namespace/name`; undefined: it is gone. */
  setService(name: string, service: KubernetesService | undefined): void {
    this.serviceAddresses.setService(name, service);
  }

  /** Sets an EndpointSlice; undefined: it is gone. */
  setSlice(key: string, slice: KubernetesEndpointSlice | undefined): void {
    this.serviceAddresses.setSlice(key, slice);
  }

  /** The services that have an address, and why this node announces it or does not, as of the last flush. */
  servicesWith(address: Address): readonly ServiceAddressView[] {
    return this.serviceAddresses.explain(address);
  }

  /** Sets a workload of this node; undefined: it is gone. */
  setWorkload(key: string, workload: LocalWorkload | undefined): void {
    this.ownRoutes.setWorkload(key, workload?.prefixes);
    this.routesDirty = true;
    if (workload === undefined) {
      this.workloads.deleteWorkload(key);
    } else {
      const { prefixes, labels, profiles } = workload;
      const addresses = prefixes.filter(isHostPrefix).map(prefixAddress);
      this.workloads.setWorkload(key, addresses, labels, profiles);
    }
  }

  /** Sets the labels that a profile gives to workloads; undefined: it is gone. */
  setProfile(name: string, labels: Labels | undefined): void {
    this.workloads.setProfile(name, labels);
  }

  /** The plan if it changed since the last flush; the first flush always gives it. */
  flush(): RoutingPlan | undefined {
    const { sessionsDirty, routesDirty, poolsDirty, filtersDirty, flushed: before } = this;
    const dirty = sessionsDirty || routesDirty || poolsDirty || filtersDirty;
    if (!dirty && this.serviceAddresses.announced === before?.serviceAddresses) return undefined;
    const sessions = this.sessionsDirty || before === undefined ? this.planSessions() : before;
    const routes = this.routesDirty || before === undefined ? this.ownRoutes : before;
    const plan: RoutingPlan = {
      ...(sessions.node === undefined ? {} : { node: sessions.node }),
      listenPort: sessions.listenPort,
      listenAddresses: sessions.listenAddresses,
      peers: sessions.peers,
      workloadPeering: sessions.workloadPeering,
      services: sessions.services,
      serviceAddresses: this.serviceAddresses.announced,
      advertisements: sessions.advertisements,
      filters:
        this.filtersDirty || this.sessionsDirty || before === undefined
          ? this.planFilters(sessions.peers)
          : before.filters,
      blocks: routes.blocks,
      outsideWorkloads: routes.outsideWorkloads,
      pools: this.poolsDirty || before === undefined ? this.planPools() : before.pools,
      routePriority: sessions.routePriority,
      options: sessions.options,
    };
    this.sessionsDirty = this.routesDirty = this.poolsDirty = this.filtersDirty = false;
    if (isDeepStrictEqual(plan, before)) return undefined;
    this.flushed = plan;
    return plan;
  }

  private planSessions(): SessionsPlan {
    const own = this.routers.get(this.nodeName);
    const { settings } = this;
    const announcing = own !== undefined && own.labels.get(noServicesLabel) !== 'true';
    const services = settings.services(announcing);
    const node = own?.kubernetesName ?? this.nodeName;
    this.serviceAddresses.configure({ ranges: services, announcing, node });
    const common = {
      services,
      workloadPeering: settings.workloadPeering,
      listenPort: settings.configuredPort(this.nodeName) ?? defaultPort,
      advertisements: settings.advertisements,
      routePriority: settings.routePriority,
      options: settings.speakerOptions(this.nodeName),
    };
    if (own === undefined) {
      return { ...common, listenAddresses: [], peers: [] };
    }
    const { name, addresses, subnets, clusterId } = own;
    const peers = this.planPeers(own);
    // Those that are there, but for link-local ones: a bind to these would need an interface.
    const peering = settings.workloadPeering.filter(
      (address) =>
        !isLinkLocal(address) &&
        peers.some((peer) => peer.type === 'workload' && familyOf(peer.address) === familyOf(address)),
    );
    return {
      ...common,
      listenAddresses: settings.bindsToNode(name) ? [...Object.values(addresses), ...peering] : [],
      node: {
        name,
        asNumber: own.asNumber ?? settings.asNumber,
        addresses,
        subnets,
        ...(clusterId === undefined ? {} : { clusterId }),
      },
      peers,
    };
  }

  /** A peer that stays as it was stays the same object. */
  private planPeers(own: Router): readonly PeerPlan[] {
    const before = new Map(this.flushed?.peers.map((peer) => [peer.name, peer]));
    const { routers, peers, settings } = this;
    const workloadsOf = (name: string) => this.workloads.selectedBy(name);
    return planPeers({ own, routers, peers, settings, workloadsOf }).map((peer) => {
      const known = before.get(peer.name);
      return known !== undefined && isDeepStrictEqual(known, peer) ? known : peer;
    });
  }

  private planFilters(peers: readonly PeerPlan[]): RoutingPlan['filters'] {
    const names = new Set(peers.flatMap(({ filters }) => filters));
    return Object.fromEntries([...this.filters].filter(([name]) => names.has(name)));
  }

  private planPools(): RoutingPlan['pools'] {
    return [...this.pools]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, spec]) => ({
        cidr: spec.cidr,
        exported: spec.disableBGPExport !== true,
        ...(unprogrammed(spec, this.clusterRoutes) === undefined ? {} : { programmed: false }),
      }));
  }
}
