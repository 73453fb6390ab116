/** `margayctl bgp` and `margayctl route`: asks the looking glass of the agent, and prints what it says. */
import { resolve } from 'node:path';
import {
  BGP_VIEW_SCHEMA,
  type BgpFilterView,
  type BgpNeighborView,
  type BgpRoutePage,
  type BgpRouteView,
  type MrtDumpView,
  type RouteWhy,
} from '../base/bgp-view.ts';
import { MargayError } from '../base/errors.ts';
import { LocalApiError, requestLocal } from '../base/local-api.ts';
import { type AgentPlace, agentSocket } from './agent-socket.ts';
import { type BgpOutput, neighborText, routeHeadings, routeRow, summaryTable, whyText } from './bgp-text.ts';
import { columnWidths, tableLine } from './table.ts';

/** Routes of one request: a few hundred kilobytes of JSON. */
const PAGE = 2000;
/** Milliseconds. */
const DUMP_PATIENCE = 120_000;

type Query = Readonly<Record<string, string | undefined>>;

export class BgpClient {
  constructor(
    private readonly place: AgentPlace,
    private readonly write: (text: string) => void,
    private readonly output: BgpOutput,
  ) {}

  async summary(): Promise<void> {
    const neighbors = await this.neighbors();
    await this.print({ neighbors }, () => summaryTable(neighbors, Date.now()));
  }

  /** All peers, or the one of a name or address. */
  async neighbor(name: string | undefined): Promise<void> {
    const all = await this.neighbors();
    const neighbors = all.filter((peer) => name === undefined || peer.name === name || peer.address === name);
    if (name !== undefined && neighbors.length === 0) {
      throw new MargayError('bgp.no-peer', `there is no peer ${name}`, {
        fix: `name one of: ${all.map((peer) => peer.name).join(', ') || '(there are none)'}`,
      });
    }
    await this.print({ neighbors }, () => neighbors.map((peer) => neighborText(peer, Date.now())).join('\n'));
  }

  /** Routes of `/bgp/routes` or `/bgp/advertised`, page by page as they come. */
  async routes(path: 'routes' | 'advertised', query: Query): Promise<void> {
    const pages = this.pages(path, query);
    if (this.output === 'text') {
      let widths: readonly number[] | undefined;
      for await (const routes of pages) {
        const rows = routes.toSorted(byPrefix).map(routeRow);
        if (widths === undefined) {
          widths = columnWidths([routeHeadings, ...rows]);
          this.write(tableLine(routeHeadings, widths));
        }
        for (const row of rows) this.write(tableLine(row, widths));
      }
      return;
    }
    if (this.output === 'yaml') {
      const routes: BgpRouteView[] = [];
      for await (const page of pages) routes.push(...page);
      await this.print({ routes }, () => '');
      return;
    }
    // JSON goes out as it comes: a table of a million routes is not gathered first.
    this.write(`{\n  "schema": "${BGP_VIEW_SCHEMA}",\n  "routes": [`);
    let first = true;
    for await (const routes of pages) {
      for (const route of routes) {
        this.write(`${first ? '' : ','}\n    ${JSON.stringify(route)}`);
        first = false;
      }
    }
    this.write(`${first ? '' : '\n  '}]\n}\n`);
  }

  /** Returns whether BGP knows a route. */
  async why(address: string): Promise<boolean> {
    const view = (await this.ask('GET', 'why', { address })) as RouteWhy;
    await this.print(view, () => whyText(view));
    return view.prefix !== undefined;
  }

  async filter(query: Query): Promise<BgpFilterView> {
    const view = (await this.ask('GET', 'filter', query)) as BgpFilterView;
    await this.print(view, () =>
      [`${view.accept ? 'accepted' : 'rejected'}: ${view.rule}`, ...view.changes, ''].join('\n'),
    );
    return view;
  }

  /** Has the agent write its whole table; a large one takes a while. */
  async dump(file: string): Promise<void> {
    const path = resolve(file);
    const view = (await this.ask('POST', 'mrt-dump', { file: path }, DUMP_PATIENCE)) as MrtDumpView;
    await this.print(
      view,
      () => `${view.file}: ${view.paths} paths of ${view.prefixes} prefixes, ${view.octets} octets\n`,
    );
  }

  /** Does something to a peer, and prints what state that leaves it in. */
  async act(action: 'clear' | 'down' | 'up', query: Query): Promise<void> {
    const view = (await this.ask('POST', action, query)) as BgpNeighborView;
    await this.print(view, () => `${view.name}: ${view.state}${view.info === '' ? '' : `; ${view.info}`}\n`);
  }

  private async neighbors(): Promise<readonly BgpNeighborView[]> {
    return (await this.ask('GET', 'neighbors', {})) as readonly BgpNeighborView[];
  }

  private async *pages(path: string, query: Query): AsyncGenerator<readonly BgpRouteView[]> {
    let cursor: string | undefined;
    do {
      const answer = (await this.ask('GET', path, { ...query, limit: String(PAGE), cursor })) as BgpRoutePage;
      yield answer.routes;
      cursor = answer.next;
    } while (cursor !== undefined);
  }

  private async ask(method: 'GET' | 'POST', path: string, query: Query, timeout?: number): Promise<unknown> {
    const given = Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as [string, string]],
    );
    try {
      return await requestLocal(
        agentSocket(this.place),
        `/bgp/${path}?${new URLSearchParams(given).toString()}`,
        { method, ...(timeout === undefined ? {} : { timeout }) },
      );
    } catch (error) {
      if (!(error instanceof LocalApiError)) throw error;
      const { body } = error;
      const said =
        typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : error.message;
      throw new MargayError('bgp.refused', said, { cause: error });
    }
  }

  private async print(document: object, text: () => string): Promise<void> {
    if (this.output === 'text') {
      this.write(text());
      return;
    }
    const whole = { schema: BGP_VIEW_SCHEMA, ...document };
    if (this.output === 'json') {
      this.write(`${JSON.stringify(whole, null, 2)}\n`);
      return;
    }
    const { stringify } = await import('yaml');
    this.write(stringify(whole));
  }
}

function byPrefix(a: BgpRouteView, b: BgpRouteView): number {
  return a.family - b.family || a.prefix.localeCompare(b.prefix, 'en', { numeric: true });
}
