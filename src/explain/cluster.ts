/** A cluster's resources, calculated for the workloads that a question is about, whatever node they are on. */
import { ConfigError } from '../base/errors.ts';
import { endpointAddresses, workloadName } from '../calc/endpoint-facts.ts';
import { CalcGraph } from '../calc/graph.ts';
import type { LocalEndpoint } from '../calc/output.ts';
import { namespaceProfile } from '../model/convert/namespace.ts';
import { netPrefix } from '../model/fields.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import { namespaceProfilePrefix, serviceAccountProfilePrefix } from '../model/labels.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import type { Address } from '../net/address.ts';
import { hostPrefix } from '../net/prefix.ts';
import { PolicyState } from './policy-state.ts';

/** The node that every workload asked about is put on. */
const here = 'explain';

/** A pod that does not exist. */
export interface InventedPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly addresses: readonly Address[];
}

/** The WorkloadEndpoint that a pod of Kubernetes would have. */
export function inventPod(pod: InventedPod): WorkloadEndpoint {
  const { namespace, name, labels, serviceAccount, addresses } = pod;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: { name: `${here}-k8s-${name}-eth0`, namespace, labels },
    spec: {
      orchestrator: 'k8s',
      node: here,
      pod: name,
      endpoint: 'eth0',
      ipNetworks: addresses.map(hostPrefix),
      profiles: [
        namespaceProfilePrefix + namespace,
        ...(serviceAccount === undefined
          ? []
          : [`${serviceAccountProfilePrefix}${namespace}.${serviceAccount}`]),
      ],
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
    },
  };
}

/** The workload of a name: of a pod, of another orchestrator's workload, or of the WorkloadEndpoint itself. */
export function findWorkload(
  resources: readonly KnownResource[],
  namespace: string,
  name: string,
): WorkloadEndpoint {
  const workloads = resources.filter((one) => one.kind === 'WorkloadEndpoint');
  const found = workloads.find(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      [spec.pod, spec.workload, spec.containerID, metadata.name].includes(name),
  );
  if (found !== undefined) return found;
  const elsewhere = workloads.find(({ spec }) => spec.pod === name)?.metadata.namespace;
  throw new ConfigError('explain.unknown', `there is no workload ${namespace}/${name}`, {
    fix:
      elsewhere === undefined
        ? 'give NAMESPACE/POD as in `get workloadendpoints -A`, or invent one with --src-labels or --dst-labels'
        : `did you mean ${elsewhere}/${name}?`,
  });
}

/** The workload that has an address. */
export function workloadAt(
  resources: readonly KnownResource[],
  address: Address,
): WorkloadEndpoint | undefined {
  const wanted = hostPrefix(address);
  return resources.find(
    (one): one is WorkloadEndpoint =>
      one.kind === 'WorkloadEndpoint' && (one.spec.ipNetworks ?? []).some((net) => netPrefix(net) === wanted),
  );
}

/** What a workload is called, and the labels that selectors see: its own, then those of its profiles. */
function nameWithLabels(workload: WorkloadEndpoint, resources: readonly KnownResource[]): string {
  const labels = new Map(Object.entries(workload.metadata.labels ?? {}));
  for (const name of workload.spec.profiles ?? []) {
    for (const resource of resources) {
      const profile = resource.kind === 'Namespace' ? namespaceProfile(resource) : resource;
      if (profile.kind !== 'Profile' || profile.metadata.name !== name) continue;
      for (const [label, value] of Object.entries(profile.spec.labelsToApply ?? {})) {
        if (!labels.has(label)) labels.set(label, value);
      }
    }
  }
  const texts = [...labels].map(([label, value]) => `${label}=${value}`);
  return [workloadName(workload), ...texts].join(' ');
}

/** Calculates policy at some workloads; other workloads only fill sets. */
export class Cluster {
  readonly state = new PolicyState();

  constructor(
    readonly resources: readonly KnownResource[],
    workloads: readonly WorkloadEndpoint[],
  ) {
    const graph = new CalcGraph({ nodeName: here });
    for (const resource of resources) graph.update(keyOf(resource), resource);
    for (const [index, workload] of workloads.entries()) {
      const spec = { ...workload.spec, node: here, interfaceName: `cali${index}` };
      graph.update(keyOf(workload), { ...workload, spec });
    }
    this.state.apply(graph.flush());
    for (const workload of workloads) {
      for (const address of endpointAddresses(workload)) {
        this.state.names.set(address, nameWithLabels(workload, resources));
      }
    }
  }

  /** A workload that the cluster was made for. */
  endpoint({ metadata }: WorkloadEndpoint): LocalEndpoint {
    const endpoint = this.state.endpoints.get(`${metadata.namespace ?? ''}/${metadata.name}`);
    if (endpoint === undefined) {
      const reason = this.state.problems.get(keyText({ kind: 'WorkloadEndpoint', ...metadata }));
      throw new ConfigError('explain.unusable', `workload ${metadata.name} cannot be used: ${reason ?? ''}`);
    }
    return endpoint;
  }
}
