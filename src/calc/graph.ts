/**
 * The calculation: resources in, the desired state of one node out as deltas. Pure, and indifferent to order.
 *
 *   Profile, Namespace ──labels───┐
 *   WorkloadEndpoint ─────────────┼──► label index (all endpoints, network sets) ──► SetRegistry ──► sets
 *   NetworkSet, GlobalNetworkSet ─┤        ▲
 *   EndpointSlice, Node (apart) ───┘        │
 *                                          │ selectors of the rules in use
 *   Profile, Namespace ──labels, rules──┐  │
 *   WorkloadEndpoint of this node ──────┼──┴─► label index (local endpoints) ──► PolicyResolver ──► policies,
 *   Network policies, Tier ─────────────┘                                              profiles, endpoints
 *
 *   Node, BGPPeer, BGPConfiguration, BlockAffinity, IPPool, local endpoints ──► RoutingCalculator ──► routing
 *   Service, EndpointSlice ──► ServiceAddresses ──► RoutingCalculator
 *   IPPool, Node, BGPConfiguration ──► NodeNetworks ──► networks, sets
 *   FelixConfiguration, labels of this node ──► FelixConfig ──► felix
 */
import type { ServiceAddressView } from '../base/bgp-view.ts';
import { MargayError } from '../base/errors.ts';
import type { Address } from '../net/address.ts';
import { namespaceProfile } from '../model/convert/namespace.ts';
import { convertClusterNetworkPolicy } from '../model/convert/cluster-network-policy.ts';
import { convertNetworkPolicy } from '../model/convert/network-policy.ts';
import { serviceAccountProfile, serviceAccountProfileName } from '../model/convert/service-account.ts';
import type { Finding } from '../model/kinds/definition.ts';
import type { FelixConfiguration } from '../model/kinds/felix-configuration.ts';
import type { HostEndpoint } from '../model/kinds/host-endpoint.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import { namespaceProfilePrefix } from '../model/labels.ts';
import { formatPath } from '../model/problem.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyText, type Resource, type ResourceKey } from '../model/resource.ts';
import {
  endpointAddresses,
  endpointContribution,
  endpointLabels,
  hostContribution,
  networkSetLabels,
  nodeAddresses,
  prefixesOf,
  qosOf,
  serviceOfSlice,
  sliceContribution,
  spoofedSources,
  workloadName,
} from './endpoint-facts.ts';
import { FelixConfig } from './felix-config.ts';
import { NodeNetworks } from './node-networks.ts';
import type { CalcDelta } from './output.ts';
import { definePolicy, type PolicyResource } from './policy-definition.ts';
import { PolicyResolver } from './policy-resolver.ts';
import { ProblemLog } from './problem-log.ts';
import { type ProfileSource, ProfileSources, type ProvidedProfile } from './profile-sources.ts';
import { unsupportedFilterFields } from './routing/filter-plan.ts';
import { RoutingCalculator } from './routing/plan.ts';
import { sliceLabels } from './set-definition.ts';
import { SetRegistry } from './set-registry.ts';

export interface CalcGraphOptions {
  /** The node whose state is calculated. */
  readonly nodeName: string;
  /** Parameters that the node's own file and environment set. */
  readonly felix?: FelixConfiguration['spec'];
}

/** Takes in a resource of one kind; undefined: it is gone. Throws a MargayError if it cannot be used. */
type Handler<Known extends KnownResource> = (key: ResourceKey, resource: Known | undefined) => void;

type Handlers = {
  readonly [Kind in KnownResource['kind']]?: Handler<Extract<KnownResource, { kind: Kind }>>;
};

export class CalcGraph {
  private readonly nodeName: string;
  private readonly problems = new ProblemLog();
  private readonly sets = new SetRegistry();
  private readonly profiles = new ProfileSources();
  private readonly resolver: PolicyResolver;
  private readonly routing: RoutingCalculator;
  private readonly felix: FelixConfig;
  private readonly networks = new NodeNetworks();

  constructor(options: CalcGraphOptions) {
    this.nodeName = options.nodeName;
    this.resolver = new PolicyResolver(this.sets, this.problems);
    this.routing = new RoutingCalculator(options.nodeName);
    this.felix = new FelixConfig(options.nodeName, options.felix);
    for (const name of this.profiles.names()) this.profileChanged(name);
  }

  /**
   * Takes in a resource as the model validated it; undefined: it is deleted. Kinds that nothing here depends on are
   * ignored. A resource that cannot be used becomes a problem of its own, and counts as deleted.
   */
  update(key: ResourceKey, resource: Resource | undefined): void {
    const handler = this.handlers[key.kind as KnownResource['kind']] as Handler<KnownResource> | undefined;
    if (handler === undefined) return;
    const text = keyText(key);
    if (resource === undefined) this.problems.clear(text);
    try {
      handler(key, resource as KnownResource | undefined);
      this.problems.report(text, 'resource', undefined);
    } catch (error) {
      if (!(error instanceof MargayError)) throw error;
      handler(key, undefined);
      this.problems.report(text, 'resource', error.message);
    }
  }

  /** What changed in the node's desired state since the last flush. */
  flush(): CalcDelta {
    const { policies, profiles, endpoints, hostEndpoints } = this.resolver.flush();
    // After the policies: only then is it known which sets are in use.
    const sets = this.sets.flush();
    const networks = this.networks.flush(sets);
    const felix = this.felix.flush();
    if (felix !== undefined) this.routing.setFelixClusterRoutes(felix.programClusterRoutes);
    if (this.routing.poolsChanged) this.reportPools();
    const routing = this.routing.flush();
    return {
      sets,
      policies,
      profiles,
      endpoints,
      hostEndpoints,
      ...(routing === undefined ? {} : { routing }),
      ...(felix === undefined ? {} : { felix }),
      ...(networks === undefined ? {} : { networks }),
      problems: this.problems.flush(),
    };
  }

  /** The services that have an address, and why this node announces it or does not, as of the last flush. */
  servicesWith(address: Address): readonly ServiceAddressView[] {
    return this.routing.servicesWith(address);
  }

  private readonly handlers: Handlers = {
    WorkloadEndpoint: (key, resource) => this.updateEndpoint(key, resource),
    HostEndpoint: (key, resource) => this.updateHostEndpoint(key, resource),
    NetworkSet: (key, resource) => {
      const parents = [namespaceProfilePrefix + (key.namespace ?? '')];
      this.updateNetworkSet(key, resource, parents);
    },
    GlobalNetworkSet: (key, resource) => this.updateNetworkSet(key, resource, []),
    KubernetesEndpointSlice: (key, resource) => {
      this.routing.setSlice(keyText(key), resource);
      const service = resource && serviceOfSlice(resource);
      if (service === undefined) this.sets.deleteSlice(keyText(key));
      else this.sets.setSlice(keyText(key), sliceLabels(service), sliceContribution(resource!));
    },
    KubernetesService: (key, resource) => this.routing.setService(`${key.namespace}/${key.name}`, resource),
    NetworkPolicy: (key, resource) => this.updatePolicy(key, resource),
    GlobalNetworkPolicy: (key, resource) => this.updatePolicy(key, resource),
    KubernetesNetworkPolicy: (key, resource) =>
      this.updateConverted(key, resource, resource && convertNetworkPolicy(resource)),
    KubernetesClusterNetworkPolicy: (key, resource) =>
      this.updateConverted(key, resource, resource && convertClusterNetworkPolicy(resource)),
    StagedNetworkPolicy: (key, resource) => this.updateStaged(key, resource),
    StagedGlobalNetworkPolicy: (key, resource) => this.updateStaged(key, resource),
    StagedKubernetesNetworkPolicy: (key, resource) => {
      const staged = ifSet(resource);
      this.updateConverted(key, staged, staged && convertNetworkPolicy(staged));
    },
    Tier: (key, resource) => this.resolver.setTier(key.name, resource?.spec),
    Profile: (key, resource) => {
      const provided = resource && { resource: keyText(key), spec: resource.spec };
      this.updateProfile(key.name, 'resource', provided);
    },
    Namespace: (key, resource) => {
      const provided = resource && { resource: keyText(key), spec: namespaceProfile(resource).spec };
      this.updateProfile(namespaceProfilePrefix + key.name, 'converted', provided);
    },
    ServiceAccount: (key, resource) => {
      const provided = resource && { resource: keyText(key), spec: serviceAccountProfile(resource).spec };
      this.updateProfile(serviceAccountProfileName(key.namespace ?? '', key.name), 'converted', provided);
    },
    Node: (key, resource) => {
      this.routing.setNode(key.name, resource);
      this.networks.setNode(key.name, resource);
      const labels = new Map(Object.entries(resource?.metadata.labels ?? {}));
      if (resource === undefined) this.sets.deleteNode(keyText(key));
      else this.sets.setNode(keyText(key), labels, { prefixes: nodeAddresses(resource), ports: [] });
      if (key.name === this.nodeName) {
        this.felix.setNodeLabels(labels);
      }
    },
    BGPPeer: (key, resource) => {
      this.routing.setPeer(key.name, resource);
      this.reportMissingFilters();
    },
    BGPFilter: (key, resource) => {
      this.routing.setFilter(key.name, resource?.spec);
      this.problems.report(keyText(key), 'unsupported', resource && unsupportedFilterFields(resource.spec));
      this.reportMissingFilters();
    },
    BGPConfiguration: (key, resource) => {
      this.routing.setConfiguration(key.name, resource);
      this.networks.setBgpConfiguration(key.name, resource?.spec);
    },
    IPPool: (key, resource) => {
      this.routing.setPool(key.name, resource?.spec);
      this.networks.setPool(key.name, resource?.spec);
    },
    BlockAffinity: (key, resource) => this.routing.setAffinity(key.name, resource?.spec),
    FelixConfiguration: (key, resource) => this.felix.setObject(key.name, resource),
  };

  private reportPools(): void {
    for (const [name, problem] of this.routing.poolProblems()) {
      this.problems.report(keyText({ kind: 'IPPool', name }), 'routes', problem);
    }
  }

  private reportMissingFilters(): void {
    for (const [name, problem] of this.routing.missingFilters()) {
      this.problems.report(keyText({ kind: 'BGPPeer', name }), 'filters', problem);
    }
  }

  private updateEndpoint(key: ResourceKey, resource: WorkloadEndpoint | undefined): void {
    const item = keyText(key);
    const local = `${key.namespace ?? ''}/${key.name}`;
    const { interfaceName, mac, node, profiles = [] } = resource?.spec ?? {};
    const isLocal = resource !== undefined && node === this.nodeName;
    if (resource === undefined) {
      this.sets.deleteItem(item);
    } else {
      this.sets.setItem(item, endpointLabels(resource), profiles, endpointContribution(resource));
    }
    this.routing.setWorkload(
      local,
      isLocal
        ? { prefixes: prefixesOf(resource.spec.ipNetworks), labels: endpointLabels(resource), profiles }
        : undefined,
    );
    if (isLocal && interfaceName !== undefined) {
      const facts = {
        key: local,
        workload: workloadName(resource),
        interfaceName,
        mac,
        addresses: endpointAddresses(resource),
        ...spoofedSources(resource),
        ...qosOf(resource),
      };
      this.networks.setMarking(local, facts.qos?.dscp !== undefined);
      this.resolver.setEndpoint(facts, endpointLabels(resource), profiles);
    } else {
      this.networks.setMarking(local, false);
      this.resolver.deleteEndpoint(local);
    }
    const lacks = isLocal && interfaceName === undefined ? 'interfaceName is missing' : undefined;
    this.problems.report(item, 'interface', lacks);
  }

  private updateHostEndpoint(key: ResourceKey, resource: HostEndpoint | undefined): void {
    const item = keyText(key);
    const labels = new Map(Object.entries(resource?.metadata.labels ?? {}));
    const { node, interfaceName, expectedIPs = [], profiles = [] } = resource?.spec ?? {};
    if (resource === undefined) this.sets.deleteItem(item);
    else this.sets.setItem(item, labels, profiles, hostContribution(resource));
    if (resource !== undefined && node === this.nodeName) {
      const facts = { key: key.name, interfaceName, expectedAddresses: expectedIPs };
      this.resolver.setHostEndpoint(facts, labels, profiles);
    } else {
      this.resolver.deleteHostEndpoint(key.name);
    }
  }

  private updateNetworkSet(
    key: ResourceKey,
    resource: Extract<KnownResource, { kind: 'NetworkSet' | 'GlobalNetworkSet' }> | undefined,
    parents: readonly string[],
  ): void {
    const item = keyText(key);
    if (resource === undefined) {
      this.sets.deleteItem(item);
      return;
    }
    const contribution = { prefixes: prefixesOf(resource.spec.nets), ports: [] };
    this.sets.setItem(item, networkSetLabels(resource), parents, contribution);
  }

  private updatePolicy(key: ResourceKey, policy: PolicyResource | undefined): void {
    const definition = policy && definePolicy(policy);
    this.resolver.setPolicy(keyText(key), definition);
    this.problems.report(keyText(key), 'selector', definition?.failClosed);
  }

  private updateStaged(
    key: ResourceKey,
    resource:
      | Extract<KnownResource, { kind: 'StagedNetworkPolicy' | 'StagedGlobalNetworkPolicy' }>
      | undefined,
  ): void {
    const staged = ifSet(resource);
    // The model fills in the types of every staged policy but a deletion.
    const spec = staged && { ...staged.spec, types: staged.spec.types ?? [] };
    this.updatePolicy(key, staged && spec && { kind: key.kind, metadata: staged.metadata, spec });
  }

  /** A policy of another API, and what of it could not be converted. */
  private updateConverted(
    key: ResourceKey,
    resource: { readonly metadata: PolicyResource['metadata'] } | undefined,
    converted: { readonly spec?: PolicyResource['spec']; readonly faults: readonly Finding[] } | undefined,
  ): void {
    const { spec, faults = [] } = converted ?? {};
    this.updatePolicy(key, resource && spec && { kind: key.kind, metadata: resource.metadata, spec });
    const texts = faults.map(({ path, message }) => `${formatPath(path)}: ${message}`);
    this.problems.report(keyText(key), 'conversion', texts.length === 0 ? undefined : texts.join('; '));
  }

  private updateProfile(name: string, source: ProfileSource, provided: ProvidedProfile | undefined): void {
    this.profiles.set(name, source, provided);
    this.profileChanged(name);
  }

  private profileChanged(name: string): void {
    const profile = this.profiles.get(name);
    const labels = profile && new Map(Object.entries(profile.spec.labelsToApply ?? {}));
    this.sets.setParent(name, labels);
    this.resolver.setParent(name, labels);
    this.routing.setProfile(name, labels);
    this.resolver.profiles.set(
      name,
      profile && {
        resource: profile.resource,
        ingress: profile.spec.ingress ?? [],
        egress: profile.spec.egress ?? [],
      },
    );
  }
}

/** Only `Set` says what a policy would be; a deletion, and what is for recommenders, leaves nothing to count. */
function ifSet<Staged extends { readonly spec: { readonly stagedAction: string } }>(
  resource: Staged | undefined,
): Staged | undefined {
  return resource?.spec.stagedAction === 'Set' ? resource : undefined;
}
