import { mkdtempSync, rmSync } from 'node:fs';
import { type RequestListener, type Server, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { LocalApiError, LocalApiUnreachableError, requestLocal } from '../../../src/base/local-api.ts';

describe('requestLocal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'margay-local-api-'));
  const path = join(folder, 'n1.sock');
  let server: Server | undefined;

  async function serve(listener: RequestListener): Promise<void> {
    server = createServer(listener);
    await new Promise<void>((resolve) => {
      server!.listen(path, resolve);
    });
  }

  afterEach(async () => {
    const closing = server;
    server = undefined;
    if (closing !== undefined) {
      closing.closeAllConnections();
      await new Promise((resolve) => {
        closing.close(resolve);
      });
    }
    rmSync(path, { force: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('answers with the parsed JSON', async () => {
    await serve((request, response) => response.end(JSON.stringify({ asked: request.url })));
    expect(await requestLocal(path, '/status')).toEqual({ asked: '/status' });
  });

  it('sends a body as JSON and takes an empty answer', async () => {
    let received = '';
    await serve((request, response) => {
      request.on('data', (chunk: Buffer) => (received += chunk.toString()));
      request.on('end', () => response.writeHead(204).end());
    });
    expect(await requestLocal(path, '/x', { method: 'POST', body: { a: 1 } })).toBeUndefined();
    expect(received).toBe('{"a":1}');
  });

  it('rejects with the status and the agent’s own words when it refuses', async () => {
    await serve((_request, response) => response.writeHead(504).end('{"error":"not in force"}'));
    const failure = await requestLocal(path, '/wait').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LocalApiError);
    expect(failure).toMatchObject({ status: 504, message: '/wait answered 504: not in force' });
  });

  it('rejects when nobody listens', async () => {
    await expect(requestLocal(path, '/status')).rejects.toBeInstanceOf(LocalApiUnreachableError);
  });

  it('gives up on an agent that does not answer', async () => {
    await serve(() => undefined);
    await expect(requestLocal(path, '/status', { timeout: 20 })).rejects.toThrow(/no answer/);
  });

  it('gives up on an agent that stops in the middle of its answer', async () => {
    await serve((_request, response) => void response.write('{"a":'));
    await expect(requestLocal(path, '/status', { timeout: 50 })).rejects.toBeInstanceOf(
      LocalApiUnreachableError,
    );
  });
});
