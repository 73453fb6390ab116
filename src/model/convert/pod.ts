/** Kubernetes pods as WorkloadEndpoints (libcalico-go `lib/backend/k8s/conversion`). */
import { type Address, type Family, familyOf } from '../../net/address.ts';
import { parsePrefix } from '../../net/prefix.ts';
import { type Net, netPrefix, parseNet } from '../fields.ts';
import type { Finding } from '../kinds/definition.ts';
import type { PodSpec, PodStatus } from '../kinds/pod.ts';
import type { WorkloadEndpoint } from '../kinds/workload-endpoint.ts';
import { namespaceProfilePrefix } from '../labels.ts';
import type { ObjectMeta } from '../resource.ts';
import { podInterfaceName, workloadEndpointName } from '../workload-endpoint-name.ts';
import { podLabels } from './pod-labels.ts';
import { qosControls } from './pod-qos.ts';
import { serviceAccountProfileName } from './service-account.ts';

/** What a pod's endpoint is made from. */
interface Pod {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

export interface ConvertedPod {
  /** Absent for pods that have no endpoint: on the network of their node, or on no node yet. */
  readonly endpoint?: WorkloadEndpoint;
  /** What was left out or refused, by path in the pod. */
  readonly faults: readonly Finding[];
}

const annotation = {
  podIP: 'cni.projectcalico.org/podIP',
  podIPs: 'cni.projectcalico.org/podIPs',
  awsPodIPs: 'vpc.amazonaws.com/pod-ips',
  containerID: 'cni.projectcalico.org/containerID',
  floatingIPs: 'cni.projectcalico.org/floatingIPs',
  allowedSourcePrefixes: 'cni.projectcalico.org/allowedSourcePrefixes',
  networkStatus: 'k8s.v1.cni.cncf.io/network-status',
} as const;

const endpointName = 'eth0';

/** Phases in which a pod has lost its addresses for good. */
const finishedPhases: ReadonlySet<string> = new Set(['Failed', 'Succeeded', 'Completed']);

/**
 * Converts a pod. `interfacePrefix` is the first of FelixConfiguration's interfacePrefix. A finished pod keeps its
 * endpoint, without addresses: others may have them by now.
 */
export function convertPod(pod: Pod, interfacePrefix?: string): ConvertedPod {
  const faults: Finding[] = [];
  const report = (finding: Finding): void => void faults.push(finding);
  const { name, namespace = '', annotations = {} } = pod.metadata;
  const { nodeName, serviceAccountName } = pod.spec;
  if (pod.spec.hostNetwork === true) {
    const message = "a pod on its node's own network has no endpoint of its own";
    return { faults: [{ path: ['spec', 'hostNetwork'], message }] };
  }
  if (nodeName === undefined) {
    return { faults: [{ path: ['spec', 'nodeName'], message: 'a pod on no node has no endpoint yet' }] };
  }
  const ipNetworks = isFinished(pod) ? [] : podNetworks(pod, report);
  const identity = { node: nodeName, orchestrator: 'k8s', pod: name, endpoint: endpointName };
  const containerID = annotations[annotation.containerID];
  const networkStatus = annotations[annotation.networkStatus];
  const spoofed = jsonList(annotations, annotation.allowedSourcePrefixes, report).flatMap((text, index) => {
    const prefix = text.includes('/') ? parsePrefix(text) : undefined;
    if (prefix === undefined) {
      report({
        path: ['metadata', 'annotations', annotation.allowedSourcePrefixes],
        message: `entry ${index} is not a CIDR`,
      });
    }
    return prefix ?? [];
  });
  const nats = floatingIPs(annotations, ipNetworks, report);
  const ports = endpointPorts(pod);
  const controls = qosControls(annotations, report);
  const { uid, creationTimestamp, resourceVersion, generateName } = pod.metadata;
  return {
    endpoint: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'WorkloadEndpoint',
      metadata: {
        name: workloadEndpointName(identity)!,
        namespace,
        ...(uid === undefined ? {} : { uid }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(generateName === undefined ? {} : { generateName }),
        labels: podLabels(namespace, pod.metadata.labels, serviceAccountName),
        ...(networkStatus === undefined
          ? {}
          : { annotations: { [annotation.networkStatus]: networkStatus } }),
      },
      spec: {
        ...identity,
        ...(containerID === undefined || containerID === '' ? {} : { containerID }),
        ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
        ipNetworks,
        ...(nats.length === 0 ? {} : { ipNATs: nats }),
        profiles: [
          namespaceProfilePrefix + namespace,
          ...(serviceAccountName === undefined
            ? []
            : [serviceAccountProfileName(namespace, serviceAccountName)]),
        ],
        interfaceName: podInterfaceName(namespace, name, interfacePrefix),
        ...(ports.length === 0 ? {} : { ports }),
        ...(spoofed.length === 0 ? {} : { allowSpoofedSourcePrefixes: spoofed }),
        ...(controls === undefined ? {} : { qosControls: controls }),
      },
    },
    faults,
  };
}

/** Whether its addresses are no longer its own: it has ended, or the CNI plugin took them while it was being deleted. */
function isFinished({ metadata, status }: Pod): boolean {
  if (finishedPhases.has(status?.phase ?? '')) return true;
  if (metadata.deletionTimestamp === undefined) return false;
  const { annotations = {} } = metadata;
  return annotations[annotation.podIP] === '' || annotations[annotation.awsPodIPs] === '';
}

/** The CNI plugin's annotations tell of addresses before the kubelet does. */
function podNetworks({ metadata, status }: Pod, report: (finding: Finding) => void): Net[] {
  const { annotations = {} } = metadata;
  const annotated = [annotation.podIPs, annotation.podIP].find((name) => (annotations[name] ?? '') !== '');
  const aws = (annotations[annotation.awsPodIPs] ?? '') === '' ? undefined : annotation.awsPodIPs;
  const reported = (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
  const source: { readonly texts: readonly string[]; readonly path: Finding['path'] } =
    annotated !== undefined
      ? { texts: annotations[annotated]!.split(','), path: ['metadata', 'annotations', annotated] }
      : reported.length > 0
        ? { texts: reported, path: ['status', 'podIPs'] }
        : status?.podIP !== undefined
          ? { texts: [status.podIP], path: ['status', 'podIP'] }
          : aws !== undefined
            ? { texts: annotations[aws]!.split(','), path: ['metadata', 'annotations', aws] }
            : { texts: [], path: [] };
  return source.texts.flatMap((text) => {
    const net = parseNet(text.trim());
    if (net !== undefined) return netPrefix(net);
    report({ path: source.path, message: `not an IP address: ${JSON.stringify(text)}` });
    return [];
  });
}

/** Addresses that are translated to the pod's own of the same family; those of a family it lacks are left out. */
function floatingIPs(
  annotations: Readonly<Record<string, string>>,
  networks: readonly Net[],
  report: (finding: Finding) => void,
): { internalIP: Address; externalIP: Address }[] {
  const own = new Map<Family, Address>(
    networks.map((net) => [familyOf(net), net.split('/')[0] as string as Address]),
  );
  return jsonList(annotations, annotation.floatingIPs, report).flatMap((text) => {
    const externalIP = text.includes('/') ? undefined : parseNet(text);
    if (externalIP === undefined) {
      report({
        path: ['metadata', 'annotations', annotation.floatingIPs],
        message: `not an IP address: ${JSON.stringify(text)}`,
      });
      return [];
    }
    const internalIP = own.get(familyOf(externalIP));
    return internalIP === undefined ? [] : { internalIP, externalIP: externalIP as Address };
  });
}

/** The texts of an annotation that holds a JSON list of them; none if it is absent or at fault. */
function jsonList(
  annotations: Readonly<Record<string, string>>,
  name: string,
  report: (finding: Finding) => void,
): string[] {
  const text = annotations[name];
  if (text === undefined || text === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value;
  report({
    path: ['metadata', 'annotations', name],
    message: 'not a JSON list of texts',
    allowed: '["…", "…"]',
  });
  return [];
}

const protocols: Readonly<Record<string, 'TCP' | 'UDP' | 'SCTP'>> = { TCP: 'TCP', UDP: 'UDP', SCTP: 'SCTP' };

/** Ports that policies can name or that the host maps. */
function endpointPorts({ spec }: Pod): NonNullable<WorkloadEndpoint['spec']['ports']>[number][] {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, protocol: stated, containerPort: port = 0, hostPort = 0, hostIP }) => {
      const protocol = protocols[stated ?? 'TCP'];
      if (protocol === undefined || port < 1 || port > 65535 || (name === undefined && hostPort === 0))
        return [];
      const address = hostIP === undefined ? undefined : parseNet(hostIP);
      return {
        ...(name === undefined ? {} : { name }),
        protocol,
        port,
        ...(hostPort === 0 ? {} : { hostPort }),
        ...(address === undefined || address.includes('/') ? {} : { hostIP: address as Address }),
      };
    }),
  );
}
