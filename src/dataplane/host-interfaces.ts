/** Which interfaces each HostEndpoint of the node stands for (Calico felix/dataplane/linux/endpoint_mgr.go). */
import type { LocalHostEndpoint } from '../calc/output.ts';
import { type Address, isLinkLocal } from '../net/address.ts';
import type { InterfaceAddress, KernelEvent } from '../netlink/kernel.ts';
import type { ActiveHostEndpoint } from '../nftables/render/host-endpoints.ts';
import type { LinkTable } from './links.ts';

export class HostInterfaces {
  private readonly endpoints = new Map<string, LocalHostEndpoint>();
  /** Interface indexes by address. */
  private readonly holders = new Map<Address, Set<number>>();

  constructor(private readonly links: LinkTable) {}

  /** Sets an endpoint; undefined: it is gone. */
  set(key: string, endpoint: LocalHostEndpoint | undefined): void {
    if (endpoint === undefined) this.endpoints.delete(key);
    else this.endpoints.set(key, endpoint);
  }

  /** Takes over a full read-back. */
  replace(addresses: readonly InterfaceAddress[]): void {
    this.holders.clear();
    for (const one of addresses) this.add(one);
  }

  /** Every interface of the namespace by name, with its addresses but those of the link. */
  interfaces(): { readonly name: string; readonly addresses: readonly Address[] }[] {
    return [...this.links.all()]
      .map(({ name, index }) => ({
        name,
        addresses: [...this.holders]
          .filter(([address, indexes]) => indexes.has(index) && !isLinkLocal(address))
          .map(([address]) => address)
          .toSorted(),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  hasAddress(address: Address): boolean {
    return (this.holders.get(address)?.size ?? 0) > 0;
  }

  /** Follows an event; says whether it may change what {@link resolve} gives. */
  follow(event: KernelEvent): boolean {
    if (event.type === 'address') this.add(event.address);
    else if (event.type === 'address-deleted') {
      this.holders.get(event.address.address)?.delete(event.address.interface);
    } else if (event.type !== 'link' && event.type !== 'link-deleted') return false;
    return [...this.endpoints.values()].some(({ interfaceName }) => interfaceName === undefined);
  }

  /**
   * An interface belongs to the endpoint that names it, else to one that expects an address it has, else to the one of
   * all interfaces; of several, to the first by name. Endpoints that stand for nothing are left out.
   */
  resolve(): ActiveHostEndpoint[] {
    const owners = new Map<string, LocalHostEndpoint>();
    const claim = (name: string, endpoint: LocalHostEndpoint): void => {
      if (!owners.has(name)) owners.set(name, endpoint);
    };
    const ordered = [...this.endpoints.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    for (const endpoint of ordered) {
      if (endpoint.interfaceName !== undefined) claim(endpoint.interfaceName, endpoint);
    }
    for (const endpoint of ordered) {
      if (endpoint.interfaceName !== undefined) continue;
      for (const name of this.interfacesWith(endpoint.expectedAddresses)) claim(name, endpoint);
    }
    const interfaces = new Map<LocalHostEndpoint, string[]>();
    for (const [name, endpoint] of owners) {
      interfaces.set(endpoint, [...(interfaces.get(endpoint) ?? []), name]);
    }
    return [...interfaces].map(([endpoint, names]) => ({ endpoint, interfaces: names.toSorted() }));
  }

  private interfacesWith(addresses: readonly Address[]): string[] {
    return addresses.flatMap((address) =>
      [...(this.holders.get(address) ?? [])].flatMap((index) => this.links.index(index)?.name ?? []),
    );
  }

  private add({ interface: index, address }: InterfaceAddress): void {
    const known = this.holders.get(address);
    if (known === undefined) this.holders.set(address, new Set([index]));
    else known.add(index);
  }
}
