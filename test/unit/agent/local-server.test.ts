import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalRequestError, LocalServer } from '../../../src/agent/local-server.ts';
import { requestLocal } from '../../../src/base/local-api.ts';
import { silentLogger } from '../../../src/base/log.ts';

describe('the local socket of an agent', () => {
  let folder: string;
  let path: string;
  let server: LocalServer | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'margay-local-'));
    path = join(folder, 'run', 'node-a.sock');
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(folder, { recursive: true });
  });

  const handlers = new Map<string, (query: URLSearchParams) => unknown>([
    ['GET /echo', (query) => ({ said: query.get('word') })],
    [
      'GET /refuse',
      () => {
        throw new LocalRequestError(408, 'too slow');
      },
    ],
  ]);

  it('answers what a handler returns, with its query', async () => {
    server = await LocalServer.listen(path, handlers, silentLogger());
    expect(await requestLocal(path, '/echo?word=hello')).toEqual({ said: 'hello' });
  });

  it('answers an unknown request with 404 and the requests there are', async () => {
    server = await LocalServer.listen(path, handlers, silentLogger());
    await expect(requestLocal(path, '/nothing')).rejects.toThrow(/404.*GET \/echo/);
  });

  it('answers what a handler refuses with the status it names', async () => {
    server = await LocalServer.listen(path, handlers, silentLogger());
    await expect(requestLocal(path, '/refuse')).rejects.toThrow(/408.*too slow/);
  });

  it('refuses to start beside a living agent of the same node', async () => {
    server = await LocalServer.listen(path, handlers, silentLogger());
    await expect(LocalServer.listen(path, handlers, silentLogger())).rejects.toThrow(
      /another agent of this node/,
    );
  });

  it('takes over the socket file of a dead agent', async () => {
    const first = await LocalServer.listen(path, handlers, silentLogger());
    await first.close();
    writeFileSync(path, '');
    server = await LocalServer.listen(path, handlers, silentLogger());
    expect(await requestLocal(path, '/echo?word=again')).toEqual({ said: 'again' });
  });
});
