/**
 * The routes of this node's workloads (a host prefix on each interface) and the blackholes of its blocks, which stop
 * packets to unassigned addresses of a block from leaving by the default route.
 *
 * All carry our own protocol number, so that a restarted agent finds them: those that are right stay untouched, the
 * others are replaced, and what nobody wants is swept once the datastore is in sync (design D8).
 */
import { DeltaTracker } from '../base/delta.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { type Prefix, hostPrefix, isHostPrefix, prefixAddress } from '../net/prefix.ts';
import {
  type KernelEvent,
  type NewRoute,
  PROTOCOL_KERNEL,
  type Route,
  type RouteChange,
  type RouteKernel,
  TABLE_MAIN,
} from '../netlink/kernel.ts';
import type { LinkTable } from './links.ts';

/**
 * IPv4 takes the best metric there is. IPv6 has no metric 0; 256 is the kernel's own for connected routes and stays
 * clear of 1024, which learned routes use.
 */
const METRIC: Readonly<Record<Family, number>> = { 4: 0, 6: 256 };

/** Where packets to a prefix go: out of the interface with this index, or nowhere. */
type Target = number | 'blackhole';

export class WorkloadRoutes {
  private readonly routes = new DeltaTracker<Prefix, Target>((desired, actual) => desired === actual);
  private readonly interfaces = new Map<string, ReadonlySet<Prefix>>();
  private blackholes: ReadonlySet<Prefix> = new Set();

  constructor(
    private readonly kernel: RouteKernel,
    private readonly links: LinkTable,
    /** rtm_protocol that marks our routes. */
    private readonly protocol: number,
    private readonly log: Logger,
  ) {}

  /** Sets the addresses reached through an interface; an empty list when its workload is gone. */
  setInterface(name: string, addresses: readonly Address[]): void {
    const before = this.interfaces.get(name) ?? new Set();
    const prefixes = new Set(addresses.map(hostPrefix));
    if (prefixes.size === 0) this.interfaces.delete(name);
    else this.interfaces.set(name, prefixes);
    for (const prefix of before) if (!prefixes.has(prefix)) this.withdraw(prefix);
    this.refresh(name);
  }

  /** Sets the prefixes that lead nowhere unless something more specific exists. */
  setBlackholes(prefixes: readonly Prefix[]): void {
    const before = this.blackholes;
    this.blackholes = new Set(prefixes);
    for (const prefix of before) if (!this.blackholes.has(prefix)) this.withdraw(prefix);
    for (const prefix of this.blackholes) {
      if (!this.ownedByInterface(prefix)) this.routes.setDesired(prefix, 'blackhole');
    }
  }

  /** Whether the kernel differs from what is wanted. */
  get pending(): boolean {
    return this.routes.pending > 0;
  }

  /** Addresses whose route in the kernel leads to another interface than it will, or to one that is not wanted. */
  misplaced(): Address[] {
    const updates = [...this.routes.updates()].filter(({ actual }) => typeof actual === 'number');
    return [...updates, ...this.routes.deletions()]
      .map(({ key }) => key)
      .filter(isHostPrefix)
      .map(prefixAddress);
  }

  /** Reads everything of ours back. */
  async resync(): Promise<void> {
    const routes = await this.kernel.routes({ protocol: this.protocol, table: TABLE_MAIN });
    this.routes.replaceActual(routes.map((route) => [route.destination, target(route)] as const));
    for (const name of this.interfaces.keys()) this.refresh(name);
  }

  /** Follows what happened in the kernel, whoever did it. */
  follow(event: KernelEvent): void {
    if (event.type === 'route' || event.type === 'route-deleted') {
      const { route } = event;
      if (route.table !== TABLE_MAIN) return;
      if (event.type === 'route' && route.protocol === this.protocol) {
        this.routes.setActual(route.destination, target(route));
      } else if (route.metric === METRIC[familyOf(route.destination)]) {
        // Ours was deleted, or a stranger's route took its place.
        this.routes.deleteActual(route.destination);
      }
    }
  }

  /** A link came, went, or changed its state; the kernel drops IPv4 routes with a link that goes down silently. */
  linkChanged(name: string): void {
    const link = this.links.named(name);
    for (const prefix of this.interfaces.get(name) ?? []) {
      const actual = this.routes.actual.get(prefix);
      if (typeof actual === 'number' && (link?.index !== actual || !link.up))
        this.routes.deleteActual(prefix);
    }
    this.refresh(name);
  }

  /** Writes what differs. `sweep`: also deletes what nobody wants. Returns what the kernel refused, in words. */
  async apply(sweep: boolean): Promise<string[]> {
    const changes: RouteChange[] = [];
    if (sweep) {
      for (const { key } of this.routes.deletions()) {
        const metric = METRIC[familyOf(key)];
        changes.push({
          operation: 'delete',
          route: { destination: key, protocol: this.protocol, table: TABLE_MAIN, metric },
        });
      }
    }
    for (const { key, desired, actual } of this.routes.updates()) {
      // Replacing would also take over a stranger's route of the same key, such as a connected one.
      const operation = actual === undefined ? 'add' : 'replace';
      changes.push({ operation, route: this.newRoute(key, desired) });
    }
    if (changes.length === 0) return [];
    const result = await this.kernel.changeRoutes(changes);
    const failed = new Map(result.failures.map((failure) => [failure.change, failure.error]));
    const problems: string[] = [];
    const taken: Prefix[] = [];
    for (const change of changes) {
      const { destination } = change.route;
      const error = failed.get(change);
      if (change.operation === 'delete') {
        // ESRCH: gone already, for instance with its interface.
        if (error === undefined || error.errno === 'ESRCH') this.routes.deleteActual(destination);
        else problems.push(`route ${destination}: ${error.message}`);
      } else if (error === undefined) {
        this.routes.setActual(destination, this.routes.desired.get(destination) ?? 'blackhole');
      } else if (error.errno === 'EEXIST') {
        taken.push(destination);
      } else {
        problems.push(`route ${destination}: ${error.message}`);
      }
    }
    problems.push(...(await this.takeOver(taken)));
    this.log.debug({ changes: changes.length, failures: result.failures.length }, 'routes written');
    return problems;
  }

  /**
   * Somebody else has a route of ours: what a CNI plugin or an administrator made for the workload is taken over, as
   * Calico does; the kernel's own routes, which come with an address, stay, and the clash is told.
   */
  private async takeOver(destinations: readonly Prefix[]): Promise<string[]> {
    if (destinations.length === 0) return [];
    const holders = new Map(
      (await this.kernel.routes({ table: TABLE_MAIN }))
        .filter(({ destination, metric }) => metric === METRIC[familyOf(destination)])
        .map((route) => [route.destination, route]),
    );
    const problems: string[] = [];
    for (const destination of destinations) {
      const desired = this.routes.desired.get(destination);
      if (desired === undefined) continue;
      if (holders.get(destination)?.protocol === PROTOCOL_KERNEL) {
        problems.push(`route ${destination}: an address of this host has it already`);
        continue;
      }
      const route = this.newRoute(destination, desired);
      const { failures } = await this.kernel.changeRoutes([{ operation: 'replace', route }]);
      if (failures.length === 0) this.routes.setActual(destination, desired);
      else problems.push(`route ${destination}: ${failures[0]!.error.message}`);
    }
    return problems;
  }

  private newRoute(destination: Prefix, to: Target): NewRoute {
    const common = { destination, metric: METRIC[familyOf(destination)], protocol: this.protocol };
    return to === 'blackhole'
      ? { ...common, type: 'blackhole' }
      : { ...common, nextHops: [{ interface: to }] };
  }

  private ownedByInterface(prefix: Prefix): boolean {
    for (const prefixes of this.interfaces.values()) if (prefixes.has(prefix)) return true;
    return false;
  }

  private withdraw(prefix: Prefix): void {
    for (const [name, prefixes] of this.interfaces) {
      if (prefixes.has(prefix)) return this.refresh(name);
    }
    if (this.blackholes.has(prefix)) this.routes.setDesired(prefix, 'blackhole');
    else this.routes.deleteDesired(prefix);
  }

  /** Wants the routes of an interface exactly while it is up: the kernel takes none before. */
  private refresh(name: string): void {
    const link = this.links.named(name);
    for (const prefix of this.interfaces.get(name) ?? []) {
      if (link?.up === true) this.routes.setDesired(prefix, link.index);
      else this.routes.deleteDesired(prefix);
    }
  }
}

function target(route: Route): Target {
  return route.type === 'blackhole' ? 'blackhole' : (route.nextHops[0]?.interface ?? 'blackhole');
}
