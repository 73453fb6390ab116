/** Addresses on the segments of a lab. */
import { type Address, addressToInteger, familyOf } from '../net/address.ts';
import { type Prefix, addressAt, prefixContains, prefixLength, prefixRange } from '../net/prefix.ts';
import type { MachinePlan, PlannedAddress } from './plan.ts';
import type { Topology } from './topology.ts';

/** Where addresses of a segment begin, by role; IPv6 takes the same digits, so 11 is ::11. */
const FIRST_ORDINAL = { router: 1, datastore: 5, host: 11, client: 101 } as const;

/** What a topology says of where a machine is attached; fixed addresses by segment. */
export type Attached = {
  readonly segments: readonly string[];
  readonly addresses: Readonly<Record<string, readonly Address[]>>;
};

/** Hands out the addresses of segments: fixed ones first, then in the order of the topology. */
export class SegmentAddressing {
  private readonly taken = new Set<Address>();
  private readonly bridges = new Map<string, PlannedAddress[]>();

  constructor(private readonly topology: Topology) {
    const machines: Attached[] = [topology.hosts, topology.routers, topology.clients].flatMap((room) =>
      Object.values(room),
    );
    for (const { addresses } of machines) {
      for (const address of Object.values(addresses).flat()) this.taken.add(address);
    }
    const routed = new Set(Object.values(topology.routers).flatMap((router) => router.segments));
    for (const segment of Object.keys(topology.segments)) {
      if (!routed.has(segment)) this.bridges.set(segment, this.machine(segment, 'router'));
    }
  }

  /** The addresses of a machine on one of its segments. */
  machine(segment: string, role: MachinePlan['role'], fixed: readonly Address[] = []): PlannedAddress[] {
    return this.subnets(segment).map((subnet) => ({
      address: fixed.find((address) => prefixContains(subnet, address)) ?? this.next(subnet, role),
      prefixLength: prefixLength(subnet),
    }));
  }

  /** The bridge is a gateway only where no router is, because a host needs a default route (proxy ARP asks for it). */
  bridge(segment: string): readonly PlannedAddress[] {
    return this.bridges.get(segment) ?? [];
  }

  private subnets(segment: string): readonly Prefix[] {
    return this.topology.segments[segment]!.subnets;
  }

  private next(subnet: Prefix, role: MachinePlan['role']): Address {
    const { last } = prefixRange(subnet);
    const start = FIRST_ORDINAL[role];
    // From the role's own start, and in a subnet too small for that from the beginning.
    for (let step = 0; step < 2000; step++) {
      const ordinal = step < 1000 ? start + step : step - 999;
      const value = familyOf(subnet) === 4 ? BigInt(ordinal) : BigInt(`0x${ordinal}`);
      const candidate = addressAt(subnet, value);
      if (candidate === undefined || this.taken.has(candidate)) continue;
      // The last address of an IPv4 subnet is its broadcast address.
      if (addressToInteger(candidate) === last && familyOf(subnet) === 4) continue;
      this.taken.add(candidate);
      return candidate;
    }
    throw new RangeError(`no free address in ${subnet}`);
  }
}
