/**
 * Which single addresses of services this node announces, as Calico does (reference §2.7): those of a service with
 * externalTrafficPolicy Local while one of its ready endpoints is on this node, and those that no announced range
 * speaks for while the service has a ready endpoint anywhere. A change costs what it touches: a slice its own
 * endpoints, a service its own addresses.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ServiceAddressReason, ServiceAddressView } from '../../base/bgp-view.ts';
import type { KubernetesEndpointSlice } from '../../model/kinds/kubernetes-endpoint-slice.ts';
import type { KubernetesService } from '../../model/kinds/kubernetes-service.ts';
import { type Address, type Family, familyOf, parseAddress } from '../../net/address.ts';
import { type Prefix, hostPrefix, prefixContains } from '../../net/prefix.ts';
import { serviceOfSlice } from '../endpoint-facts.ts';
import type { ServiceAddressKind, ServiceRange } from '../output.ts';

/** What decides beside services and their endpoints. */
export interface ServiceSetting {
  readonly ranges: readonly ServiceRange[];
  /** Whether this node may attract traffic to services. */
  readonly announcing: boolean;
  /** This node as EndpointSlices name it. */
  readonly node: string;
}

interface ServiceFacts {
  /** Proxied to its endpoints: neither headless nor a name for something outside. */
  readonly proxied: boolean;
  /** externalTrafficPolicy Local: traffic stays on the node that it reaches. */
  readonly local: boolean;
  readonly addresses: readonly ServiceAddress[];
}

interface ServiceAddress {
  readonly kind: ServiceAddressKind;
  readonly address: Address;
}

interface SliceFacts {
  /** `namespace/name`. */
  readonly service: string;
  readonly family: Family;
  /** Of every ready endpoint its node. */
  readonly nodes: readonly (string | undefined)[];
}

/** Numbers of ready endpoints. */
interface Ready {
  readonly here: number;
  readonly anywhere: number;
}

const noneReady: Ready = { here: 0, anywhere: 0 };

/** The reasons for which an address is announced on its own. */
const announcing: ReadonlySet<ServiceAddressReason> = new Set(['local-endpoint', 'ready-endpoint']);

/** Those that have addresses and are proxied to endpoints; a Service without a type is a ClusterIP. */
const proxiedTypes: ReadonlySet<string> = new Set(['ClusterIP', 'NodePort', 'LoadBalancer']);

const addressTypes: ReadonlyMap<string, Family> = new Map([
  ['IPv4', 4],
  ['IPv6', 6],
]);

export class ServiceAddresses {
  private setting: ServiceSetting = { ranges: [], announcing: false, node: '' };
  /** By `namespace/name`. */
  private readonly services = new Map<string, ServiceFacts>();
  /** By key of the EndpointSlice: what it said, so that it can be taken back when it changes, moves or goes. */
  private readonly slices = new Map<string, SliceFacts>();
  private readonly ready: Readonly<Record<Family, Map<string, Ready>>> = { 4: new Map(), 6: new Map() };
  /** What each service has announced. */
  private readonly wanted = new Map<string, ReadonlySet<Prefix>>();
  /** How many services have it announced. */
  private readonly counts = new Map<Prefix, number>();
  private sorted: readonly Prefix[] | undefined = [];

  configure(setting: ServiceSetting): void {
    if (isDeepStrictEqual(setting, this.setting)) return;
    const renamed = setting.node !== this.setting.node;
    this.setting = setting;
    if (renamed) {
      for (const counts of Object.values(this.ready)) counts.clear();
      for (const slice of this.slices.values()) this.count(slice, 1);
    }
    for (const name of this.services.keys()) this.judge(name);
  }

  /** Sets a service by `namespace/name`; undefined: it is gone. */
  setService(name: string, service: KubernetesService | undefined): void {
    if (service === undefined) this.services.delete(name);
    else this.services.set(name, serviceFacts(service));
    this.judge(name);
  }

  /** Sets an EndpointSlice; undefined: it is gone. */
  setSlice(key: string, resource: KubernetesEndpointSlice | undefined): void {
    const before = this.slices.get(key);
    const after = resource && sliceFacts(resource);
    if (before !== undefined) this.count(before, -1);
    if (after === undefined) {
      this.slices.delete(key);
    } else {
      this.slices.set(key, after);
      this.count(after, 1);
    }
    for (const name of new Set([before?.service, after?.service])) {
      if (name !== undefined) this.judge(name);
    }
  }

  /** Host prefixes that this node announces, sorted; the same array as long as they are the same. */
  get announced(): readonly Prefix[] {
    return (this.sorted ??= [...this.counts.keys()].toSorted());
  }

  /** The services that have an address, and for each whether and why this node announces it on its own. */
  explain(address: Address): ServiceAddressView[] {
    return [...this.services].flatMap(([service, facts]) =>
      facts.addresses
        .filter((one) => one.address === address)
        .map((one) => {
          const reason = this.reason(service, facts, one);
          return { service, kind: one.kind, announced: announcing.has(reason), reason };
        }),
    );
  }

  private reason(
    service: string,
    facts: ServiceFacts,
    { kind, address }: ServiceAddress,
  ): ServiceAddressReason {
    const ranges = this.setting.ranges.filter(
      (range) => range.kind === kind && prefixContains(range.cidr, address),
    );
    if (!facts.proxied) return 'not-proxied';
    if (ranges.length === 0) return 'outside-ranges';
    if (!this.setting.announcing) return 'node-excluded';
    const { here, anywhere } = this.ready[familyOf(address)].get(service) ?? noneReady;
    if (facts.local) return here > 0 ? 'local-endpoint' : 'no-local-endpoint';
    if (ranges.every(({ advertised }) => advertised)) return 'range-announced';
    return anywhere > 0 ? 'ready-endpoint' : 'no-endpoint';
  }

  /** Works out anew what one service has announced. */
  private judge(service: string): void {
    const before = this.wanted.get(service) ?? new Set<Prefix>();
    const facts = this.services.get(service);
    const after = new Set(
      facts?.addresses
        .filter((one) => announcing.has(this.reason(service, facts, one)))
        .map(({ address }) => hostPrefix(address)),
    );
    if (after.size === 0) this.wanted.delete(service);
    else this.wanted.set(service, after);
    for (const prefix of after) if (!before.has(prefix)) this.want(prefix, 1);
    for (const prefix of before) if (!after.has(prefix)) this.want(prefix, -1);
  }

  private want(prefix: Prefix, change: 1 | -1): void {
    const before = this.counts.get(prefix) ?? 0;
    const after = before + change;
    if (after === 0) this.counts.delete(prefix);
    else this.counts.set(prefix, after);
    if (before === 0 || after === 0) this.sorted = undefined;
  }

  private count({ service, family, nodes }: SliceFacts, change: 1 | -1): void {
    const counts = this.ready[family];
    const { here, anywhere } = counts.get(service) ?? noneReady;
    const local = nodes.filter((node) => node === this.setting.node).length;
    const after = { here: here + change * local, anywhere: anywhere + change * nodes.length };
    if (after.anywhere === 0) counts.delete(service);
    else counts.set(service, after);
  }
}

function serviceFacts({ spec, status }: KubernetesService): ServiceFacts {
  const cluster = (spec.clusterIPs ?? [spec.clusterIP]).filter((text) => text !== undefined);
  const balanced = (status?.loadBalancer?.ingress ?? [])
    .map(({ ip }) => ip)
    .filter((text) => text !== undefined);
  const texts = { cluster, external: spec.externalIPs ?? [], 'load-balancer': balanced };
  const addresses = (Object.keys(texts) as ServiceAddressKind[]).flatMap((kind) =>
    // `None` and the empty text are no addresses.
    texts[kind].flatMap((text) => parseAddress(text) ?? []).map((address) => ({ kind, address })),
  );
  return {
    proxied: proxiedTypes.has(spec.type ?? 'ClusterIP') && addresses.some(({ kind }) => kind === 'cluster'),
    local: spec.externalTrafficPolicy === 'Local',
    addresses,
  };
}

/** Undefined if it says nothing of addresses of a service. */
function sliceFacts(slice: KubernetesEndpointSlice): SliceFacts | undefined {
  const service = serviceOfSlice(slice);
  const family = addressTypes.get(slice.spec.addressType);
  if (service === undefined || family === undefined) return undefined;
  const { endpoints } = slice.spec;
  return {
    service: `${service.namespace}/${service.name}`,
    family,
    // What does not say whether it is ready, is (EndpointConditions of discovery.k8s.io/v1).
    nodes: endpoints.filter(({ conditions }) => conditions?.ready !== false).map(({ nodeName }) => nodeName),
  };
}
