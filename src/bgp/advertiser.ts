/**
 * What one session tells its peer: the loc-RIB through the export policy, initial end-of-RIB (RFC 4724 §2), and all of
 * it again when asked (RFC 2918, RFC 7313). Writes only as fast as the peer reads.
 */
import type { Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { type ExportContext, exportRoute, mayAdvertise } from './policy/export.ts';
import type { RouteEdit } from './policy/route-edit.ts';
import { AdjRibOut } from './rib/adj-rib-out.ts';
import type { Rib } from './rib/rib.ts';
import type { Route, RouteTable, Source } from './rib/route.ts';
import { UpdateSender } from './update-sender.ts';
import { afiSafi } from './wire/afi-safi.ts';
import type { Message, WireOptions } from './wire/message.ts';

export interface AdvertiserOptions {
  readonly rib: Rib;
  readonly routes: RouteTable;
  readonly families: readonly Family[];
  readonly wire: WireOptions;
  readonly enhancedRouteRefresh: boolean;
  readonly context: ExportContext;
  readonly congested: () => boolean;
  readonly write: (bytes: Uint8Array) => void;
  readonly send: (message: Message) => void;
  /** Told once for each route whose attributes are too long to be sent. */
  readonly oversized: (prefix: Prefix) => void;
}

/** Where the telling of a family stands. */
interface Outgoing {
  readonly routes: AdjRibOut;
  /** Exported form by route, by source, which decides about reflection, and by what the policy changes. */
  exported: WeakMap<Route, Map<Source | undefined, Map<RouteEdit, Route | undefined>>>;
  endOfRibDue: boolean;
  /** A refresh was asked for, and its end must be marked. */
  refreshing: boolean;
}

export class Advertiser {
  private readonly outgoing: ReadonlyMap<Family, Outgoing>;
  private readonly sender: UpdateSender;
  private context: ExportContext;

  constructor(private readonly options: AdvertiserOptions) {
    this.context = options.context;
    this.sender = new UpdateSender(options.wire);
    this.outgoing = new Map(
      options.families.map((family) => [
        family,
        { routes: new AdjRibOut(), exported: new WeakMap(), endOfRibDue: true, refreshing: false },
      ]),
    );
    this.markSelected();
  }

  /** Prefixes the peer holds from us. */
  get advertised(): number {
    let sum = 0;
    for (const { routes } of this.outgoing.values()) sum += routes.size;
    return sum;
  }

  /** Whether an end-of-RIB waits for its family to be settled. */
  get markersDue(): boolean {
    for (const { endOfRibDue } of this.outgoing.values()) if (endOfRibDue) return true;
    return false;
  }

  /** The best path of a prefix has changed. Returns whether that concerns this session. */
  mark(family: Family, prefix: Prefix): boolean {
    const outgoing = this.outgoing.get(family);
    outgoing?.routes.mark(prefix);
    return outgoing !== undefined;
  }

  /** The policy has changed: everything is judged again, and what differs is sent. */
  changePolicy(context: ExportContext): void {
    this.context = context;
    for (const outgoing of this.outgoing.values()) {
      outgoing.routes.markSent();
      outgoing.exported = new WeakMap();
    }
    this.markSelected();
  }

  /** Sends all of a family again (RFC 2918 §4), between markers if both sides know them (RFC 7313 §4). */
  refresh(family: Family): void {
    const outgoing = this.outgoing.get(family);
    if (outgoing === undefined) return;
    outgoing.routes.resend();
    if (!this.options.enhancedRouteRefresh) return;
    this.options.send({ type: 'route-refresh', ...afiSafi(family), subtype: 'begin' });
    outgoing.refreshing = true;
  }

  /**
   * Sends up to `limit` prefixes a family. `settled` says whether a family's selection is complete, so that its
   * end-of-RIB may follow. Returns whether there is more to send now.
   */
  flush(limit: number, settled: (family: Family) => boolean): boolean {
    let more = false;
    for (const [family, outgoing] of this.outgoing) {
      if (this.options.congested()) return false;
      const { routes } = outgoing;
      const updates = routes.take(limit, (prefix) => this.exportOf(prefix, family, outgoing));
      if (updates.withdrawn.length > 0 || updates.announced.size > 0) {
        this.options.write(this.sender.encode(family, updates));
      }
      if (routes.pending > 0) more = true;
      else this.sendMarkers(family, outgoing, settled(family));
    }
    return more;
  }

  private sendMarkers(family: Family, outgoing: Outgoing, settled: boolean): void {
    if (outgoing.endOfRibDue && settled) {
      outgoing.endOfRibDue = false;
      this.options.send({ type: 'update', withdrawn: [], announced: [], endOfRib: family });
    }
    if (outgoing.refreshing) {
      outgoing.refreshing = false;
      this.options.send({ type: 'route-refresh', ...afiSafi(family), subtype: 'end' });
    }
  }

  private markSelected(): void {
    for (const [family, { routes }] of this.outgoing) {
      for (const [prefix] of this.options.rib.selected(family)) routes.mark(prefix);
    }
  }

  private exportOf(prefix: Prefix, family: Family, { exported }: Outgoing): Route | undefined {
    const { rib, oversized } = this.options;
    const path = rib.selection(prefix)?.best;
    if (path === undefined) return undefined;
    const { accept, edit } = this.context.policy.judge(prefix, path);
    if (!accept) return undefined;
    let bySource = exported.get(path.route);
    if (bySource === undefined) exported.set(path.route, (bySource = new Map()));
    let byEdit = bySource.get(path.source);
    if (byEdit === undefined) bySource.set(path.source, (byEdit = new Map()));
    if (!byEdit.has(edit)) {
      const route = mayAdvertise(path, this.context)
        ? exportRoute(path, edit, family, this.context, this.options.routes)
        : undefined;
      const sendable = route !== undefined && this.sender.fits(route, family);
      if (route !== undefined && !sendable) oversized(prefix);
      byEdit.set(edit, sendable ? route : undefined);
    }
    return byEdit.get(edit);
  }
}
