/**
 * The speaker for people: its peers, its routes, what it tells whom and why. Answers are made when somebody asks and
 * in pages, so that a table of a million routes holds neither the thread nor memory.
 */
import type {
  BgpFilterQuestion,
  BgpFilterView,
  BgpKernelView,
  BgpNeighborView,
  BgpQuestions,
  BgpRoutePage,
  BgpRouteQuery,
  BgpRouteView,
  BgpWhyView,
  MrtDumpView,
} from '../base/bgp-view.ts';
import type { Clock } from '../base/clock.ts';
import { MargayError } from '../base/errors.ts';
import { type Address, type Family, addressBytes, familyOf } from '../net/address.ts';
import { type PrefixBits, prefixBits, prefixBitsContain } from '../net/prefix-bits.ts';
import { maskBytes, prefixFromBytes } from '../net/prefix.ts';
import type { SpeakerConfig } from './config.ts';
import type { Fib } from './fib.ts';
import { dumpTable } from './mrt-dump.ts';
import type { Neighbor } from './neighbor.ts';
import type { PathId } from './rib/path-table.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { FAMILIES, type Rib } from './rib/rib.ts';
import { largeCommunityText, communityText, routeView } from './route-view.ts';
import { metricOfLocalPref } from './policy/preference.ts';
import type { RouteEdit } from './policy/route-edit.ts';
import { DEFAULT_LOCAL_PREF } from './rib/route.ts';
import type { PathAttributes } from './wire/message.ts';

export interface LookingGlassOptions {
  readonly clock: Clock;
  readonly self: () => Pick<SpeakerConfig, 'routerId' | 'asNumber'>;
  readonly rib: Rib;
  readonly fib: Fib;
  readonly neighbors: () => Iterable<Neighbor>;
  /** Kernel metric of own routes. */
  readonly ownMetric: (family: Family) => number;
  /** Why a learned route to the prefix is not for the kernel; undefined if it is. */
  readonly whyNotProgrammed: (prefix: PrefixBits) => string | undefined;
}

const DEFAULT_LIMIT = 1000;
const LARGEST_LIMIT = 10_000;
/** Prefixes looked at for one answer, so that a rare match does not hold the thread. */
const LOOKED_AT = 50_000;

type Answer<Name extends keyof BgpQuestions> =
  | BgpQuestions[Name]['result']
  | Promise<BgpQuestions[Name]['result']>;

export class LookingGlass {
  constructor(private readonly options: LookingGlassOptions) {}

  /** Answers one question. Rejects with a MargayError for a peer that there is not. */
  async answer<Name extends keyof BgpQuestions>(
    name: Name,
    params: BgpQuestions[Name]['params'],
  ): Promise<BgpQuestions[Name]['result']> {
    // The compiler cannot follow that row and parameters belong to the same name.
    return (this.answers[name] as (params: unknown) => Answer<Name>)(params);
  }

  private readonly answers: {
    readonly [Name in keyof BgpQuestions]: (params: BgpQuestions[Name]['params']) => Answer<Name>;
  } = {
    neighbors: () => [...this.options.neighbors()].map((neighbor) => neighbor.view()),
    routes: (query) => this.routes(query),
    advertised: ({ peer, ...page }) => this.advertised(this.find(peer), page),
    why: ({ address }) => this.why(address),
    filter: (question) => this.filter(question),
    mrtDump: ({ file }) => this.dump(file),
    clear: ({ peer, how }) => this.act(peer, (neighbor) => neighbor.clear(how)),
    down: ({ peer, communication }) => this.act(peer, (neighbor) => neighbor.holdDown(communication)),
    up: ({ peer }) => this.act(peer, (neighbor) => neighbor.letUp()),
  };

  private act(peer: string, action: (neighbor: Neighbor) => void): BgpNeighborView {
    const neighbor = this.find(peer);
    action(neighbor);
    return neighbor.view();
  }

  /** By name, or by address if that is of one peer only. */
  private find(peer: string): Neighbor {
    const all = [...this.options.neighbors()];
    const found = all.filter(({ name, config }) => name === peer || config.address === peer);
    if (found.length === 1) return found[0]!;
    throw new MargayError(
      'bgp.no-peer',
      found.length === 0 ? `there is no peer ${peer}` : `${found.length} peers have the address ${peer}`,
      { fix: `name one of: ${all.map(({ name }) => name).join(', ') || '(there are none)'}` },
    );
  }

  private routes({ family, peer, within, best = false, ...page }: BgpRouteQuery): BgpRoutePage {
    const name = peer === undefined ? undefined : this.find(peer).name;
    const outer = within === undefined ? undefined : prefixBits(within);
    const families = FAMILIES.filter((which) => which === (outer?.family ?? family ?? which));
    return this.page(families, page, (which, prefix) => {
      const table = this.options.rib.families[which];
      if (outer !== undefined && !prefixBitsContain(outer, table.prefixes.bits(prefix))) return [];
      const chosen = table.best(prefix);
      const views: BgpRouteView[] = [];
      for (const path of table.pathsOf(prefix)) {
        if (best && path !== chosen) continue;
        if (name !== undefined && this.sourceName(which, path) !== name) continue;
        views.push(this.view(which, prefix, path, path === chosen));
      }
      return views;
    });
  }

  private advertised(
    neighbor: Neighbor,
    page: { readonly cursor?: string; readonly limit?: number },
  ): BgpRoutePage {
    const { rib } = this.options;
    return this.page(FAMILIES, page, (family, prefix) => {
      const attribute = neighbor.toldAttribute(family, prefix);
      if (attribute === 0) return [];
      const route = rib.attributes.route(attribute);
      return [
        routeView({
          prefix: rib.families[family].prefixes.text(prefix),
          family,
          peer: undefined,
          route: { ...route, localPreference: route.rank.localPref },
          best: true,
          stale: false,
        }),
      ];
    });
  }

  /** Walks the tables from the cursor on. A cursor is a family and a prefix's number in its table. */
  private page(
    families: readonly Family[],
    { cursor, limit = DEFAULT_LIMIT }: { readonly cursor?: string; readonly limit?: number },
    viewsOf: (family: Family, prefix: PrefixId) => readonly BgpRouteView[],
  ): BgpRoutePage {
    const [fromFamily, from] = parseCursor(cursor, families[0]!);
    const most = Math.min(Math.max(1, limit), LARGEST_LIMIT);
    const routes: BgpRouteView[] = [];
    let looked = 0;
    for (const family of families) {
      if (family < fromFamily) continue;
      const { prefixes, paths } = this.options.rib.families[family];
      for (let prefix = family === fromFamily ? from : 0; prefix < prefixes.limit; prefix++) {
        if (routes.length >= most || looked >= LOOKED_AT) return { routes, next: `${family}:${prefix}` };
        looked++;
        if (paths.first(prefix) !== 0) routes.push(...viewsOf(family, prefix));
      }
    }
    return { routes };
  }

  private async why(address: Address): Promise<BgpWhyView> {
    const { rib, fib } = this.options;
    const family = familyOf(address);
    const table = rib.families[family];
    const prefix = this.longestMatch(address);
    if (prefix === undefined) return { address, candidates: [], multipath: [], exports: [] };
    const best = table.best(prefix);
    const others = [...table.pathsOf(prefix)].filter((path) => path !== best);
    const selection = table.selection(prefix);
    const text = table.prefixes.text(prefix);
    const learned = best !== 0 && rib.path(family, best).source !== undefined;
    const equal = (selection?.equal ?? []).flatMap(
      (path) => rib.path(family, path).route.nextHop?.address ?? [],
    );
    const unwanted = learned
      ? this.options.whyNotProgrammed(table.prefixes.bits(prefix))
      : 'the prefix is our own';
    return {
      address,
      prefix: text,
      candidates: [...(best === 0 ? [] : [best]), ...others].map((path) =>
        this.view(family, prefix, path, path === best),
      ),
      ...(selection === undefined ? {} : { decidedBy: selection.decidedBy }),
      multipath: [...new Set(equal)],
      exports: [...this.options.neighbors()].map((neighbor) => ({
        peer: neighbor.name,
        ...neighbor.explainExport(family, prefix),
      })),
      kernel:
        best === 0
          ? notSelected(others.map((path) => rib.path(family, path).route.nextHop?.address))
          : unwanted === undefined
            ? await fib.view(text)
            : {
                state: 'unwanted',
                nextHops: [],
                reason: unwanted,
              },
    };
  }

  private longestMatch(address: Address): PrefixId | undefined {
    const { prefixes, paths } = this.options.rib.families[familyOf(address)];
    const bytes = addressBytes(address);
    for (let length = bytes.length * 8; length >= 0; length--) {
      const { w0, w1, w2, w3 } = prefixBits(prefixFromBytes(maskBytes(bytes, length), length));
      const prefix = prefixes.find(w0, w1, w2, w3, length);
      if (prefix >= 0 && paths.first(prefix) !== 0) return prefix;
    }
    return undefined;
  }

  private dump(file: string): Promise<MrtDumpView> {
    const { rib, clock, self, neighbors } = this.options;
    const { routerId, asNumber } = self();
    return dumpTable({
      rib,
      file,
      now: clock.wall(),
      self: { routerId, asNumber },
      peers: [...neighbors()].map(({ name, config, peer, identifier }) => ({
        name,
        address: config.address,
        asNumber: config.asNumber,
        identifier,
        since: peer.since,
      })),
    });
  }

  private filter(question: BgpFilterQuestion): BgpFilterView {
    const prefix = prefixBits(question.prefix);
    const { accept, rule, edit } = this.find(question.peer).judge(question.direction, {
      prefix,
      attributes: attributesOf(question),
      learned: question.learned,
      metric: question.learned
        ? metricOfLocalPref(DEFAULT_LOCAL_PREF)
        : this.options.ownMetric(prefix.family),
    });
    return { accept, rule, changes: accept ? changesOf(edit) : [] };
  }

  private sourceName(family: Family, path: PathId): string | undefined {
    const { sources, families } = this.options.rib;
    return sources.get(families[family].paths.source(path))?.name;
  }

  private view(family: Family, prefix: PrefixId, path: PathId, best: boolean): BgpRouteView {
    const { rib } = this.options;
    const { source, route, stale } = rib.path(family, path);
    return routeView({
      prefix: rib.families[family].prefixes.text(prefix),
      family,
      peer: source?.name,
      route: { ...route, localPreference: route.rank.localPref },
      best,
      stale,
    });
  }
}

/** Nothing is selected while no next hop can be reached, or selection waits after a restart (RFC 4724 §4.1). */
function notSelected(nextHops: readonly (Address | undefined)[]): BgpKernelView {
  const known = [...new Set(nextHops.filter((address) => address !== undefined))];
  return {
    state: 'unresolved',
    nextHops: [],
    reason: `no path is selected: does a route lead to ${known.join(' or ')}?`,
  };
}

function parseCursor(cursor: string | undefined, first: Family): readonly [Family, PrefixId] {
  if (cursor === undefined) return [first, 0];
  const parts = /^([46]):([0-9]{1,10})$/.exec(cursor);
  if (parts === null)
    throw new MargayError('bgp.cursor', `${JSON.stringify(cursor)} is no cursor of an answer`);
  return [parts[1] === '4' ? 4 : 6, Number(parts[2])];
}

function attributesOf({ asPath = [], communities = [] }: BgpFilterQuestion): PathAttributes {
  const numbers = communities.map((text) => text.split(':').map(Number));
  return {
    origin: 'igp',
    asPath: asPath.length === 0 ? [] : [{ type: 'sequence', asNumbers: asPath }],
    communities: numbers.flatMap(([high = 0, low = 0, more]) =>
      more === undefined ? [((high << 16) | low) >>> 0] : [],
    ),
    largeCommunities: numbers.flatMap(([global = 0, local1 = 0, local2]) =>
      local2 === undefined ? [] : [{ global, local1, local2 }],
    ),
  };
}

function changesOf({ communities, largeCommunities, prepend, localPref }: RouteEdit): string[] {
  return [
    ...communities.map((community) => `adds community ${communityText(community)}`),
    ...largeCommunities.map((community) => `adds large community ${largeCommunityText(community)}`),
    ...(prepend.length > 0 ? [`prepends AS ${prepend.join(' ')}`] : []),
    ...(localPref === undefined ? [] : [`sets local preference ${localPref}`]),
  ];
}
