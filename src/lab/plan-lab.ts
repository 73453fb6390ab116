/**
 * From a topology to everything that a lab consists of, all decided beforehand. Pure, so that the same topology always
 * gives the same lab, and a lab that broke can be compared with what it should be.
 */
import { familyOf } from '../net/address.ts';
import { defaultBlockSize } from '../model/kinds/ip-pool.ts';
import { type LabPlan, type PoolPlan, namespaceName } from './plan.ts';
import { SegmentAddressing } from './plan-addressing.ts';
import { planMachines } from './plan-machines.ts';
import { withRoutes, withStrayRoutes } from './plan-routes.ts';
import { withSessions } from './plan-sessions.ts';
import { planWorkloads } from './plan-workloads.ts';
import type { Topology } from './topology.ts';

/** Plans a whole lab. The topology has been checked (topology-checks.ts). */
export function planLab(topology: Topology): LabPlan {
  const pools = topology.pools.map((pool, index): PoolPlan => ({
    name: `pool-${familyOf(pool.cidr) === 4 ? 'ipv4' : 'ipv6'}-${index}`,
    cidr: pool.cidr,
    blockSize: pool.blockSize ?? defaultBlockSize[familyOf(pool.cidr)],
    natOutgoing: pool.natOutgoing,
  }));
  const addressing = new SegmentAddressing(topology);
  const machines = withRoutes(topology, planMachines(topology, addressing, pools), addressing);
  const plan: LabPlan = {
    name: topology.name,
    datastore: topology.datastore,
    bgp: topology.bgp,
    asNumber: topology.asNumber,
    mesh: topology.mesh,
    pools,
    segments: Object.keys(topology.segments).map((name) => ({
      name,
      namespace: namespaceName(topology.name, name),
      addresses: addressing.bridge(name),
    })),
    machines: withSessions(topology, machines),
    namespaces: topology.namespaces,
    workloads: [],
    resources: topology.resources,
  };
  const workloads = planWorkloads(topology, plan);
  return { ...plan, workloads, machines: withStrayRoutes(topology, plan.machines, workloads) };
}
