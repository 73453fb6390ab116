import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/base/errors.ts';
import { type DatastoreConfigSources, datastoreConfig } from '../../../src/datastore/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'margay-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const configure = (sources: Partial<DatastoreConfigSources>) =>
  datastoreConfig({ configFile: empty, environment: {}, ...sources });

let files = 0;
function configFile(spec: string): string {
  const path = join(folder, `${++files}.cfg`);
  writeFileSync(path, `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n${spec}`);
  return path;
}
const empty = configFile('');

describe('the datastore is configured', () => {
  it('to a directory in /var/lib/margay when nobody says otherwise', () => {
    expect(configure({})).toEqual({ type: 'directory', path: '/var/lib/margay' });
  });

  it('by the environment, with Calico names and their CALICO_ equivalents', () => {
    expect(configure({ environment: { DATASTORE_TYPE: 'directory', DATASTORE_PATH: '/srv/x' } })).toEqual({
      type: 'directory',
      path: '/srv/x',
    });
    const environment = {
      CALICO_DATASTORE_TYPE: 'etcdv3',
      ETCD_ENDPOINTS: 'https://10.0.0.1:2379, https://[fd00::1],https://10.0.0.1:2379',
      CALICO_ETCD_ENDPOINTS: 'https://ignored:1',
      ETCD_CA_CERT_FILE: '/ca',
      ETCD_CERT_FILE: '/cert',
      CALICO_ETCD_KEY_FILE: '/key',
      ETCD_USERNAME: 'u',
      ETCD_PASSWORD: 'p',
    };
    expect(configure({ environment })).toEqual({
      type: 'etcdv3',
      endpoints: ['https://10.0.0.1:2379', 'https://[fd00::1]:2379'],
      caCertFile: '/ca',
      certFile: '/cert',
      keyFile: '/key',
      username: 'u',
      password: 'p',
    });
  });

  it('to keys with a prefix', () => {
    const prefixed = (prefix: string) =>
      configure({ environment: { DATASTORE_TYPE: 'etcdv3', ETCD_KEY_PREFIX: prefix } });
    expect(prefixed('/prod/east/')).toMatchObject({ keyPrefix: '/prod/east' });
    expect(prefixed('/')).not.toHaveProperty('keyPrefix');
    expect(() => prefixed('prod')).toThrow('ETCD_KEY_PREFIX: "prod" is not a prefix of keys');
    expect(
      configure({ configFile: configFile('  datastoreType: etcdv3\n  etcdKeyPrefix: /x\n') }),
    ).toMatchObject({ keyPrefix: '/x' });
  });

  it('to etcd when only its endpoints are named', () => {
    expect(configure({ environment: { ETCD_ENDPOINTS: 'http://e:80' } })).toEqual({
      type: 'etcdv3',
      endpoints: ['http://e:80'],
    });
    expect(configure({ environment: { DATASTORE_TYPE: 'etcdv3' } })).toEqual({
      type: 'etcdv3',
      endpoints: ['http://127.0.0.1:2379'],
    });
  });

  it('by --datastore over everything', () => {
    const environment = { DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: 'http://e:1' };
    const of = (datastore: string) => configure({ datastore, environment });
    expect(of('file:///srv/a%20b')).toEqual({ type: 'directory', path: '/srv/a b' });
    expect(of('/srv/x')).toEqual({ type: 'directory', path: '/srv/x' });
    expect(of('memory:')).toEqual({ type: 'memory' });
    expect(of('etcd://a:2379,b:2380')).toEqual({
      type: 'etcdv3',
      endpoints: ['http://a:2379', 'http://b:2380'],
    });
    expect(of('https://a:2379,b')).toEqual({
      type: 'etcdv3',
      endpoints: ['https://a:2379', 'https://b:2379'],
    });
    expect(configure({ datastore: 'etcd://a', environment: { ETCD_CA_CERT_FILE: '/ca' } })).toEqual({
      type: 'etcdv3',
      endpoints: ['https://a:2379'],
      caCertFile: '/ca',
    });
  });

  it('by the file that calicoctl reads, under the environment', () => {
    const file = configFile(
      '  datastoreType: etcdv3\n  etcdEndpoints: http://f:1\n  etcdUsername: u\n  etcdPassword: p\n',
    );
    expect(configure({ configFile: file })).toEqual({
      type: 'etcdv3',
      endpoints: ['http://f:1'],
      username: 'u',
      password: 'p',
    });
    expect(configure({ configFile: file, environment: { ETCD_ENDPOINTS: 'http://e:1' } })).toMatchObject({
      endpoints: ['http://e:1'],
    });
    expect(configure({ configFile: file, datastore: '/srv/x' })).toEqual({
      type: 'directory',
      path: '/srv/x',
    });
  });
});

describe('a bad setting of the datastore is refused with the place and a remedy', () => {
  const refused: readonly [string, Partial<DatastoreConfigSources>, RegExp][] = [
    [
      'an unknown type',
      { environment: { DATASTORE_TYPE: 'sql' } },
      /DATASTORE_TYPE: unknown datastore "sql"/,
    ],
    ['kubernetes', { environment: { DATASTORE_TYPE: 'kubernetes' } }, /kubernetes/],
    [
      'a relative path',
      { environment: { DATASTORE_PATH: 'x' } },
      /DATASTORE_PATH: "x" is not an absolute path/,
    ],
    [
      'an endpoint without scheme',
      { environment: { ETCD_ENDPOINTS: 'a:1' } },
      /"a:1" is not an etcd endpoint/,
    ],
    [
      'an endpoint with a path',
      { environment: { ETCD_ENDPOINTS: 'http://a:1/x' } },
      /more than scheme, host and port/,
    ],
    ['mixed schemes', { environment: { ETCD_ENDPOINTS: 'http://a,https://b' } }, /mixed/],
    ['no endpoint', { environment: { ETCD_ENDPOINTS: ',' } }, /no etcd endpoint/],
    [
      'half a key pair',
      { environment: { ETCD_ENDPOINTS: 'https://a', ETCD_CERT_FILE: '/c' } },
      /ETCD_CERT_FILE is set but ETCD_KEY_FILE is not/,
    ],
    [
      'a user without password',
      { environment: { ETCD_ENDPOINTS: 'https://a', ETCD_USERNAME: 'u' } },
      /ETCD_USERNAME is set but ETCD_PASSWORD is not/,
    ],
    [
      'TLS files for http',
      { environment: { ETCD_ENDPOINTS: 'http://a', ETCD_CA_CERT_FILE: '/c' } },
      /endpoints are http/,
    ],
    ['an unknown URL', { datastore: 'redis://a' }, /names no datastore/],
    ['a file URL with a host', { datastore: 'file://host/x' }, /not a file URL/],
    ['a missing file that was named', { configFile: '/nowhere.cfg' }, /cannot read/],
    ['a file of another kind', { configFile: wrongKind() }, /no kind CalicoAPIConfig/],
    [
      'a setting that is no text',
      { configFile: configFile('  etcdEndpoints: [a]\n') },
      /spec\.etcdEndpoints is not a text/,
    ],
  ];
  for (const [name, sources, message] of refused) {
    it(name, () => {
      let error: unknown;
      try {
        configure(sources);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).message).toMatch(message);
      expect((error as ConfigError).fix).toBeTruthy();
    });
  }
});

function wrongKind(): string {
  const path = join(folder, 'wrong.cfg');
  writeFileSync(path, 'apiVersion: v1\nkind: Config\n');
  return path;
}
