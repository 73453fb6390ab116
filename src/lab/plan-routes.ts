/** Static routes of a lab's machines. */
import { type Address, type Family, familyOf } from '../net/address.ts';
import { type Prefix, hostPrefix, prefixContains } from '../net/prefix.ts';
import type { MachinePlan, StaticRoute, WorkloadPlan } from './plan.ts';
import type { SegmentAddressing } from './plan-addressing.ts';
import type { Topology } from './topology.ts';

/** Adds default routes, and without BGP the routes to every host's blocks. */
export function withRoutes(
  topology: Topology,
  machines: readonly MachinePlan[],
  addressing: SegmentAddressing,
): MachinePlan[] {
  const everywhere: Readonly<Record<Family, Prefix>> = { 4: '0.0.0.0/0' as Prefix, 6: '::/0' as Prefix };
  const gateways = (machine: MachinePlan): Address[] => {
    if (machine.role === 'router') return [];
    const wanted = topology.hosts[machine.name]?.gateway ?? topology.clients[machine.name]?.gateway;
    const router = machines.find(
      ({ name, role, interfaces }) =>
        role === 'router' &&
        (wanted === undefined
          ? interfaces.some(({ segment }) => isAttached(machine, segment))
          : name === wanted),
    );
    const wire = router?.interfaces.find(({ segment }) => isAttached(machine, segment));
    const first = machine.interfaces[0];
    if (wire !== undefined) return wire.addresses.map(({ address }) => address);
    return first === undefined ? [] : addressing.bridge(first.segment).map(({ address }) => address);
  };
  return machines.map((machine) => {
    const routes: StaticRoute[] = gateways(machine).map((gateway) => ({
      destination: everywhere[familyOf(gateway)],
      gateway,
    }));
    if (machine.router !== undefined && machine.node !== undefined) {
      routes.push(...clientRoutes(machine, machines));
    }
    if (!topology.bgp && machine.role !== 'client') {
      for (const other of machines) {
        if (other === machine) continue;
        for (const block of other.node?.blocks ?? []) {
          const gateway = neighborAddress(machine, other, familyOf(block));
          if (gateway !== undefined) routes.push({ destination: block, gateway });
        }
      }
    }
    return { ...machine, routes };
  });
}

/**
 * Our agent answers for a block with a blackhole, so what is in use of a block that it announces for a segment needs
 * routes of its own, as its workloads have.
 */
function clientRoutes({ interfaces, node }: MachinePlan, machines: readonly MachinePlan[]): StaticRoute[] {
  const blocks = node?.blocks ?? [];
  return machines
    .filter(({ role }) => role === 'client')
    .flatMap((client) => client.interfaces)
    .flatMap(({ segment, addresses }) => {
      const own = interfaces.find((wire) => wire.segment === segment);
      const announced = addresses.filter(({ address }) =>
        blocks.some((block) => prefixContains(block, address)),
      );
      return own === undefined
        ? []
        : announced.map(({ address }) => ({ destination: hostPrefix(address), interface: own.name }));
    });
}

/** Without BGP nobody announces an address that lies outside the blocks of its workload's host. */
export function withStrayRoutes(
  topology: Topology,
  machines: readonly MachinePlan[],
  workloads: readonly WorkloadPlan[],
): MachinePlan[] {
  if (topology.bgp) return [...machines];
  return machines.map((machine) => {
    const routes = workloads.flatMap(({ host, addresses }) => {
      const home = machines.find(({ name }) => name === host);
      if (home === undefined || home === machine || machine.role === 'client') return [];
      return addresses.flatMap((address): StaticRoute[] => {
        const gateway = neighborAddress(machine, home, familyOf(address));
        const announced = home.node?.blocks.some((block) => prefixContains(block, address)) === true;
        return announced || gateway === undefined ? [] : [{ destination: hostPrefix(address), gateway }];
      });
    });
    return { ...machine, routes: [...machine.routes, ...routes] };
  });
}

/** Whether the machine is attached to that segment. */
export function isAttached(machine: MachinePlan, segment: string): boolean {
  return machine.interfaces.some((own) => own.segment === segment);
}

/** The address of `other` on a segment that both share. */
function neighborAddress(machine: MachinePlan, other: MachinePlan, family: Family): Address | undefined {
  const wire = other.interfaces.find(({ segment }) => isAttached(machine, segment));
  return wire?.addresses.find(({ address }) => familyOf(address) === family)?.address;
}
