/** BGPConfiguration in effect: `default` for all nodes, `node.NAME` for what one node may differ in (reference §2.2). */
import { type Address, type Family, parseAddress } from '../../net/address.ts';
import { readOptions } from '../../model/annotation-options.ts';
import {
  type SessionOptions,
  type SpeakerOptions,
  sessionDefaultOptions,
  speakerOptions,
} from '../../model/bgp-options.ts';
import { netPrefix, parseDuration } from '../../model/fields.ts';
import { isHostPrefix } from '../../net/prefix.ts';
import type { RoutingPlan, SecretReference, ServiceRange } from '../output.ts';
import { communitySet } from './filter-plan.ts';
import type { BGPConfiguration } from '../../model/kinds/bgp-configuration.ts';

type Spec = BGPConfiguration['spec'];

const serviceKinds = [
  ['cluster', 'serviceClusterIPs'],
  ['external', 'serviceExternalIPs'],
  ['load-balancer', 'serviceLoadBalancerIPs'],
] as const;

/** Calico's default AS number (a private one of RFC 6996). */
export const defaultAsNumber = 64_512;
/** IANA's port for BGP. */
export const defaultPort = 179;
/** Seconds (BIRD's default, which Calico runs with). */
export const defaultRestartTime = 120;
const defaultRoutePriority = 1024;

export class BgpSettings {
  private readonly objects = new Map<string, Spec>();
  private readonly sessionDefaults = new Map<string, SessionOptions>();
  private readonly speaker = new Map<string, SpeakerOptions>();

  setObject(name: string, configuration: BGPConfiguration | undefined): void {
    if (configuration === undefined) {
      this.objects.delete(name);
      this.sessionDefaults.delete(name);
      this.speaker.delete(name);
    } else {
      const { metadata, spec } = configuration;
      this.objects.set(name, spec);
      this.sessionDefaults.set(name, readOptions(sessionDefaultOptions, metadata.annotations));
      this.speaker.set(name, readOptions(speakerOptions, metadata.annotations));
    }
  }

  /** Options of a node's sessions that their BGPPeer does not set. */
  sessionOptions(nodeName: string): SessionOptions {
    return { ...this.sessionDefaults.get('default'), ...this.sessionDefaults.get(`node.${nodeName}`) };
  }

  /** Options of a node's speaker. */
  speakerOptions(nodeName: string): SpeakerOptions {
    return { ...this.speaker.get('default'), ...this.speaker.get(`node.${nodeName}`) };
  }

  get meshEnabled(): boolean {
    return this.common?.nodeToNodeMeshEnabled ?? true;
  }

  get meshRestartTime(): number {
    return durationSeconds(this.common?.nodeMeshMaxRestartTime) ?? defaultRestartTime;
  }

  get meshPassword(): SecretReference | undefined {
    return secretReference(this.common?.nodeMeshPassword);
  }

  /** The AS number of nodes that state none. */
  get asNumber(): number {
    return this.common?.asNumber ?? defaultAsNumber;
  }

  /** Which routes of other nodes BGP puts into the kernel (cluster-routes.ts). */
  get clusterRoutes(): Spec['programClusterRoutes'] {
    return this.common?.programClusterRoutes;
  }

  get routePriority(): Readonly<Record<Family, number>> {
    return {
      4: this.common?.ipv4NormalRoutePriority ?? defaultRoutePriority,
      6: this.common?.ipv6NormalRoutePriority ?? defaultRoutePriority,
    };
  }

  /**
   * Ranges of service addresses; `announcing` is whether this node may attract their traffic. Where a range is not
   * announced whole, single addresses are, by those who serve them.
   */
  services(announcing: boolean): readonly ServiceRange[] {
    const split = this.common?.serviceLoadBalancerAggregation === 'Disabled';
    return serviceKinds.flatMap(([kind, field]) =>
      (this.common?.[field] ?? []).map((range) => {
        const cidr = netPrefix(range.cidr);
        // A range of one address is announced as long as there is a service that has it.
        const bySingle = kind !== 'cluster' && (isHostPrefix(cidr) || (split && kind === 'load-balancer'));
        return { cidr, kind, advertised: announcing && !bySingle };
      }),
    );
  }

  /** Addresses of the host for workloads that are peers; beside them, those of the node serve as well. */
  get workloadPeering(): readonly Address[] {
    const { localWorkloadPeeringIPV4: ipv4, localWorkloadPeeringIPV6: ipv6 } = this.common ?? {};
    return [ipv4, ipv6].flatMap((text) => (text === undefined ? [] : (parseAddress(text) ?? [])));
  }

  /** Communities by range, with the names of BGPConfiguration.communities replaced by what they stand for. */
  get advertisements(): RoutingPlan['advertisements'] {
    const named = new Map(this.common?.communities?.map(({ name, value }) => [name, value]));
    return (this.common?.prefixAdvertisements ?? []).map(({ cidr, communities }) => ({
      cidr: netPrefix(cidr),
      ...communitySet(communities.map((text) => named.get(text) ?? text)),
    }));
  }

  /** Whether a node listens on its own addresses only. */
  bindsToNode(nodeName: string): boolean {
    return (this.objects.get(`node.${nodeName}`)?.bindMode ?? this.common?.bindMode) === 'NodeIP';
  }

  /** The port that a node was told to listen on; undefined if none was. */
  configuredPort(nodeName: string): number | undefined {
    return this.objects.get(`node.${nodeName}`)?.listenPort ?? this.common?.listenPort;
  }

  private get common(): Spec | undefined {
    return this.objects.get('default');
  }
}

/** What a password field refers to. */
export function secretReference(password: Spec['nodeMeshPassword']): SecretReference | undefined {
  const reference = password?.secretKeyRef;
  return reference && { name: reference.name, key: reference.key, optional: reference.optional ?? false };
}

/** Whole seconds of a duration that the model has validated. */
export function durationSeconds(duration: string | undefined): number | undefined {
  const milliseconds = duration === undefined ? undefined : parseDuration(duration);
  return milliseconds === undefined ? undefined : Math.round(milliseconds / 1000);
}
