import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdConfig } from '../../src/datastore/config.ts';
import { type Datastore, DatastoreError, type WatchEvent } from '../../src/datastore/datastore.ts';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { runChecked } from '../../src/sys/process.ts';
import { collect, networkSet } from '../datastore-contract.ts';
import { expectNoGhost } from './etcd-faults.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

const openssl = (...args: string[]): Promise<string> => runChecked('openssl', args);

async function failure(call: Promise<unknown>): Promise<DatastoreError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DatastoreError);
  return error as DatastoreError;
}

describeEtcd('the etcd datastore', () => {
  useOwnNetwork();
  let folder: string;
  let server: EtcdServer;
  const opened: Datastore[] = [];
  const open = async (config: Partial<EtcdConfig>, request = 1_000): Promise<Datastore> => {
    const made = await EtcdDatastore.open(
      { type: 'etcdv3', endpoints: [server.endpoint], ...config },
      { timeouts: { request } },
    );
    opened.push(made);
    return made;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'margay-security-'));
  });
  afterEach(async () => {
    for (const made of opened.splice(0)) await made.close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  describe('over TLS with client certificates', () => {
    const file = (name: string): string => join(folder, name);

    async function authority(name: string): Promise<void> {
      await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
        '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)); // prettier-ignore
    }
    async function certificate(ca: string, name: string): Promise<void> {
      await writeFile(
        file('extensions'),
        'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n',
      );
      await openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`,
        '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)); // prettier-ignore
      await openssl('x509', '-req', '-days', '1', '-in', file(`${name}.csr`), '-CA', file(`${ca}.pem`),
        '-CAkey', file(`${ca}.key`), '-CAcreateserial', '-extfile', file('extensions'), '-out', file(`${name}.pem`)); // prettier-ignore
    }
    const client = (): Partial<EtcdConfig> => ({
      caCertFile: file('ca.pem'),
      certFile: file('client.pem'),
      keyFile: file('client.key'),
    });

    beforeAll(async () => {
      await authority('ca');
      await authority('stranger');
      await certificate('ca', 'server');
      await certificate('ca', 'client');
      await certificate('stranger', 'foreign');
      const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') };
      server = await EtcdServer.start({ tls });
    });
    afterAll(() => server.dispose());

    it('reads, writes and watches', async () => {
      const datastore = await open(client());
      const { revision } = await datastore.list();
      const seen = collect(datastore, revision, (events) => events.length >= 1);
      await datastore.create(networkSet('a'));
      expect(await seen).toHaveLength(1);
    });

    it('never gets a create late that was repeated before', async () => {
      await expectNoGhost(server, await open(client(), 20_000), 'create');
    });

    it('trusts no server that its CA does not know, and says what to check', async () => {
      const error = await failure((await open({ ...client(), caCertFile: file('stranger.pem') })).list());
      expect(error.message).toContain(`cannot reach etcd at ${server.endpoint}`);
      expect(error.fix).toContain('ETCD_CA_CERT_FILE');
    });

    it('says so however little time is left for the last try', async () => {
      const wrong = { ...client(), caCertFile: file('stranger.pem') };
      const tries = Array.from({ length: 40 }, async (_, i) => {
        const datastore = await open(wrong, 600 + 10 * i);
        return (await failure(datastore.list())).fix;
      });
      for (const fix of await Promise.all(tries)) expect(fix).toContain('ETCD_CA_CERT_FILE');
    });

    it('is refused with the certificate of a stranger', async () => {
      const foreign = { ...client(), certFile: file('foreign.pem'), keyFile: file('foreign.key') };
      expect((await failure((await open(foreign)).list())).message).toContain('cannot reach etcd');
    });

    it('names the TLS file that it cannot read, and takes it once it is there', async () => {
      const datastore = await open({ ...client(), certFile: file('late.pem') });
      expect((await failure(datastore.list())).message).toBe(`cannot read the TLS file ${file('late.pem')}`);
      await copyFile(file('client.pem'), file('late.pem'));
      await datastore.list();
    });
  });

  describe('with users and passwords', () => {
    beforeAll(async () => {
      const [key, pub] = [join(folder, 'jwt.key'), join(folder, 'jwt.pub')];
      await openssl('genrsa', '-out', key, '2048');
      await openssl('rsa', '-in', key, '-pubout', '-out', pub);
      const token = `--auth-token=jwt,pub-key=${pub},priv-key=${key},sign-method=RS256,ttl=1s`;
      server = await EtcdServer.start({ flags: [token], user: 'root:secret' });
      await server.control('user', 'add', 'root:secret');
      await server.control('user', 'grant-role', 'root', 'root');
      await server.control('user', 'add', 'alice:wonder');
      await server.control('role', 'add', 'calico');
      await server.control('role', 'grant-permission', 'calico', '--prefix=true', 'readwrite', '/calico/');
      await server.control('user', 'grant-role', 'alice', 'calico');
      await server.control('user', 'add', 'bob:builder');
      await server.control('auth', 'enable');
    });
    afterAll(() => server.dispose());

    const alice = { username: 'alice', password: 'wonder' };

    it('authenticates anew when its token expires, and when users change, in calls and watches', async () => {
      const datastore = await open(alice, 10_000);
      const { revision } = await datastore.list();
      const controller = new AbortController();
      const events: WatchEvent[] = [];
      const following = (async () => {
        for await (const batch of datastore.watch({ from: revision, signal: controller.signal })) {
          events.push(...batch);
        }
      })();
      await datastore.create(networkSet('a'));
      // Tokens live for one second.
      await sleep(1_500);
      await datastore.create(networkSet('b'));
      await server.control('user', 'add', `user-${Date.now()}:x`);
      await datastore.create(networkSet('c'));
      await server.kill();
      await sleep(1_500);
      await server.restart();
      await datastore.create(networkSet('d'));
      const deadline = performance.now() + 30_000;
      while (events.length < 4 && performance.now() < deadline) await sleep(20);
      controller.abort();
      await following;
      expect(events.map(({ key }) => key.name)).toEqual(['a', 'b', 'c', 'd']);
    });

    it('says that the password is wrong, that one is wanted, and that permission is missing', async () => {
      const wrong = await failure((await open({ username: 'alice', password: 'x' })).list());
      expect(wrong.message).toBe('etcd refuses the user name or password (user alice)');
      const none = await failure((await open({})).list());
      expect(none.message).toBe('etcd wants a user name and password');
      const bob = await failure(
        (await open({ username: 'bob', password: 'builder' })).create(networkSet('x')),
      );
      expect(bob.message).toBe('connection is unauthorized: etcd denies permission (user bob)');
      for (const { fix, retryable } of [wrong, none, bob]) {
        expect(fix).toBeTruthy();
        expect(retryable).toBe(false);
      }
    });
  });
});
