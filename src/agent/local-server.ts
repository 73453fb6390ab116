/**
 * The agent's local socket (design D20): JSON over HTTP on `RUN_DIR/NODE.sock`, for root only. A file left by a dead
 * agent is replaced; one with a living agent behind it is refused, because two agents of one node would fight.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { ConfigError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { peerCredentials } from '../sys/peer-credentials.ts';

/** Answers with something that becomes JSON; throwing answers 500 with the error in words. */
export type LocalHandler = (query: URLSearchParams) => unknown;

export class LocalServer {
  private readonly server: Server;

  private constructor(
    readonly path: string,
    handlers: ReadonlyMap<string, LocalHandler>,
    log: Logger,
  ) {
    this.server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const handler = handlers.get(`${request.method} ${url.pathname}`);
      if (handler === undefined) {
        return reply(response, 404, { error: `no such request; known: ${[...handlers.keys()].join(', ')}` });
      }
      // The file's mode keeps others out already; the kernel's word holds even where someone loosened the mode.
      const uid = peerCredentials(request.socket)?.uid;
      if (uid !== 0 && uid !== process.getuid?.()) {
        return reply(response, 403, { error: 'only root and the user of the agent may ask' });
      }
      const answer = async (): Promise<void> => {
        try {
          reply(response, 200, await handler(url.searchParams));
        } catch (error) {
          log.debug({ request: request.url, err: error }, 'local request failed');
          reply(response, error instanceof LocalRequestError ? error.status : 500, {
            error: describeError(error),
          });
        }
      };
      void answer();
    });
  }

  /** Listens; rejects with a ConfigError if another agent of this node answers on the socket. */
  static async listen(
    path: string,
    handlers: ReadonlyMap<string, LocalHandler>,
    log: Logger,
  ): Promise<LocalServer> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if (await answers(path)) {
      throw new ConfigError('agent.already-running', `another agent of this node answers on ${path}`, {
        fix: 'stop it first, or give this one another --node or --run-dir',
      });
    }
    rmSync(path, { force: true });
    const local = new LocalServer(path, handlers, log);
    await new Promise<void>((resolve, reject) => {
      local.server.once('error', reject);
      local.server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return local;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
    rmSync(this.path, { force: true });
  }
}

/** A request that the caller got wrong or that ended without its result. */
export class LocalRequestError extends Error {
  constructor(
    readonly status: 400 | 408 | 503,
    message: string,
  ) {
    super(message);
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Whether somebody accepts connections on a unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
