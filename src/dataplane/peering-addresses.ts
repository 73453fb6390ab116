/**
 * The addresses of this host that workloads with a BGP session peer with (BGPConfiguration.localWorkloadPeeringIPV4 and
 * IPV6): the same on every node, so that a workload is configured alike wherever it runs. A link-local IPv6 address is
 * on the interface of each such workload, the only place where it means something. Others are on the loopback, not where
 * Calico has them: the host would take one on the interface as source of whatever it sends to the workload.
 *
 * They carry our protocol number (IFA_PROTO, Linux 5.18) as our routes do, so that a restarted agent finds them; an older
 * kernel forgets it, and what an earlier agent left there stays.
 */
import { DeltaTracker } from '../base/delta.ts';
import { KernelError } from '../base/errors.ts';
import type { RoutingPlan } from '../calc/output.ts';
import { type Address, familyOf, isLinkLocal } from '../net/address.ts';
import type { InterfaceAddress, KernelEvent, NewInterfaceAddress, RouteKernel } from '../netlink/kernel.ts';
import type { LinkTable } from './links.ts';

const LOOPBACK = 'lo';

/** A workload's interface and its addresses. */
interface Attachment {
  readonly interfaceName: string;
  readonly addresses: readonly Address[];
}

type Held = Pick<InterfaceAddress, 'interface' | 'address'>;

export class PeeringAddresses {
  private readonly tracker = new DeltaTracker<string, Held>(() => true);
  /** By interface. */
  private wanted: ReadonlyMap<string, ReadonlySet<Address>> = new Map();

  constructor(
    private readonly kernel: RouteKernel,
    private readonly links: LinkTable,
    /** ifa_proto that marks our addresses. */
    private readonly protocol: number,
  ) {}

  /** Wants, on the interface of every workload that is a peer, our address of the family that it peers by. */
  setPlan(
    { peers, workloadPeering }: Pick<RoutingPlan, 'peers' | 'workloadPeering'>,
    attachments: Iterable<Attachment>,
  ): void {
    // Asked with every workload that comes or goes, and mostly there is no such address.
    const routers = workloadPeering.length === 0 ? [] : peers.filter(({ type }) => type === 'workload');
    const ends = new Set(routers.map(({ address }) => address));
    const wanted = new Map<string, ReadonlySet<Address>>();
    if (ends.size > 0) {
      for (const { interfaceName, addresses } of attachments) {
        const families = new Set(addresses.filter((address) => ends.has(address)).map(familyOf));
        const own = workloadPeering.filter((address) => families.has(familyOf(address)));
        if (own.length > 0) wanted.set(interfaceName, new Set(own));
      }
    }
    this.wanted = wanted;
    this.refresh();
  }

  /** Whether the kernel differs from what is wanted. */
  get pending(): boolean {
    return this.tracker.pending > 0;
  }

  /** Takes over a full read-back of links and addresses. */
  replace(addresses: readonly InterfaceAddress[]): void {
    this.refresh();
    const ours = addresses.filter((one) => this.isOurs(one));
    this.tracker.replaceActual(ours.map((one) => [keyOf(one), one]));
  }

  /** Follows what happened in the kernel, whoever did it. The links have followed before. */
  follow(event: KernelEvent): void {
    if (event.type === 'link' || event.type === 'link-deleted') {
      if (this.wanted.size > 0) this.refresh();
    } else if (event.type === 'address') {
      if (this.isOurs(event.address)) this.tracker.setActual(keyOf(event.address), event.address);
    } else if (event.type === 'address-deleted') {
      this.tracker.deleteActual(keyOf(event.address));
    }
  }

  /** Writes what differs. Returns what the kernel refused, in words. */
  async apply(): Promise<string[]> {
    const problems: string[] = [];
    for (const { key, actual } of this.tracker.deletions()) {
      const problem = await refusal(
        this.kernel.deleteAddress(entryOf(actual, this.protocol)),
        'EADDRNOTAVAIL',
      );
      if (problem === undefined) this.tracker.deleteActual(key);
      else problems.push(problem);
    }
    for (const { key, desired } of this.tracker.updates()) {
      const problem = await refusal(this.kernel.addAddress(entryOf(desired, this.protocol)), 'EEXIST');
      if (problem === undefined) this.tracker.setActual(key, desired);
      else problems.push(problem);
    }
    return problems;
  }

  private isOurs(one: InterfaceAddress): boolean {
    return one.protocol === this.protocol || this.tracker.desired.has(keyOf(one));
  }

  private refresh(): void {
    const desired = new Map<string, Held>();
    for (const [name, addresses] of this.wanted) {
      for (const address of addresses) {
        const link = this.links.named(isLinkLocal(address) ? name : LOOPBACK);
        // An interface that is down would lose its IPv6 addresses again.
        if (link?.up !== true) continue;
        const held = { interface: link.index, address };
        desired.set(keyOf(held), held);
      }
    }
    for (const key of this.tracker.desired.keys()) if (!desired.has(key)) this.tracker.deleteDesired(key);
    for (const [key, held] of desired) if (!this.tracker.desired.has(key)) this.tracker.setDesired(key, held);
  }
}

function keyOf({ interface: index, address }: Held): string {
  return `${index} ${address}`;
}

/**
 * A host prefix that brings no connected route, and that is no source of what the host sends: in IPv4 for its scope, in
 * IPv6 because it is deprecated.
 */
function entryOf({ interface: index, address }: Held, protocol: number): NewInterfaceAddress {
  const common = { interface: index, address, protocol };
  return familyOf(address) === 4
    ? { ...common, prefixLength: 32, scope: 'host' }
    : { ...common, prefixLength: 128, noDuplicateDetection: true, deprecated: true };
}

/** What the kernel has against a change, but for `settled`: it is as wanted already. A link may be gone meanwhile. */
async function refusal(change: Promise<void>, settled: string): Promise<string | undefined> {
  try {
    await change;
    return undefined;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return error.errno === settled || error.errno === 'ENODEV' ? undefined : error.message;
  }
}
