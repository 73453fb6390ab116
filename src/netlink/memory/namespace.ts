/** The state of one in-memory network namespace: links, addresses and neighbours, and the routes that follow them. */
import { type Address, addressBytes, familyOf } from '../../net/address.ts';
import { maskBytes, prefixFromBytes } from '../../net/prefix.ts';
import { kernelError } from '../../sys/kernel-error.ts';
import {
  type InterfaceAddress,
  type KernelEvent,
  type Link,
  type Neighbor,
  type NeighborChange,
  type NewInterfaceAddress,
  PROTOCOL_KERNEL,
} from '../kernel.ts';
import { MemoryRouteTable } from './route-table.ts';

/** A link as it is; {@link MemoryNamespace.describe} makes the picture of it. */
export interface MemoryLink {
  index: number;
  name: string;
  readonly kind: 'loopback' | 'veth' | 'bridge';
  namespace: MemoryNamespace;
  up: boolean;
  mtu: number;
  mac: string;
  alias: string;
  master: MemoryLink | undefined;
  /** The other end of a veth pair. */
  peer: MemoryLink | undefined;
}

const LOOPBACK_MTU = 65536;
const IPV6_CONNECTED_METRIC = 256;

export class MemoryNamespace {
  readonly links = new Map<number, MemoryLink>();
  readonly addresses: InterfaceAddress[] = [];
  readonly neighbors = new Map<string, Neighbor>();
  readonly routes: MemoryRouteTable;
  private readonly listeners = new Set<(event: KernelEvent) => void>();
  private readonly namespaceIds = new Map<MemoryNamespace, number>();

  constructor() {
    this.routes = new MemoryRouteTable({
      linkUp: (index) => this.links.get(index)?.up,
      holder: (address) => this.addresses.find((entry) => entry.address === address)?.interface,
      changed: (type, route) => this.emit({ type, route }),
    });
    this.links.set(1, {
      index: 1,
      name: 'lo',
      kind: 'loopback',
      namespace: this,
      up: true,
      mtu: LOOPBACK_MTU,
      mac: '00:00:00:00:00:00',
      alias: '',
      master: undefined,
      peer: undefined,
    });
  }

  listen(listener: (event: KernelEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: KernelEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  named(name: string): MemoryLink | undefined {
    return [...this.links.values()].find((link) => link.name === name);
  }

  /** The first index from `preferred` on that is free. */
  freeIndex(preferred = 1): number {
    let index = preferred;
    while (this.links.has(index)) index++;
    return index;
  }

  describe(link: MemoryLink): Link {
    const { peer } = link;
    const elsewhere = peer !== undefined && peer.namespace !== this ? peer.namespace : undefined;
    return {
      index: link.index,
      name: link.name,
      ...(link.kind === 'loopback' ? {} : { kind: link.kind }),
      loopback: link.kind === 'loopback',
      up: link.up,
      carrier: hasCarrier(link),
      mtu: link.mtu,
      mac: link.mac,
      ...(link.master === undefined ? {} : { master: link.master.index }),
      ...(peer === undefined ? {} : { link: peer.index }),
      ...(elsewhere === undefined ? {} : { linkNamespaceId: this.idOf(elsewhere) }),
      ...(link.alias === '' ? {} : { alias: link.alias }),
    };
  }

  announce(link: MemoryLink): void {
    this.emit({ type: 'link', link: this.describe(link) });
  }

  /** Brings a link up or down with all that hangs on it. */
  setUp(link: MemoryLink, up: boolean): void {
    if (link.up === up) return;
    link.up = up;
    this.announce(link);
    if (link.peer?.up === true) link.peer.namespace.announce(link.peer);
    if (up) {
      for (const entry of this.addresses) if (entry.interface === link.index) this.addConnected(entry);
      return;
    }
    this.routes.linkWentDown(link.index);
    this.dropAddresses((entry) => entry.interface === link.index && familyOf(entry.address) === 6);
    for (const [key, neighbor] of this.neighbors) {
      if (neighbor.interface === link.index) this.dropNeighbor(key, neighbor);
    }
  }

  /** Takes a link out: down, bare, and no longer in anyone's bridge. */
  detach(link: MemoryLink): void {
    this.setUp(link, false);
    this.dropAddresses((entry) => entry.interface === link.index);
    for (const [key, neighbor] of this.neighbors) {
      if (neighbor.interface === link.index) this.dropNeighbor(key, neighbor);
    }
    link.master = undefined;
    for (const port of this.links.values()) {
      if (port.master !== link) continue;
      port.master = undefined;
      this.announce(port);
    }
    this.links.delete(link.index);
    this.emit({ type: 'link-deleted', link: this.describe(link) });
  }

  addAddress(wanted: NewInterfaceAddress): void {
    const what = `add address ${wanted.address}/${wanted.prefixLength}`;
    if (!this.links.has(wanted.interface)) throw kernelError(what, 'ENODEV');
    const family = familyOf(wanted.address);
    const taken = this.addresses.some(
      (entry) =>
        entry.interface === wanted.interface &&
        entry.address === wanted.address &&
        (family === 6 || entry.prefixLength === wanted.prefixLength),
    );
    if (taken) throw kernelError(what, 'EEXIST');
    const entry: InterfaceAddress = {
      interface: wanted.interface,
      address: wanted.address,
      prefixLength: wanted.prefixLength,
      scope: wanted.scope ?? 'global',
      tentative: false,
      ...(wanted.protocol === undefined ? {} : { protocol: wanted.protocol }),
    };
    this.addresses.push(entry);
    this.emit({ type: 'address', address: entry });
    this.addConnected(entry);
  }

  deleteAddress(wanted: { interface: number; address: Address; prefixLength: number }): void {
    const what = `delete address ${wanted.address}/${wanted.prefixLength}`;
    if (!this.links.has(wanted.interface)) throw kernelError(what, 'ENODEV');
    const gone = this.dropAddresses(
      (entry) =>
        entry.interface === wanted.interface &&
        entry.address === wanted.address &&
        entry.prefixLength === wanted.prefixLength,
    );
    if (gone === 0) throw kernelError(what, 'EADDRNOTAVAIL');
  }

  changeNeighbor({ operation, neighbor }: NeighborChange): void {
    const what = `${operation} neighbour ${neighbor.address}`;
    if (!this.links.has(neighbor.interface)) throw kernelError(what, 'ENODEV');
    const proxy = neighbor.proxy === true;
    const key = `${neighbor.interface} ${proxy} ${neighbor.address}`;
    if (operation === 'delete') {
      const entry = this.neighbors.get(key);
      if (entry === undefined) throw kernelError(what, 'ENOENT');
      this.dropNeighbor(key, entry);
      return;
    }
    const entry: Neighbor = {
      interface: neighbor.interface,
      address: neighbor.address,
      ...(neighbor.proxy === true ? {} : { mac: neighbor.mac }),
      permanent: !proxy,
      proxy,
    };
    this.neighbors.set(key, entry);
    if (!proxy) this.emit({ type: 'neighbor', neighbor: entry });
  }

  private dropNeighbor(key: string, neighbor: Neighbor): void {
    this.neighbors.delete(key);
    // The kernel does not announce proxy entries.
    if (!neighbor.proxy) this.emit({ type: 'neighbor-deleted', neighbor });
  }

  private dropAddresses(matches: (entry: InterfaceAddress) => boolean): number {
    const gone = this.addresses.filter(matches);
    for (const entry of gone) {
      this.addresses.splice(this.addresses.indexOf(entry), 1);
      this.removeConnected(entry);
      this.emit({ type: 'address-deleted', address: entry });
      if (this.addresses.every((other) => other.address !== entry.address)) {
        this.routes.addressWentAway(entry.address);
      }
    }
    return gone.length;
  }

  private addConnected(entry: InterfaceAddress): void {
    const route = connectedRoute(entry);
    if (route === undefined || this.links.get(entry.interface)?.up !== true) return;
    this.routes.set('replace', route);
  }

  private removeConnected(entry: InterfaceAddress): void {
    const route = connectedRoute(entry);
    if (route === undefined || this.links.get(entry.interface)?.up !== true) return;
    const heir = this.addresses.find(
      (other) =>
        other.interface === entry.interface && connectedRoute(other)?.destination === route.destination,
    );
    if (heir === undefined) this.routes.delete(route);
    else this.addConnected(heir);
  }

  private idOf(other: MemoryNamespace): number {
    const id = this.namespaceIds.get(other) ?? this.namespaceIds.size;
    this.namespaceIds.set(other, id);
    return id;
  }
}

function hasCarrier(link: MemoryLink): boolean {
  if (!link.up) return false;
  switch (link.kind) {
    case 'loopback':
      return true;
    case 'veth':
      return link.peer?.up === true;
    case 'bridge':
      return [...link.namespace.links.values()].some((port) => port.master === link && hasCarrier(port));
  }
}

/** The route that comes with an address; a single IPv4 address has none. */
function connectedRoute(entry: InterfaceAddress) {
  const family = familyOf(entry.address);
  if (family === 4 && entry.prefixLength === 32) return undefined;
  return {
    destination: prefixFromBytes(
      maskBytes(addressBytes(entry.address), entry.prefixLength),
      entry.prefixLength,
    ),
    nextHops: [{ interface: entry.interface }],
    protocol: PROTOCOL_KERNEL,
    ...(family === 4 ? { preferredSource: entry.address } : { metric: IPV6_CONNECTED_METRIC }),
  } as const;
}
