/** The route kernel of Linux: rtnetlink(7) over one connection for requests and one per monitor. */
import { closeSync } from 'node:fs';
import { KernelError } from '../base/errors.ts';
import type { Family } from '../net/address.ts';
import type { ByteWriter } from '../net/bytes.ts';
import { kernelError } from '../sys/kernel-error.ts';
import { openNamespace } from '../sys/netns.ts';
import { NetlinkConnection, type OutgoingMessage } from './connection.ts';
import type {
  ChangeFailure,
  ChangeResult,
  InterfaceAddress,
  KernelEvent,
  Link,
  LinkChange,
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
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type NetlinkMessage } from './message.ts';
import { decodeAddress, encodeAddress, encodeAddressQuery } from './rtnetlink/address.ts';
import * as rt from './rtnetlink/constants.ts';
import { BACKGROUND, LinuxRouteBatch, changeByBatches } from './route-batch.ts';
import { decodeLink, encodeLinkChange, encodeLinkQuery, encodeNewLink } from './rtnetlink/link.ts';
import { decodeNeighbor, encodeNeighbor, encodeNeighborQuery } from './rtnetlink/neighbor.ts';
import { decodeRoute, encodeRouteQuery } from './rtnetlink/route.ts';
import { NETLINK_ROUTE } from './socket.ts';

/** Messages per system call, which the kernel works off at about 3 µs each. */
const CHUNK = 2048;
/** Routes of a dump that are decoded before others are served: a few milliseconds. */
const DECODED_AT_ONCE = 1024;

const GROUPS: Readonly<Record<MonitorTopic, readonly number[]>> = {
  links: [rt.RTNLGRP_LINK],
  addresses: [rt.RTNLGRP_IPV4_IFADDR, rt.RTNLGRP_IPV6_IFADDR],
  routes: [rt.RTNLGRP_IPV4_ROUTE, rt.RTNLGRP_IPV6_ROUTE],
  neighbors: [rt.RTNLGRP_NEIGH],
};
const ALL_TOPICS: readonly MonitorTopic[] = ['links', 'addresses', 'routes', 'neighbors'];

export interface LinuxKernelOptions {
  /** Network namespace by name or path; the calling thread's own when left out. */
  readonly namespace?: string;
}

/** Opens the kernel's tables in a namespace. Throws a KernelError, e.g. ENOENT when there is no such namespace. */
export function openLinuxKernel(options: LinuxKernelOptions = {}): RouteKernel {
  return new LinuxKernel(options);
}

class LinuxKernel implements RouteKernel {
  private readonly socketOptions: { readonly protocol: number; readonly namespace?: string };
  private readonly connection: NetlinkConnection;
  private readonly monitors = new Set<Monitor>();

  constructor(options: LinuxKernelOptions) {
    this.socketOptions = { ...options, protocol: NETLINK_ROUTE };
    this.connection = new NetlinkConnection(this.socketOptions);
  }

  async links(): Promise<Link[]> {
    const messages = await this.dump('list links', rt.RTM_GETLINK, encodeLinkQuery);
    return messages.map((message) => decodeLink(message.payload)).filter((link) => link !== undefined);
  }

  async link(nameOrIndex: string | number): Promise<Link | undefined> {
    try {
      const [answer] = await this.connection.request({
        type: rt.RTM_GETLINK,
        body: (out) => encodeLinkQuery(out, nameOrIndex),
        operation: () => `look up link ${nameOrIndex}`,
      });
      return answer === undefined ? undefined : decodeLink(answer.payload);
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'ENODEV') return undefined;
      throw error;
    }
  }

  async createLink(link: NewLink): Promise<void> {
    const namespace = link.kind === 'veth' ? link.peer.namespace : undefined;
    await withNamespace(namespace, (descriptor) =>
      this.change(`create ${link.kind} ${link.name}`, rt.RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, (out) =>
        encodeNewLink(out, link, descriptor),
      ),
    );
    if (link.alias === undefined) return;
    // The kernel ignores an alias in the request that makes the link.
    const made = await this.link(link.name);
    if (made === undefined) throw kernelError(`set alias of ${link.name}`, 'ENODEV');
    try {
      await this.changeLink(made.index, { alias: link.alias });
    } catch (error) {
      await this.deleteLink(made.index);
      throw error;
    }
  }

  async changeLink(index: number, change: LinkChange): Promise<void> {
    await withNamespace(change.namespace, (descriptor) =>
      this.change(`change link ${index}`, rt.RTM_NEWLINK, 0, (out) =>
        encodeLinkChange(out, index, change, descriptor),
      ),
    );
  }

  async deleteLink(index: number): Promise<void> {
    await this.change(`delete link ${index}`, rt.RTM_DELLINK, 0, (out) => encodeLinkQuery(out, index));
  }

  async addresses(
    filter: { readonly interface?: number; readonly family?: Family } = {},
  ): Promise<InterfaceAddress[]> {
    const messages = await this.dump('list addresses', rt.RTM_GETADDR, (out) =>
      encodeAddressQuery(out, filter.family, filter.interface),
    );
    return messages.map((message) => decodeAddress(message.payload)).filter((entry) => entry !== undefined);
  }

  async addAddress(entry: NewInterfaceAddress): Promise<void> {
    const operation = `add address ${entry.address}/${entry.prefixLength} to link ${entry.interface}`;
    await this.change(operation, rt.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, (out) =>
      encodeAddress(out, entry),
    );
  }

  async deleteAddress(entry: NewInterfaceAddress): Promise<void> {
    const operation = `delete address ${entry.address}/${entry.prefixLength} from link ${entry.interface}`;
    await this.change(operation, rt.RTM_DELADDR, 0, (out) => encodeAddress(out, entry));
  }

  async routes(filter: RouteFilter = {}): Promise<Route[]> {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    const routes: Route[] = [];
    for (const family of families) {
      for (const [index, message] of (await this.dumpRoutes(family, filter)).entries()) {
        if (index % DECODED_AT_ONCE === DECODED_AT_ONCE - 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        const route = decodeRoute(message.payload);
        if (route === undefined) continue;
        if (filter.table !== undefined && route.table !== filter.table) continue;
        if (filter.protocol !== undefined && route.protocol !== filter.protocol) continue;
        routes.push(route);
      }
    }
    return routes;
  }

  private async dumpRoutes(family: Family, filter: RouteFilter): Promise<NetlinkMessage[]> {
    try {
      return await this.dump('list routes', rt.RTM_GETROUTE, (out) => encodeRouteQuery(out, family, filter));
    } catch (error) {
      // A table exists from its first route on.
      if (error instanceof KernelError && error.errno === 'ENOENT') return [];
      throw error;
    }
  }

  changeRoutes(changes: readonly RouteChange[]): Promise<ChangeResult<RouteChange>> {
    return changeByBatches(changes, this.routeBatch());
  }

  routeBatch(): RouteBatch {
    return new LinuxRouteBatch(this.connection);
  }

  async neighbors(
    filter: { readonly interface?: number; readonly family?: Family } = {},
  ): Promise<Neighbor[]> {
    const neighbors: Neighbor[] = [];
    for (const proxy of [false, true]) {
      const messages = await this.dump('list neighbours', rt.RTM_GETNEIGH, (out) =>
        encodeNeighborQuery(out, filter.family, proxy),
      );
      for (const message of messages) {
        const decoded = decodeNeighbor(message.payload);
        if (decoded === undefined || !decoded.usable) continue;
        if (filter.interface === undefined || decoded.neighbor.interface === filter.interface) {
          neighbors.push(decoded.neighbor);
        }
      }
    }
    return neighbors;
  }

  changeNeighbors(changes: readonly NeighborChange[]): Promise<ChangeResult<NeighborChange>> {
    return this.changeAll(changes, ({ operation, neighbor }) => ({
      type: operation === 'replace' ? rt.RTM_NEWNEIGH : rt.RTM_DELNEIGH,
      flags: operation === 'replace' ? NLM_F_CREATE | NLM_F_REPLACE : 0,
      body: (out) => encodeNeighbor(out, neighbor),
      operation: () => `${operation} neighbour ${neighbor.address} on link ${neighbor.interface}`,
    }));
  }

  monitor(options: MonitorOptions): Monitor {
    const connection = new NetlinkConnection({
      ...this.socketOptions,
      ...(options.receiveBuffer === undefined ? {} : { receiveBuffer: options.receiveBuffer }),
      // The echo of a full table would cost more than writing it.
      ...(options.foreignOnly === true ? { deafTo: this.connection.portId } : {}),
      notification: (message) => {
        const event = decodeEvent(message);
        if (event !== undefined) options.event(event);
      },
      overrun: () => options.event({ type: 'overrun' }),
      closed: (reason) => {
        this.monitors.delete(monitor);
        if (reason !== undefined) options.closed?.(reason);
      },
    });
    const monitor: Monitor = { close: () => connection.close() };
    this.monitors.add(monitor);
    for (const topic of options.topics ?? ALL_TOPICS) {
      for (const group of GROUPS[topic]) connection.join(group);
    }
    return monitor;
  }

  close(): void {
    for (const monitor of this.monitors) monitor.close();
    this.connection.close();
  }

  private dump(
    operation: string,
    type: number,
    body: (writer: ByteWriter) => void,
  ): Promise<NetlinkMessage[]> {
    return this.connection.dump({ type, body: (out) => body(out), operation: () => operation });
  }

  private async change(
    operation: string,
    type: number,
    flags: number,
    body: (writer: ByteWriter) => void,
  ): Promise<void> {
    await this.connection.request({ type, flags, body, operation: () => operation });
  }

  private async changeAll<Change>(
    changes: readonly Change[],
    encode: (change: Change) => OutgoingMessage,
  ): Promise<ChangeResult<Change>> {
    const failures: ChangeFailure<Change>[] = [];
    for (let start = 0; start < changes.length; start += CHUNK) {
      const chunk = changes.slice(start, start + CHUNK);
      const inBackground = chunk.length >= BACKGROUND;
      const result = await this.connection.batch(chunk.map(encode), { inBackground });
      for (const { index, error } of result.failures) failures.push({ change: chunk[index]!, error });
    }
    return { applied: changes.length - failures.length, failures };
  }
}

async function withNamespace<T>(
  namespace: string | undefined,
  action: (descriptor: number | undefined) => Promise<T>,
): Promise<T> {
  if (namespace === undefined) return action(undefined);
  const descriptor = openNamespace(namespace);
  try {
    return await action(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function decodeEvent({ type, payload }: NetlinkMessage): KernelEvent | undefined {
  switch (type) {
    case rt.RTM_NEWLINK:
    case rt.RTM_DELLINK: {
      const link = decodeLink(payload);
      return link && { type: type === rt.RTM_NEWLINK ? 'link' : 'link-deleted', link };
    }
    case rt.RTM_NEWADDR:
    case rt.RTM_DELADDR: {
      const address = decodeAddress(payload);
      return address && { type: type === rt.RTM_NEWADDR ? 'address' : 'address-deleted', address };
    }
    case rt.RTM_NEWROUTE:
    case rt.RTM_DELROUTE: {
      const route = decodeRoute(payload);
      return route && { type: type === rt.RTM_NEWROUTE ? 'route' : 'route-deleted', route };
    }
    case rt.RTM_NEWNEIGH:
    case rt.RTM_DELNEIGH: {
      const decoded = decodeNeighbor(payload);
      if (decoded === undefined) return undefined;
      // An entry whose resolution failed stays in the table for a while, but is of no use any more.
      const present = type === rt.RTM_NEWNEIGH && decoded.usable;
      return { type: present ? 'neighbor' : 'neighbor-deleted', neighbor: decoded.neighbor };
    }
    default:
      return undefined;
  }
}
