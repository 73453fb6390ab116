/** A small HTTP server that comes, goes and moves with the configuration: metrics, health. GET only. */
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
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

/** Milliseconds between tries to listen at a place that is taken. */
const RETRY = { initial: 500, maximum: 30_000 };

export class HttpEndpoint {
  private place: HttpPlace | undefined;
  private server: Server | undefined;
  private readonly backoff = new Backoff(RETRY);
  private retry: TimerHandle | undefined;
  /** What is asked for is done one after the other. */
  private turn: Promise<void> = Promise.resolve();
  /** Why it does not serve, undefined if it does or is not asked to. */
  problem: string | undefined;

  constructor(
    /** For logs: `metrics`. */
    private readonly name: string,
    /** By path. */
    private readonly pages: HttpPages,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Where it serves; undefined while it does not. */
  get port(): number | undefined {
    const address = this.server?.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  /**
   * Serves there from now on, or nowhere. A place that is taken is a {@link problem}, told once, and ends nothing: it is
   * tried again until it is free or no longer wanted.
   */
  follow(place: HttpPlace | undefined): Promise<void> {
    return this.inTurn(async () => {
      if (isDeepStrictEqual(place, this.place) && this.problem === undefined) return;
      this.place = place;
      await this.end();
      this.backoff.reset();
      await this.open();
    });
  }

  /** Ends it. */
  close(): Promise<void> {
    return this.follow(undefined);
  }

  /** When what was asked for, and a try that has begun, is done. */
  settled(): Promise<void> {
    return this.inTurn(async () => {});
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work);
    return this.turn;
  }

  private async open(): Promise<void> {
    const { place } = this;
    if (place === undefined) return;
    const server = createServer((request, response) => {
      void this.answer(request).then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type });
        response.end(body);
      });
    });
    const error = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve);
      server.listen({ port: place.port, ...(place.host === '' ? {} : { host: place.host }) }, () =>
        resolve(undefined),
      );
    });
    if (error === undefined) {
      if (this.problem !== undefined) this.log.info({ ...place }, `${this.name} endpoint listens at last`);
      this.problem = undefined;
      this.server = server;
      return;
    }
    const problem = `${this.name} not served on ${place.host}:${place.port}: ${describeError(error)}`;
    if (problem !== this.problem) {
      this.log.error({ reason: problem }, `${this.name} endpoint cannot listen, is tried again`);
    }
    this.problem = problem;
    this.retry = this.clock.after(this.backoff.delay(), () => {
      // A new place may have been waiting for its turn when this came due.
      void this.inTurn(async () => {
        if (place === this.place && this.server === undefined) await this.open();
      });
    });
  }

  private async answer({ url, method }: IncomingMessage): Promise<HttpAnswer> {
    const { pathname } = new URL(url ?? '/', 'http://localhost');
    const page = method === 'GET' ? this.pages[pathname] : undefined;
    if (page === undefined) {
      return { status: 404, type: 'text/plain', body: `${Object.keys(this.pages).join('\n')}\n` };
    }
    try {
      return await page();
    } catch (error) {
      this.log.warn({ path: pathname, reason: describeError(error) }, `${this.name} request failed`);
      return { status: 500, type: 'text/plain', body: `${describeError(error)}\n` };
    }
  }

  private async end(): Promise<void> {
    const { server } = this;
    this.retry?.cancel();
    this.retry = undefined;
    this.server = undefined;
    this.problem = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
