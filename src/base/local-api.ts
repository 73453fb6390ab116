/** JSON over HTTP over a unix socket: how margayctl and the lab ask a running agent (design D20). */
import { request } from 'node:http';
import { MargayError } from './errors.ts';

export interface LocalRequestOptions {
  /** Milliseconds until an unanswered request is given up; 5,000 when left out. */
  readonly timeout?: number;
  /** GET when left out. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** The agent answered, but not with 2xx. `body` is what it sent, parsed when it is JSON. */
export class LocalApiError extends MargayError {
  constructor(
    readonly path: string,
    readonly status: number,
    readonly body: unknown,
  ) {
    super('local-api.status', `${path} answered ${status}${reason(body)}`);
  }
}

/** No agent answers on the socket: it is not running, still starting, or hung. */
export class LocalApiUnreachableError extends MargayError {
  constructor(socketPath: string, cause: unknown) {
    super('local-api.unreachable', `no answer on ${socketPath}`, {
      cause,
      fix: 'check that the agent of this node runs and that you are root',
    });
  }
}

const DEFAULT_TIMEOUT = 5_000;

/**
 * Asks for `path` and resolves with the parsed JSON of the answer (undefined when it is empty). Rejects with
 * {@link LocalApiUnreachableError} when nothing answers in time, with {@link LocalApiError} when the status is not 2xx.
 */
export function requestLocal(
  socketPath: string,
  path: string,
  options: LocalRequestOptions = {},
): Promise<unknown> {
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
  const timeout = options.timeout ?? DEFAULT_TIMEOUT;
  return new Promise((resolve, reject) => {
    const unreachable = (cause: unknown): void => {
      clearTimeout(timer);
      reject(new LocalApiUnreachableError(socketPath, cause));
    };
    const outgoing = request(
      {
        socketPath,
        path,
        method: options.method ?? 'GET',
        // One connection per request: the sockets of a pool would hold an ending agent open.
        agent: false,
        headers: {
          host: 'localhost',
          accept: 'application/json',
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', unreachable);
        response.on('end', () => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString('utf8');
          const body = parse(text);
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(body);
          else reject(new LocalApiError(path, status, body));
        });
      },
    );
    // Covers the whole exchange; a socket timeout would start again with each byte.
    const timer = setTimeout(() => outgoing.destroy(new Error(`timed out after ${timeout} ms`)), timeout);
    outgoing.on('error', unreachable);
    outgoing.end(payload);
  });
}

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function reason(body: unknown): string {
  if (typeof body === 'string') return `: ${body}`;
  if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string') {
    return `: ${body.error}`;
  }
  return '';
}
