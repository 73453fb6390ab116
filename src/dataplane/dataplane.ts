/**
 * The kernel's side of one node: policy, workload routes, interface settings. It is told deltas, and brings the
 * kernel to what they add up to; events of the kernel make it look again.
 *
 * Order within one apply: policy first, then interfaces and routes, so that a workload's policy is in force before
 * the first packet can reach it.
 */
import { type Clock, systemClock } from '../base/clock.ts';
import { ConfigError, KernelError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { FelixParameters } from '../calc/felix-config.ts';
import type { CalcDelta, LocalEndpoint, RoutingPlan } from '../calc/output.ts';
import type { DataplaneStatus } from '../model/agent-status.ts';
import type { Address } from '../net/address.ts';
import { prefixContains } from '../net/prefix.ts';
import { Conntrack } from '../netlink/conntrack.ts';
import { type KernelEvent, type Monitor, type RouteKernel, TABLE_MAIN } from '../netlink/kernel.ts';
import { openLinuxKernel } from '../netlink/linux.ts';
import { foreignForwardChains } from '../nftables/foreign-chains.ts';
import { HeldTable } from '../nftables/held-table.ts';
import type { NftablesEvents, NftablesKernel } from '../nftables/kernel.ts';
import { openNftables } from '../nftables/linux.ts';
import { forwardObstacles } from './forward-check.ts';
import { HostInterfaces } from './host-interfaces.ts';
import { LinkTable } from './links.ts';
import { outwardInterfaces } from './outward-interfaces.ts';
import { PeeringAddresses } from './peering-addresses.ts';
import { PolicyTable } from './policy-table.ts';
import { renderOptions } from './render-options.ts';
import { StaleConnections } from './stale-connections.ts';
import { applyHostSettings, applyInterfaceSettings } from './sysctls.ts';
import { WorkloadRoutes } from './workload-routes.ts';

/** Name of our one table (design D4). */
export const TABLE = 'margay';

export interface DataplaneOptions {
  /** Network namespace by name or path; the process's own when left out. */
  readonly namespace?: string;
  /** False leaves the table open to others even where the kernel could protect it. */
  readonly tableOwnership: boolean;
  readonly log: Logger;
  readonly clock?: Clock;
}

export class Dataplane {
  /** Called when the kernel's state no longer is what was applied: {@link apply} wants to run. */
  onDisturbance: () => void = () => undefined;

  /** Called when interfaces or addresses that are the host's own may have changed. */
  onInterfaces: () => void = () => undefined;

  private readonly links = new LinkTable();
  private readonly endpoints = new Map<string, LocalEndpoint>();
  private readonly policies = new Set<string>();
  private readonly clock: Clock;
  /** Which endpoint an interface belongs to. */
  private readonly interfaces = new Map<string, string>();
  /** Interfaces of workloads that appeared and whose settings are to be written. */
  private readonly unsettled = new Set<string>();
  private readonly hosts = new HostInterfaces(this.links);
  private readonly stale: StaleConnections;
  private table: PolicyTable | undefined;
  /** Until it is known what the table should be. */
  private held: HeldTable | undefined;
  private routes: WorkloadRoutes | undefined;
  private felix: FelixParameters | undefined;
  private monitor: Monitor | undefined;
  private peering: PeeringAddresses | undefined;
  private routing: Pick<RoutingPlan, 'blocks' | 'peers' | 'workloadPeering'> = {
    blocks: [],
    peers: [],
    workloadPeering: [],
  };
  private unread = true;
  /** Whether there was an apply: what the first one finds in the kernel is an earlier agent's. */
  private started = false;
  private problems: readonly string[] = [];
  private refresh: { cancel(): void } | undefined;

  private constructor(
    private readonly kernel: RouteKernel,
    private readonly options: DataplaneOptions,
  ) {
    this.clock = options.clock ?? systemClock;
    this.stale = new StaleConnections(() => new Conntrack(place(options)), options.log);
  }

  /** Opens the kernel. Rejects with a ConfigError that says what to do when a privilege is missing. */
  static async open(options: DataplaneOptions): Promise<Dataplane> {
    const kernel = openLinuxKernel(place(options));
    const dataplane = new Dataplane(kernel, options);
    try {
      dataplane.startMonitor();
      await dataplane.reportObstacles();
      dataplane.held = await dataplane.holdTable();
    } catch (error) {
      dataplane.close();
      throw error;
    }
    return dataplane;
  }

  /** Takes a change of the desired state in; nothing is written before {@link apply}. */
  update(delta: CalcDelta): void {
    if (delta.felix !== undefined) this.configure(delta.felix);
    for (const [id, policy] of delta.policies) {
      if (policy === undefined) this.policies.delete(id);
      else this.policies.add(id);
    }
    this.table?.update(delta);
    const before = [...delta.endpoints.keys()].flatMap((key) => this.endpoints.get(key) ?? []);
    for (const [key, endpoint] of delta.endpoints) this.updateEndpoint(key, endpoint);
    for (const [key, endpoint] of delta.hostEndpoints) this.hosts.set(key, endpoint);
    if (delta.hostEndpoints.size > 0) this.table?.setHostEndpoints(this.hosts.resolve());
    if (delta.routing !== undefined) this.routing = delta.routing;
    this.releaseAddresses(before, delta.endpoints);
    if (delta.routing !== undefined) this.routes?.setBlackholes(delta.routing.blocks);
    if (delta.routing !== undefined || delta.endpoints.size > 0) {
      this.peering?.setPlan(this.routing, this.endpoints.values());
    }
  }

  /** Resolves when the kernel has acknowledged everything that was desired at the call. Rejects with what hinders it. */
  async apply(): Promise<void> {
    const { table, routes } = this;
    if (table === undefined || routes === undefined) return;
    if (this.unread) {
      this.unread = false;
      try {
        if (this.monitor === undefined) this.startMonitor();
        for (const name of this.links.replace(await this.kernel.links())) routes.linkChanged(name);
        for (const name of this.interfaces.keys()) this.unsettled.add(name);
        const addresses = await this.kernel.addresses();
        this.hosts.replace(addresses);
        this.peering?.replace(addresses);
        table.setHostEndpoints(this.hosts.resolve());
        await routes.resync();
      } catch (error) {
        this.unread = true;
        throw error;
      }
    }
    await table.apply();
    await this.cleanConnections(routes);
    const problems = [
      ...this.configureHost(),
      ...this.configureInterfaces(),
      ...(await routes.apply(true)),
      ...((await this.peering?.apply()) ?? []),
    ];
    if (problems.join() !== this.problems.join() && problems.length > 0) {
      this.options.log.warn({ problems }, 'some of the dataplane could not be programmed');
    }
    this.problems = problems;
  }

  /** Whether an interface of the host has the address. */
  hasAddress(address: Address): boolean {
    return this.hosts.hasAddress(address);
  }

  /** Before the first {@link update}: keeps what an earlier agent left as it is. Rejects with what hinders it. */
  async hold(): Promise<void> {
    await this.held?.repair();
  }

  /** The name of the host endpoint that stands for the interface which has the address. */
  hostEndpointAt(address: Address): string | undefined {
    const own = this.hostInterfaces().find(({ addresses }) => addresses.includes(address));
    return own === undefined ? undefined : this.hostEndpointsByInterface()(own.name);
  }

  /**
   * Reads the routes, for the names of the host endpoints that stand for the interfaces which packets to an address
   * leave by. Rejects with a KernelError.
   */
  async hostEndpointsTowards(): Promise<(address: Address) => readonly string[]> {
    const interfacesTo = outwardInterfaces(await this.kernel.routes({ table: TABLE_MAIN }));
    const standing = this.hostEndpointsByInterface();
    const policed = new Set(this.hostInterfaces().map(({ name }) => name));
    const known = new Map<Address, readonly string[]>();
    return (address) => {
      const found =
        known.get(address) ??
        interfacesTo(address)
          .flatMap((index) => this.links.index(index)?.name ?? [])
          .filter((name) => policed.has(name))
          .flatMap((name) => standing(name) ?? []);
      known.set(address, found);
      return found;
    };
  }

  private hostEndpointsByInterface(): (name: string) => string | undefined {
    const names = new Map(
      this.hosts
        .resolve()
        .flatMap(({ endpoint, interfaces }) => interfaces.map((name) => [name, endpoint.key] as const)),
    );
    return (name) => names.get(name) ?? names.get('*');
  }

  /** Interfaces that may be host endpoints, with their addresses. */
  hostInterfaces(): { readonly name: string; readonly addresses: readonly Address[] }[] {
    const { interfacePrefixes = [], interfaceExclude = [] } = this.felix ?? {};
    const spared = ['lo', ...interfacePrefixes.map((prefix) => `${prefix}*`), ...interfaceExclude];
    const isSpared = (name: string): boolean =>
      spared.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
    return this.hosts.interfaces().filter(({ name }) => !isSpared(name));
  }

  status(): Omit<DataplaneStatus, 'revisionInForce'> {
    const table = this.table?.status() ?? { ownsTable: false, repairs: 0, retries: 0, problems: [] };
    return {
      endpoints: this.endpoints.size,
      policies: this.policies.size,
      ...table,
      problems: [...table.problems, ...this.problems],
    };
  }

  /** Closes sockets. Everything in the kernel stays as it is. */
  close(): void {
    this.refresh?.cancel();
    this.monitor?.close();
    this.stale.close();
    this.held?.close();
    this.table?.close();
    this.kernel.close();
  }

  /**
   * Policy is new, routes are old: the time at which connections of an earlier workload end for the next one that has
   * its address.
   */
  private async cleanConnections(routes: WorkloadRoutes): Promise<void> {
    if (!this.started) this.stale.add(routes.misplaced());
    this.started = true;
    const cleaning = this.stale.clean();
    const awaited = [...this.endpoints.values()].some(({ addresses }) =>
      addresses.some((address) => this.stale.has(address)),
    );
    if (awaited) await cleaning;
  }

  private configure(felix: FelixParameters): void {
    const before = this.felix;
    this.felix = felix;
    const render = renderOptions(felix);
    if (this.table === undefined) {
      this.held?.close();
      this.held = undefined;
      this.table = new PolicyTable({
        open: (events) => this.openTable(events),
        render,
        clock: this.clock,
        log: this.options.log,
        disturbed: () => this.onDisturbance(),
      });
    } else if (JSON.stringify(render) !== JSON.stringify(before && renderOptions(before))) {
      this.table.setOptions(render);
    }
    if (this.routes === undefined || before?.deviceRouteProtocol !== felix.deviceRouteProtocol) {
      // Routes of an earlier protocol number have the same keys: they are replaced, not doubled.
      this.routes = new WorkloadRoutes(this.kernel, this.links, felix.deviceRouteProtocol, this.options.log);
      for (const { interfaceName, addresses } of this.endpoints.values()) {
        this.routes.setInterface(interfaceName, addresses);
      }
      this.peering = new PeeringAddresses(this.kernel, this.links, felix.deviceRouteProtocol);
      this.peering.setPlan(this.routing, this.endpoints.values());
      this.unread = true;
    }
    if (before !== undefined && before.workloadSourceSpoofing !== felix.workloadSourceSpoofing) {
      for (const name of this.interfaces.keys()) this.unsettled.add(name);
    }
    this.scheduleRefresh(felix);
  }

  private openTable(events: NftablesEvents): NftablesKernel {
    return openNftables({
      table: TABLE,
      ...place(this.options),
      ownership: this.options.tableOwnership ? 'when-possible' : 'never',
      events,
    });
  }

  private holdTable(): Promise<HeldTable | undefined> {
    return HeldTable.take({
      open: (events) => this.openTable(events),
      log: this.options.log,
      disturbed: () => this.onDisturbance(),
    });
  }

  /** The net below the events: everything is read again now and then, in case an event was never sent. */
  private scheduleRefresh(felix: FelixParameters): void {
    this.refresh?.cancel();
    const interval = Math.min(
      ...[felix.nftablesRefreshInterval, felix.routeRefreshInterval].filter((value) => value > 0),
    );
    if (!Number.isFinite(interval)) return;
    this.refresh = this.clock.after(interval, () => {
      this.unread = true;
      this.table?.resync();
      this.onDisturbance();
      this.scheduleRefresh(felix);
    });
  }

  private updateEndpoint(key: string, endpoint: LocalEndpoint | undefined): void {
    const before = this.endpoints.get(key);
    const left = before !== undefined && before.interfaceName !== endpoint?.interfaceName;
    // In one delta another endpoint may have taken the interface over already.
    if (left && this.interfaces.get(before.interfaceName) === key) {
      this.routes?.setInterface(before.interfaceName, []);
      this.interfaces.delete(before.interfaceName);
      this.unsettled.delete(before.interfaceName);
    }
    if (endpoint === undefined) {
      this.endpoints.delete(key);
      return;
    }
    this.endpoints.set(key, endpoint);
    this.routes?.setInterface(endpoint.interfaceName, endpoint.addresses);
    const spoofing = [before, endpoint].some((one) => one?.allowSpoofedSourcePrefixes !== undefined);
    if (spoofing || this.interfaces.get(endpoint.interfaceName) !== key) {
      this.unsettled.add(endpoint.interfaceName);
    }
    this.interfaces.set(endpoint.interfaceName, key);
  }

  /**
   * Whatever had an address on another interface, or has it no longer, was another workload. And packets to an
   * address outside our blocks may have been forwarded elsewhere until now, while those to unassigned addresses of a
   * block lead nowhere.
   */
  private releaseAddresses(before: readonly LocalEndpoint[], changed: CalcDelta['endpoints']): void {
    const placed = (endpoints: Iterable<LocalEndpoint | undefined>): Map<string, Address> =>
      new Map(
        [...endpoints].flatMap((endpoint) =>
          (endpoint?.addresses ?? []).map((address): [string, Address] => [
            `${endpoint!.interfaceName} ${address}`,
            address,
          ]),
        ),
      );
    const left = placed(before);
    const gained = placed(changed.values());
    for (const place of left.keys()) gained.delete(place);
    if (left.size > 0) for (const place of placed(this.endpoints.values()).keys()) left.delete(place);
    this.stale.add(left.values());
    if (!this.started) return;
    for (const address of gained.values()) {
      if (!this.routing.blocks.some((block) => prefixContains(block, address))) this.stale.add([address]);
    }
  }

  private startMonitor(): void {
    this.monitor = this.kernel.monitor({
      topics: ['links', 'addresses', 'routes'],
      event: (event) => this.kernelEvent(event),
      closed: (reason) => {
        this.options.log.warn({ reason: reason.message }, 'kernel monitor lost; starting it again');
        this.monitor = undefined;
        this.unread = true;
        this.onDisturbance();
      },
    });
  }

  private kernelEvent(event: KernelEvent): void {
    if (event.type === 'overrun') {
      this.options.log.warn(
        { kind: 'overrun', object: 'links, addresses and routes' },
        'notifications of the kernel were lost; reading everything again',
      );
      this.unread = true;
      this.onDisturbance();
      return;
    }
    // A link that is made again under its old name has all its settings lost.
    const appeared = event.type === 'link' && this.links.index(event.link.index) === undefined;
    for (const name of this.links.follow(event)) {
      this.routes?.linkChanged(name);
      if (appeared && this.interfaces.has(name)) this.unsettled.add(name);
    }
    this.routes?.follow(event);
    this.peering?.follow(event);
    const hostsMoved = this.hosts.follow(event);
    if (event.type !== 'route' && event.type !== 'route-deleted') this.onInterfaces();
    if (hostsMoved) this.table?.setHostEndpoints(this.hosts.resolve());
    const pending = this.routes?.pending === true || this.peering?.pending === true;
    if (hostsMoved || pending || this.unsettled.size > 0) this.onDisturbance();
  }

  private configureHost(): string[] {
    if (this.felix?.ipForwarding === false) return [];
    return applyHostSettings(this.options.namespace, this.options.log);
  }

  private configureInterfaces(): string[] {
    const problems: string[] = [];
    for (const name of this.unsettled) {
      // One that is not there yet is settled when it appears.
      const failed =
        this.links.named(name) === undefined
          ? []
          : applyInterfaceSettings(name, this.maySpoof(name), this.options.namespace, this.options.log);
      if (failed.length === 0) this.unsettled.delete(name);
      problems.push(...failed);
    }
    return problems;
  }

  private maySpoof(interfaceName: string): boolean {
    const endpoint = this.endpoints.get(this.interfaces.get(interfaceName) ?? '');
    return this.felix?.workloadSourceSpoofing === 'Any' && endpoint?.allowSpoofedSourcePrefixes !== undefined;
  }

  private async reportObstacles(): Promise<void> {
    const { log, namespace } = this.options;
    try {
      for (const { chain, fix } of forwardObstacles(await foreignForwardChains(TABLE, namespace), 'cali')) {
        log.warn({ chain, fix }, 'a table of someone else drops forwarded packets, workloads included');
      }
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'EPERM') throw missingPrivilege(error);
      // The check is a courtesy: what really hinders us will be said when the table is claimed.
      log.warn({ reason: describeError(error) }, 'the tables of others cannot be read');
    }
  }
}

/** Nobody but an administrator of the network may even read the tables, so reading them tells. */
function missingPrivilege(cause: KernelError): ConfigError {
  return new ConfigError('dataplane.privilege', 'not allowed to change the policy and routes of this host', {
    cause,
    fix: 'run the agent as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_BIND_SERVICE',
  });
}

function place({ namespace }: DataplaneOptions): { readonly namespace?: string } {
  return namespace === undefined ? {} : { namespace };
}
