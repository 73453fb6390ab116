/** Who reaches whom on one port: every workload against every other. */
import { workloadName } from '../calc/endpoint-facts.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Family, familyOf } from '../net/address.ts';
import { Cluster } from './cluster.ts';
import { type Verdict, evaluateEndpoint } from './evaluate.ts';
import type { Packet } from './packet.ts';

export interface ReachOptions {
  readonly protocol: number;
  readonly port?: number;
  readonly family: Family;
}

export interface Reach {
  readonly format: 'margay-reach/v1';
  /** `namespace/pod` of every workload that has an address of the family, sorted. */
  readonly workloads: readonly string[];
  /** By source, then by destination, in the order of `workloads`. A workload always reaches itself. */
  readonly verdicts: readonly (readonly Verdict[])[];
}

/** Answers for every pair of workloads. */
export function reach(resources: readonly KnownResource[], options: ReachOptions): Reach {
  const workloads = resources
    .filter((one): one is WorkloadEndpoint => one.kind === 'WorkloadEndpoint')
    .toSorted((a, b) => (workloadName(a) < workloadName(b) ? -1 : 1));
  const cluster = new Cluster(resources, workloads);
  const ends = workloads.flatMap((workload) => {
    const endpoint = cluster.endpoint(workload);
    const address = endpoint.addresses.find((one) => familyOf(one) === options.family);
    return address === undefined ? [] : [{ endpoint, address }];
  });
  return {
    format: 'margay-reach/v1',
    workloads: ends.map(({ endpoint }) => endpoint.workload),
    verdicts: ends.map((from) =>
      ends.map((to): Verdict => {
        if (from === to) return 'allow';
        const packet: Packet = {
          source: from.address,
          destination: to.address,
          protocol: options.protocol,
          ...(options.port === undefined ? {} : { destinationPort: options.port }),
        };
        const egress = evaluateEndpoint(from.endpoint, 'egress', packet, cluster.state).verdict;
        const ingress = evaluateEndpoint(to.endpoint, 'ingress', packet, cluster.state).verdict;
        if (egress === 'deny' || ingress === 'deny') return 'deny';
        return egress === 'allow' && ingress === 'allow' ? 'allow' : 'unknown';
      }),
    ),
  };
}
