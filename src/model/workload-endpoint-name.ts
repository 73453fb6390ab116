/**
 * Names of WorkloadEndpoints and of their interfaces (libcalico-go `lib/names`): segments joined by single dashes, with
 * the dashes inside each segment doubled.
 */
import { createHash } from 'node:crypto';

/** What a name is made of; the orchestrator says which of the others it uses. */
export interface WorkloadEndpointIdentity {
  readonly node: string;
  readonly orchestrator: string;
  /** For `k8s`. */
  readonly pod?: string;
  /** For `cni`. */
  readonly containerID?: string;
  /** For orchestrators other than `k8s`, `cni` and `libnetwork`. */
  readonly workload?: string;
  readonly endpoint: string;
}

/** The field between orchestrator and endpoint; libnetwork's is a constant. */
type Middle = 'pod' | 'containerID' | 'workload' | undefined;

function middleOf(orchestrator: string): Middle {
  if (orchestrator === 'k8s') return 'pod';
  if (orchestrator === 'cni') return 'containerID';
  return orchestrator === 'libnetwork' ? undefined : 'workload';
}

const libnetworkWorkload = 'libnetwork';

/** `node--1-k8s-my--pod-eth0`; undefined if the field that the orchestrator needs is absent. */
export function workloadEndpointName(identity: WorkloadEndpointIdentity): string | undefined {
  const middle = middleOf(identity.orchestrator);
  const workload = middle === undefined ? libnetworkWorkload : identity[middle];
  if (workload === undefined) return undefined;
  return [identity.node, identity.orchestrator, workload, identity.endpoint].map(doubleDashes).join('-');
}

/** The beginning that all names of a pod's endpoints share; what the CNI plugin lists by. */
export function podEndpointNamePrefix(node: string, pod: string): string {
  return `${[node, 'k8s', pod].map(doubleDashes).join('-')}-`;
}

/** The inverse of {@link workloadEndpointName}; undefined if the text is no such name. */
export function parseWorkloadEndpointName(name: string): WorkloadEndpointIdentity | undefined {
  const [node, orchestrator, workload, endpoint, ...rest] = splitSegments(name);
  if (!node || !orchestrator || !workload || !endpoint || rest.length > 0) return undefined;
  const middle = middleOf(orchestrator);
  if (middle === undefined) {
    return workload === libnetworkWorkload ? { node, orchestrator, endpoint } : undefined;
  }
  return { node, orchestrator, [middle]: workload, endpoint };
}

function doubleDashes(segment: string): string {
  return segment.replaceAll('-', '--');
}

/** Splits at dashes that have no dash beside them, and halves the others. */
function splitSegments(name: string): string[] {
  return name.split(/(?<!-)-(?!-)/).map((segment) => segment.replaceAll('--', '-'));
}

/** The host's interface of a pod: prefix and the first 11 hex digits of the SHA-1 of `namespace.pod`. */
export function podInterfaceName(namespace: string, pod: string, prefix = 'cali'): string {
  return prefix + createHash('sha1').update(`${namespace}.${pod}`).digest('hex').slice(0, 11);
}

/** The host's interface of a container outside Kubernetes: prefix and the first 11 characters of its identity. */
export function containerInterfaceName(containerID: string, prefix = 'cali'): string {
  return prefix + containerID.slice(0, 11);
}
