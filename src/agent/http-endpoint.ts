/** A small HTTP server that comes, goes and moves with the configuration: metrics, health. GET only. */
import { type Server, createServer } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

export interface HttpPlace {
  /** All addresses if empty. */
  readonly host: string;
  readonly port: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export type HttpPages = Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>;

export class HttpEndpoint {
  private place: HttpPlace | undefined;
  private server: Server | undefined;
  /** Why it does not serve, undefined if it does or is not asked to. */
  problem: string | undefined;

  constructor(
    /** For logs: `metrics`. */
    private readonly name: string,
    /** By path. */
    private readonly pages: HttpPages,
    private readonly log: Logger,
  ) {}

  /** Where it serves; undefined while it does not. */
  get port(): number | undefined {
    const address = this.server?.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  /** Serves there from now on, or nowhere. A place that is taken is a {@link problem} and ends nothing. */
  async follow(place: HttpPlace | undefined): Promise<void> {
    if (isDeepStrictEqual(place, this.place) && this.problem === undefined) return;
    this.place = place;
    await this.close();
    if (place === undefined) return;
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const page = request.method === 'GET' ? this.pages[pathname] : undefined;
      const answer = async (): Promise<HttpAnswer> => {
        if (page === undefined)
          return { status: 404, type: 'text/plain', body: `${Object.keys(this.pages).join('\n')}\n` };
        try {
          return await page();
        } catch (error) {
          this.log.warn({ path: pathname, reason: describeError(error) }, `${this.name} request failed`);
          return { status: 500, type: 'text/plain', body: `${describeError(error)}\n` };
        }
      };
      void answer().then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type });
        response.end(body);
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => {
      server.once('error', (error) => {
        this.problem = `${this.name} not served on ${place.host}:${place.port}: ${describeError(error)}`;
        this.log.error({ reason: this.problem }, `${this.name} endpoint cannot listen`);
        this.server = undefined;
        resolve();
      });
      server.listen({ port: place.port, ...(place.host === '' ? {} : { host: place.host }) }, () => {
        this.problem = undefined;
        resolve();
      });
    });
  }

  /** Ends it. */
  async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.problem = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
