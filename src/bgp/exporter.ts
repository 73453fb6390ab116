/** What paths become on their way to peers of one export context, family and set of wire options. */
import type { Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { ExportMemo } from './export-memo.ts';
import {
  type ExportContext,
  type ExportRefusal,
  type ExportedRoute,
  exportRefusal,
  exportRoute,
} from './policy/export.ts';
import { RecordExport } from './policy/export-record.ts';
import { type RouteEdit, UNCHANGED } from './policy/route-edit.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { PathId } from './rib/path-table.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { PathView, type Rib } from './rib/rib.ts';
import { type Path, rankOf } from './rib/route.ts';
import type { ExportVerdict } from './telling-group.ts';
import { WITHDRAWN } from './update-batch.ts';
import type { WireOptions } from './wire/message.ts';
import { encodeRouteAttributes, fits, recordFits } from './wire/update-writer.ts';

export interface ExporterOptions {
  readonly rib: Rib;
  readonly family: Family;
  readonly wire: WireOptions;
  readonly context: ExportContext;
  /** Told once for each attribute set that is too long to be sent. */
  readonly oversized: (prefix: Prefix) => void;
}

/** A route that is ours alone to tell. */
export interface OriginatedRoute {
  readonly prefix: PrefixId;
  readonly attribute: AttributeId;
}

const OWN_ATTRIBUTES = { origin: 'igp', asPath: [] } as const;
const OWN_PATH: Path = {
  source: undefined,
  route: { attributes: OWN_ATTRIBUTES, nextHop: undefined, rank: rankOf(OWN_ATTRIBUTES) },
  stale: false,
};

export class Exporter {
  /** The default route, where it is told whatever there is; held, as its prefix is. */
  readonly defaultRoute: OriginatedRoute | undefined;
  private readonly memo: ExportMemo;
  private readonly byRecord: RecordExport;
  /** The path that is being looked at. */
  private readonly path: PathView;

  constructor(private readonly options: ExporterOptions) {
    const { rib, family, context } = options;
    this.memo = new ExportMemo(rib);
    this.byRecord = new RecordExport(context, family);
    this.path = new PathView(rib, rib.families[family]);
    this.defaultRoute = this.originateDefault();
  }

  /** The attributes with which a path is told, {@link WITHDRAWN} if it is not. To be held by who keeps the number. */
  export(prefix: PrefixId, id: PathId): AttributeId {
    const { rib, family, context } = this.options;
    const { prefixes, paths } = rib.families[family];
    const { memo, path } = this;
    path.at(id);
    const { accept, edit } = context.policy.judge(prefixes.bits(prefix), path);
    if (!accept) return WITHDRAWN;
    const attribute = paths.attribute(id);
    const source = paths.source(id);
    return (
      memo.get(attribute, source, edit) ??
      memo.set(attribute, source, edit, this.make(prefix, path, edit, attribute))
    );
  }

  /** For people: whether a path is told to a peer that is not its source, and the rule that decides. */
  explain(prefix: PrefixId, id: PathId): ExportVerdict {
    const { rib, family, context } = this.options;
    const path = rib.path(family, id);
    const { accept, rule, edit } = context.policy.judge(rib.families[family].prefixes.bits(prefix), path);
    if (!accept) return { told: false, rule };
    const route = this.exportedRoute(path, edit);
    return typeof route === 'object' ? { told: true, rule } : { told: false, rule: route };
  }

  private originateDefault(): OriginatedRoute | undefined {
    const { rib, family, context } = this.options;
    if (context.defaultFamilies?.includes(family) !== true) return undefined;
    const route = exportRoute(OWN_PATH, UNCHANGED, family, context);
    if (route === undefined) return undefined;
    const { prefixes } = rib.families[family];
    const prefix = prefixes.findOrAdd(0, 0, 0, 0, 0);
    prefixes.hold(prefix);
    return { prefix, attribute: rib.attributes.internRoute(route) };
  }

  /** Lets go of everything. */
  clear(): void {
    const { rib, family } = this.options;
    this.memo.clear();
    if (this.defaultRoute === undefined) return;
    rib.attributes.release(this.defaultRoute.attribute);
    rib.families[family].prefixes.release(this.defaultRoute.prefix);
  }

  private make(prefix: PrefixId, path: Path, edit: RouteEdit, attribute: AttributeId): AttributeId {
    const { rib, family, wire, oversized } = this.options;
    if (edit === UNCHANGED && wire.fourOctetAs) {
      const { byRecord } = this;
      const start = rib.attributes.start(attribute);
      const end = start + rib.attributes.lengthOf(attribute);
      const verdict = byRecord.make(rib.attributes.block(attribute), start, end, path.source);
      if (verdict === 'refused') return WITHDRAWN;
      if (verdict === 'told' && recordFits(byRecord.bytes, byRecord.end, family, wire)) {
        return rib.attributes.intern(byRecord.bytes, 0, byRecord.end);
      }
    }
    const route = this.exportedRoute(path, edit);
    if (typeof route === 'object') return rib.attributes.internRoute(route);
    if (route === 'attributes-too-long') oversized(rib.families[family].prefixes.text(prefix));
    return WITHDRAWN;
  }

  /** The route as it is told, or why it is not. */
  private exportedRoute(path: Path, edit: RouteEdit): ExportedRoute | ExportRefusal {
    const { family, context, wire } = this.options;
    const refusal = exportRefusal(path, context);
    if (refusal !== undefined) return refusal;
    const route = exportRoute(path, edit, family, context);
    if (route === undefined) return 'no-next-hop';
    const attributes = encodeRouteAttributes(route.attributes, family, route.nextHop, wire);
    return fits(attributes, family, route.nextHop, wire) ? route : 'attributes-too-long';
  }
}
