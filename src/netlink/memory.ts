/**
 * A network of namespaces in memory, for tests without privilege. It passes the same suite as the real kernel. Not
 * modelled: the table `local`, link-local addresses, duplicate address detection, learned neighbours, and packets.
 */
import { type Family, familyOf } from '../net/address.ts';
import { formatPrefixBits } from '../net/prefix-bits.ts';
import { kernelError } from '../sys/kernel-error.ts';
import type {
  ChangeFailure,
  ChangeResult,
  InterfaceAddress,
  KernelEvent,
  Link,
  LinkChange,
  LinkSettings,
  Monitor,
  MonitorOptions,
  MonitorTopic,
  Neighbor,
  NeighborChange,
  NewInterfaceAddress,
  NewLink,
  Route,
  RouteBatch,
  RouteChange,
  RouteFilter,
  RouteKernel,
} from './kernel.ts';
import { KernelError } from '../base/errors.ts';
import { type MemoryLink, MemoryNamespace } from './memory/namespace.ts';

const DEFAULT_MTU = 1500;
const MINIMUM_MTU = 68;
const MAXIMUM_MTU = 65535;
const MAXIMUM_NAME = 15;
const MAXIMUM_ALIAS = 255;

const TOPIC: Readonly<Record<Exclude<KernelEvent['type'], 'overrun'>, MonitorTopic>> = {
  link: 'links',
  'link-deleted': 'links',
  address: 'addresses',
  'address-deleted': 'addresses',
  route: 'routes',
  'route-deleted': 'routes',
  neighbor: 'neighbors',
  'neighbor-deleted': 'neighbors',
};

/** Namespaces that links can join. */
export class MemoryNetwork {
  private readonly namespaces = new Map<string, MemoryNamespace>();
  private macCount = 0;

  /** Makes a namespace with only a loopback, which is up. */
  createNamespace(name: string): void {
    if (this.namespaces.has(name)) throw kernelError(`create network namespace ${name}`, 'EEXIST');
    this.namespaces.set(name, new MemoryNamespace());
  }

  /** Opens a namespace. Throws a KernelError ENOENT if it does not exist. */
  open(name: string): RouteKernel {
    return new MemoryKernel(this, this.namespace(name));
  }

  /** Every monitor of a namespace is told that it lost events. */
  overrun(name: string): void {
    this.namespace(name).emit({ type: 'overrun' });
  }

  namespace(name: string): MemoryNamespace {
    const namespace = this.namespaces.get(name);
    if (namespace === undefined) throw kernelError(`open network namespace ${name}`, 'ENOENT');
    return namespace;
  }

  /** A locally administered address that no other link of this network was given. */
  nextMac(): string {
    const count = ++this.macCount;
    const low = [count >>> 16, count >>> 8, count].map((byte) => (byte & 0xff).toString(16).padStart(2, '0'));
    return ['02', '00', '00', ...low].join(':');
  }
}

class MemoryKernel implements RouteKernel {
  private closed = false;
  private readonly monitors = new Set<Monitor>();

  constructor(
    private readonly network: MemoryNetwork,
    private readonly namespace: MemoryNamespace,
  ) {}

  links(): Promise<Link[]> {
    return this.act(() => [...this.namespace.links.values()].map((link) => this.namespace.describe(link)));
  }

  link(nameOrIndex: string | number): Promise<Link | undefined> {
    return this.act(() => {
      const link =
        typeof nameOrIndex === 'number'
          ? this.namespace.links.get(nameOrIndex)
          : this.namespace.named(nameOrIndex);
      return link && this.namespace.describe(link);
    });
  }

  createLink(wanted: NewLink): Promise<void> {
    return this.act(() => {
      const what = `create ${wanted.kind} ${wanted.name}`;
      const ends: [MemoryNamespace, LinkSettings][] = [[this.namespace, wanted]];
      if (wanted.kind === 'veth') {
        const { namespace, ...peer } = wanted.peer;
        // The kernel registers the far end first.
        ends.unshift([namespace === undefined ? this.namespace : this.network.namespace(namespace), peer]);
        if (ends[0]![0] === this.namespace && peer.name === wanted.name) throw kernelError(what, 'EEXIST');
      }
      for (const [namespace, settings] of ends) {
        checkSettings(what, settings);
        if (namespace.named(settings.name) !== undefined) throw kernelError(what, 'EEXIST');
      }
      const made = ends.map(([namespace, settings]) => this.addLink(namespace, wanted.kind, settings));
      const [one, two] = made;
      if (one !== undefined && two !== undefined) {
        one.peer = two;
        two.peer = one;
      }
      for (const link of made) link.namespace.announce(link);
      if (wanted.up === true) this.namespace.setUp(made.at(-1)!, true);
    });
  }

  private addLink(namespace: MemoryNamespace, kind: NewLink['kind'], settings: LinkSettings): MemoryLink {
    const link: MemoryLink = {
      index: namespace.freeIndex(),
      name: settings.name,
      kind,
      namespace,
      up: false,
      mtu: settings.mtu ?? DEFAULT_MTU,
      mac: settings.mac ?? this.network.nextMac(),
      alias: settings.alias ?? '',
      master: undefined,
      peer: undefined,
    };
    namespace.links.set(link.index, link);
    return link;
  }

  changeLink(index: number, change: LinkChange): Promise<void> {
    return this.act(() => {
      const what = `change link ${index}`;
      const link = this.require(what, index);
      checkSettings(what, change);
      if (change.namespace !== undefined && link.kind === 'loopback') {
        throw kernelError(what, 'EINVAL', 'The interface netns is immutable');
      }
      const target =
        change.namespace === undefined ? link.namespace : this.network.namespace(change.namespace);
      const name = change.name ?? link.name;
      const holder = target.named(name);
      if (holder !== undefined && holder !== link) throw kernelError(what, 'EEXIST');
      const master = change.master === undefined ? link.master : this.master(what, change.master);
      if (target !== link.namespace) moveLink(link, target);
      Object.assign(link, {
        name,
        master,
        mtu: change.mtu ?? link.mtu,
        mac: change.mac ?? link.mac,
        alias: change.alias ?? link.alias,
      });
      target.announce(link);
      if (change.up !== undefined) target.setUp(link, change.up);
    });
  }

  private master(what: string, index: number): MemoryLink | undefined {
    if (index === 0) return undefined;
    const bridge = this.namespace.links.get(index);
    if (bridge === undefined) throw kernelError(what, 'EINVAL', 'Invalid master');
    if (bridge.kind !== 'bridge') throw kernelError(what, 'EOPNOTSUPP');
    return bridge;
  }

  deleteLink(index: number): Promise<void> {
    return this.act(() => {
      const what = `delete link ${index}`;
      const link = this.require(what, index);
      if (link.kind === 'loopback') throw kernelError(what, 'EOPNOTSUPP');
      for (const end of [link, link.peer]) end?.namespace.detach(end);
    });
  }

  addresses(
    filter: { readonly interface?: number; readonly family?: Family } = {},
  ): Promise<InterfaceAddress[]> {
    return this.act(() => this.namespace.addresses.filter((entry) => matches(entry, filter)));
  }

  addAddress(entry: NewInterfaceAddress): Promise<void> {
    return this.act(() => this.namespace.addAddress(entry));
  }

  deleteAddress(entry: NewInterfaceAddress): Promise<void> {
    return this.act(() => this.namespace.deleteAddress(entry));
  }

  routes(filter: RouteFilter = {}): Promise<Route[]> {
    return this.act(() =>
      [...this.namespace.routes.all()].filter(
        (route) =>
          (filter.family === undefined || familyOf(route.destination) === filter.family) &&
          (filter.table === undefined || route.table === filter.table) &&
          (filter.protocol === undefined || route.protocol === filter.protocol),
      ),
    );
  }

  changeRoutes(changes: readonly RouteChange[]): Promise<ChangeResult<RouteChange>> {
    return this.act(() =>
      changeAll(changes, (change) => {
        if (change.operation === 'delete') this.namespace.routes.delete(change.route);
        else this.namespace.routes.set(change.operation, change.route);
      }),
    );
  }

  routeBatch(): RouteBatch {
    const changes: RouteChange[] = [];
    return {
      get length() {
        return changes.length;
      },
      isFull: false,
      set: (operation, destination, make) => {
        changes.push({ operation, route: { ...make, destination: formatPrefixBits(destination) } });
      },
      delete: (destination, selector) => {
        const route = { ...selector, destination: formatPrefixBits(destination) };
        changes.push({ operation: 'delete', route });
      },
      send: async () => {
        const sent = changes.splice(0);
        const { failures } = await this.changeRoutes(sent);
        return failures.map(({ change, error }) => ({ index: sent.indexOf(change), error }));
      },
      clear: () => {
        changes.length = 0;
      },
    };
  }

  neighbors(filter: { readonly interface?: number; readonly family?: Family } = {}): Promise<Neighbor[]> {
    return this.act(() => [...this.namespace.neighbors.values()].filter((entry) => matches(entry, filter)));
  }

  changeNeighbors(changes: readonly NeighborChange[]): Promise<ChangeResult<NeighborChange>> {
    return this.act(() => changeAll(changes, (change) => this.namespace.changeNeighbor(change)));
  }

  monitor(options: MonitorOptions): Monitor {
    if (this.closed) throw kernelError('monitor', 'EBADF', 'the connection is closed');
    let open = true;
    const stop = this.namespace.listen((event) => {
      if (event.type !== 'overrun' && options.topics?.includes(TOPIC[event.type]) === false) return;
      // From the event loop, never from within the call that caused it.
      setImmediate(() => {
        if (open) options.event(event);
      });
    });
    const monitor: Monitor = {
      close: () => {
        open = false;
        stop();
        this.monitors.delete(monitor);
      },
    };
    this.monitors.add(monitor);
    return monitor;
  }

  close(): void {
    this.closed = true;
    for (const monitor of this.monitors) monitor.close();
  }

  private async act<T>(action: () => T): Promise<T> {
    if (this.closed) throw kernelError('send netlink message', 'EBADF', 'the connection is closed');
    return action();
  }

  private require(what: string, index: number): MemoryLink {
    const link = this.namespace.links.get(index);
    if (link === undefined) throw kernelError(what, 'ENODEV');
    return link;
  }
}

function moveLink(link: MemoryLink, target: MemoryNamespace): void {
  link.namespace.detach(link);
  link.namespace = target;
  link.index = target.freeIndex(link.index);
  target.links.set(link.index, link);
}

function checkSettings(what: string, settings: Pick<LinkChange, 'name' | 'mtu' | 'alias'>): void {
  const { name, mtu, alias } = settings;
  if (name !== undefined) {
    if (Buffer.byteLength(name) > MAXIMUM_NAME) throw kernelError(what, 'ERANGE');
    if (/[/:\s]/.test(name) || ['', '.', '..'].includes(name)) throw kernelError(what, 'EINVAL');
  }
  if (mtu !== undefined && (mtu < MINIMUM_MTU || mtu > MAXIMUM_MTU)) throw kernelError(what, 'EINVAL');
  if (alias !== undefined && Buffer.byteLength(alias) > MAXIMUM_ALIAS) throw kernelError(what, 'ERANGE');
}

function matches(
  entry: InterfaceAddress | Neighbor,
  filter: { readonly interface?: number; readonly family?: Family },
): boolean {
  return (
    (filter.interface === undefined || entry.interface === filter.interface) &&
    (filter.family === undefined || familyOf(entry.address) === filter.family)
  );
}

function changeAll<Change>(
  changes: readonly Change[],
  apply: (change: Change) => void,
): ChangeResult<Change> {
  const failures: ChangeFailure<Change>[] = [];
  for (const change of changes) {
    try {
      apply(change);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      failures.push({ change, error });
    }
  }
  return { applied: changes.length - failures.length, failures };
}
