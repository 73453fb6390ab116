/** The workloads of a lab: names and addresses, also of those that join later. */
import type { Address } from '../net/address.ts';
import { type Prefix, addressAt } from '../net/prefix.ts';
import { podInterfaceName } from '../model/workload-endpoint-name.ts';
import { type LabPlan, type WorkloadPlan, machineOf, namespaceName } from './plan.ts';
import type { Topology, TopologyPort } from './topology.ts';

/** The first two addresses of a block are left to whoever wants them to be special. */
const FIRST_WORKLOAD = 2n;

/** What a new workload is described by; a {@link WorkloadPlan} follows from it. */
export interface WorkloadRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly host: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly ports?: readonly TopologyPort[];
  /** The next free address of each block of the host when left out. */
  readonly addresses?: readonly Address[];
}

/** Plans one more workload beside those of the plan. Throws a RangeError when a block of its host is full. */
export function planWorkload(plan: LabPlan, request: WorkloadRequest): WorkloadPlan {
  const { namespace, pod, host } = request;
  const taken = new Set(plan.workloads.flatMap((workload) => workload.addresses));
  return {
    name: `${namespace}/${pod}`,
    namespace,
    pod,
    host,
    networkNamespace: namespaceName(plan.name, `${namespace}-${pod}`),
    hostInterface: podInterfaceName(namespace, pod),
    addresses:
      request.addresses ??
      (machineOf(plan, host).node?.blocks ?? []).map((block) => freeAddress(block, taken)),
    labels: request.labels ?? {},
    serviceAccount: request.serviceAccount ?? 'default',
    ports: request.ports ?? [],
  };
}

function freeAddress(block: Prefix, taken: ReadonlySet<Address>): Address {
  for (let ordinal = FIRST_WORKLOAD; ; ordinal++) {
    const candidate = addressAt(block, ordinal);
    if (candidate === undefined) throw new RangeError(`block ${block} is full`);
    if (!taken.has(candidate)) return candidate;
  }
}

/** Workloads with fixed addresses first, so that the others go round them. */
export function planWorkloads(topology: Topology, base: LabPlan): WorkloadPlan[] {
  const planned = new Map<string, WorkloadPlan>();
  const entries = Object.entries(topology.workloads);
  const fixedFirst = entries.toSorted(
    ([, a], [, b]) => Number(b.ips !== undefined) - Number(a.ips !== undefined),
  );
  for (const [name, { ips, ...workload }] of fixedFirst) {
    const [namespace, pod] = name.split('/') as [string, string];
    const request = { ...workload, namespace, pod, ...(ips === undefined ? {} : { addresses: ips }) };
    planned.set(name, planWorkload({ ...base, workloads: [...planned.values()] }, request));
  }
  return entries.map(([name]) => planned.get(name)!);
}
