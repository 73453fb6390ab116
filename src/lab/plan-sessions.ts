/** BGP sessions of a lab's routers. */
import { familyOf } from '../net/address.ts';
import type { MachinePlan, RouterNeighbor } from './plan.ts';
import { isAttached } from './plan-routes.ts';
import type { Topology } from './topology.ts';

/** Adds the BGP sessions of routers: with every host and every other router that shares a segment. */
export function withSessions(topology: Topology, machines: readonly MachinePlan[]): MachinePlan[] {
  if (!topology.bgp) return [...machines];
  return machines.map((machine) => {
    if (machine.router === undefined) return machine;
    const neighbors = machines
      .filter((other) => other !== machine && (other.node !== undefined || other.router !== undefined))
      .flatMap((other) => sessions(topology, machine, other));
    return { ...machine, router: { ...machine.router, neighbors } };
  });
}

function sessions(topology: Topology, machine: MachinePlan, other: MachinePlan): RouterNeighbor[] {
  const wire = other.interfaces.find(({ segment }) => isAttached(machine, segment));
  const own = machine.interfaces.find(({ segment }) => segment === wire?.segment);
  if (wire === undefined || own === undefined) return [];
  const pairs = own.addresses.flatMap(({ address: localAddress }) => {
    const address = wire.addresses.find((far) => familyOf(far.address) === familyOf(localAddress))?.address;
    return address === undefined ? [] : [{ localAddress, address }];
  });
  const families = pairs.map(({ address }) => familyOf(address));
  const routers = [topology.routers[machine.name], topology.routers[other.name]];
  // GoBGP gives every route a next hop of the session's own family.
  const able = routers.every((router) => router?.software !== 'gobgp');
  const one = able && routers.some((router) => router?.sessions === 'one');
  const asNumber = other.router?.asNumber ?? topology.asNumber;
  return pairs.slice(0, one ? 1 : pairs.length).map((pair) => ({
    ...pair,
    machine: other.name,
    asNumber,
    families: one ? families : [familyOf(pair.address)],
  }));
}
