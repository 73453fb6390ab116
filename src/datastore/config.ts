/** Which datastore: from the command line, the environment and calicoctl's configuration file. */
import { type Address, parseAddress } from '../net/address.ts';
import { readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { ConfigError } from '../base/errors.ts';

export interface DirectoryConfig {
  readonly type: 'directory';
  /** Absolute. */
  readonly path: string;
}

export interface EtcdConfig {
  readonly type: 'etcdv3';
  /** `http://host:port` or `https://host:port`, all of one scheme; at least one. */
  readonly endpoints: readonly string[];
  /** PEM files; read when a connection is made. */
  readonly caCertFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly username?: string;
  readonly password?: string;
  /** What comes before Calico's own keys (`/calico/…`), so that several clusters can share an etcd: `/prod`. */
  readonly keyPrefix?: string;
}

export type DatastoreConfig = DirectoryConfig | EtcdConfig | { readonly type: 'memory' };

export interface DatastoreConfigSources {
  /** `--datastore`: `file:///path`, `/path`, `etcd://host:2379,host2:2379` (or `http://`, `https://`), `memory:`. */
  readonly datastore?: string | undefined;
  /** `--config`: a file as calicoctl reads it; it must exist. Without it {@link CONFIG_FILE} is read if it exists. */
  readonly configFile?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** Where calicoctl looks for its configuration. */
export const CONFIG_FILE = '/etc/calico/calicoctl.cfg';

/** Where the embedded datastore lives when nobody says otherwise. */
export const DEFAULT_DATASTORE_PATH = '/var/lib/margay';

const DEFAULT_ETCD_ENDPOINT = 'http://127.0.0.1:2379';

/** A setting by its name in the configuration file, and by its names in the environment, the first one winning. */
const SETTINGS = {
  datastoreType: ['DATASTORE_TYPE', 'CALICO_DATASTORE_TYPE'],
  datastorePath: ['DATASTORE_PATH', 'CALICO_DATASTORE_PATH'],
  etcdEndpoints: ['ETCD_ENDPOINTS', 'CALICO_ETCD_ENDPOINTS'],
  etcdUsername: ['ETCD_USERNAME', 'CALICO_ETCD_USERNAME'],
  etcdPassword: ['ETCD_PASSWORD', 'CALICO_ETCD_PASSWORD'],
  etcdKeyFile: ['ETCD_KEY_FILE', 'CALICO_ETCD_KEY_FILE'],
  etcdCertFile: ['ETCD_CERT_FILE', 'CALICO_ETCD_CERT_FILE'],
  etcdCACertFile: ['ETCD_CA_CERT_FILE', 'CALICO_ETCD_CA_CERT_FILE'],
  etcdKeyPrefix: ['ETCD_KEY_PREFIX', 'CALICO_ETCD_KEY_PREFIX'],
} as const;

type Setting = keyof typeof SETTINGS;

/** A value and where it comes from, for messages. */
interface Given {
  readonly value: string;
  readonly source: string;
}

type Settings = ReadonlyMap<Setting, Given>;

/**
 * Resolves what was given: flag over environment over file over default. Throws a ConfigError that names the place
 * of what is wrong.
 */
export function datastoreConfig(sources: DatastoreConfigSources): DatastoreConfig {
  const settings = new Map<Setting, Given>([
    ...readConfigFile(sources.configFile, sources.datastore !== undefined),
    ...readEnvironment(sources.environment),
  ]);
  if (sources.datastore !== undefined) return configOfUrl(sources.datastore, settings);
  const type = settings.get('datastoreType');
  switch (type?.value) {
    case 'directory':
      return directoryConfig(settings);
    case 'etcdv3':
      return etcdConfig(settings);
    case 'memory':
      return { type: 'memory' };
    case undefined:
      // Calico's own default is etcd; whoever names its endpoints means that.
      return settings.has('etcdEndpoints') ? etcdConfig(settings) : directoryConfig(settings);
    default:
      throw new ConfigError('datastore.type', `${type!.source}: unknown datastore "${type!.value}"`, {
        fix:
          type!.value === 'kubernetes'
            ? 'use etcdv3 or directory: the Kubernetes API as datastore is not supported'
            : 'use directory (with DATASTORE_PATH) or etcdv3 (with ETCD_ENDPOINTS)',
      });
  }
}

function directoryConfig(settings: Settings): DirectoryConfig {
  const path = settings.get('datastorePath') ?? { value: DEFAULT_DATASTORE_PATH, source: 'default' };
  if (!isAbsolute(path.value)) {
    throw new ConfigError('datastore.path', `${path.source}: "${path.value}" is not an absolute path`, {
      fix: `use ${resolve(path.value)}`,
    });
  }
  return { type: 'directory', path: path.value };
}

function etcdConfig(settings: Settings): EtcdConfig {
  const endpoints = settings.get('etcdEndpoints') ?? { value: DEFAULT_ETCD_ENDPOINT, source: 'default' };
  const text = (setting: Setting): string | undefined => settings.get(setting)?.value;
  const config: EtcdConfig = {
    type: 'etcdv3',
    endpoints: parseEndpoints(endpoints),
    ...given('caCertFile', text('etcdCACertFile')),
    ...given('certFile', text('etcdCertFile')),
    ...given('keyFile', text('etcdKeyFile')),
    ...given('username', text('etcdUsername')),
    ...given('password', text('etcdPassword')),
    ...given('keyPrefix', keyPrefix(settings.get('etcdKeyPrefix'))),
  };
  requireBoth(config.certFile, config.keyFile, 'ETCD_CERT_FILE', 'ETCD_KEY_FILE');
  requireBoth(config.username, config.password, 'ETCD_USERNAME', 'ETCD_PASSWORD');
  const tls = config.endpoints[0]!.startsWith('https:');
  if (!tls && (config.caCertFile !== undefined || config.certFile !== undefined)) {
    throw new ConfigError('datastore.etcd-scheme', 'TLS files are given but the etcd endpoints are http', {
      fix: 'use https:// endpoints, or leave ETCD_CA_CERT_FILE, ETCD_CERT_FILE and ETCD_KEY_FILE out',
    });
  }
  return config;
}

/** Without a slash at its end; undefined for none. */
function keyPrefix(setting: Given | undefined): string | undefined {
  const prefix = setting?.value.replace(/\/+$/, '');
  if (prefix === undefined || prefix === '') return undefined;
  if (/^(\/[\w.-]+)+$/.test(prefix)) return prefix;
  throw new ConfigError('datastore.etcd-prefix', `${setting!.source}: "${prefix}" is not a prefix of keys`, {
    fix: 'write it as a path of letters, digits, ".", "_" and "-", such as /prod',
  });
}

function given<Name extends string>(name: Name, value: string | undefined): { [key in Name]?: string } {
  return (value === undefined ? {} : { [name]: value }) as { [key in Name]?: string };
}

function requireBoth(a: string | undefined, b: string | undefined, nameA: string, nameB: string): void {
  if ((a === undefined) === (b === undefined)) return;
  const [present, missing] = a === undefined ? [nameB, nameA] : [nameA, nameB];
  throw new ConfigError('datastore.etcd-incomplete', `${present} is set but ${missing} is not`, {
    fix: `set both ${nameA} and ${nameB}, or neither`,
  });
}

/** A comma-separated list of `http(s)://host[:port]`, as Calico takes it. */
function parseEndpoints({ value, source }: Given): string[] {
  const wrong = (problem: string): ConfigError =>
    new ConfigError('datastore.etcd-endpoints', `${source}: ${problem}`, {
      fix: 'give etcd endpoints as http://10.0.0.1:2379,http://10.0.0.2:2379 (or all https://)',
    });
  const endpoints = value
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
        throw wrong(`"${text}" is not an etcd endpoint`);
      }
      if (url.username !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
        throw wrong(`"${text}" has more than scheme, host and port`);
      }
      // URL drops the port that is the default of its scheme; etcd's default is 2379.
      const explicit = /:\d+\/?$/.test(text);
      const port = url.port !== '' ? url.port : !explicit ? '2379' : url.protocol === 'https:' ? '443' : '80';
      return `${url.protocol}//${url.hostname}:${port}`;
    });
  if (endpoints.length === 0) throw wrong('no etcd endpoint is given');
  if (new Set(endpoints.map((endpoint) => endpoint.split(':')[0])).size > 1) {
    throw wrong('http and https endpoints are mixed');
  }
  return [...new Set(endpoints)];
}

/** `--datastore`. TLS files and credentials still come from the environment and the file. */
function configOfUrl(text: string, settings: Settings): DatastoreConfig {
  const source = '--datastore';
  const scheme = /^([a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === 'memory') return { type: 'memory' };
  if (scheme === 'file' || scheme === undefined) {
    const path = scheme === undefined ? text : filePath(text);
    if (path === '') throw unknownUrl(text);
    return directoryConfig(new Map(settings).set('datastorePath', { value: path, source }));
  }
  if (scheme !== 'etcd' && scheme !== 'http' && scheme !== 'https') throw unknownUrl(text);
  // Only the first address of a list needs the scheme.
  const prefix =
    scheme === 'https' || (scheme === 'etcd' && settings.has('etcdCACertFile')) ? 'https' : 'http';
  const endpoints = text
    .slice(scheme.length + 1)
    .replace(/^\/\//, '')
    .split(',')
    .map((part) => (/^[a-z]+:\/\//.test(part) ? part : `${prefix}://${part}`))
    .join(',');
  return etcdConfig(new Map(settings).set('etcdEndpoints', { value: endpoints, source }));
}

function filePath(text: string): string {
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new ConfigError('datastore.url', `--datastore: "${text}" is not a file URL`, {
      cause,
      fix: 'give an absolute path: file:///var/lib/margay',
    });
  }
}

function unknownUrl(text: string): ConfigError {
  return new ConfigError('datastore.url', `--datastore: "${text}" names no datastore`, {
    fix: 'use file:///path, etcd://host:2379,host2:2379 or https://host:2379',
  });
}

function readEnvironment(environment: NodeJS.ProcessEnv): [Setting, Given][] {
  const found: [Setting, Given][] = [];
  for (const [setting, names] of Object.entries(SETTINGS) as [Setting, readonly string[]][]) {
    for (const name of names) {
      const value = environment[name];
      if (value === undefined || value === '') continue;
      found.push([setting, { value, source: name }]);
      break;
    }
  }
  return found;
}

/** calicoctl's file: `apiVersion: projectcalico.org/v3, kind: CalicoAPIConfig, spec: {datastoreType, …}`. */
function readConfigFile(path: string | undefined, overridden: boolean): [Setting, Given][] {
  const file = path ?? CONFIG_FILE;
  const wrong = (problem: string, cause?: unknown): ConfigError =>
    new ConfigError('datastore.config-file', `${file}: ${problem}`, {
      ...(cause === undefined ? {} : { cause }),
      fix: 'write it as calicoctl does: apiVersion: projectcalico.org/v3, kind: CalicoAPIConfig, spec: …',
    });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing && path === undefined) return [];
    throw new ConfigError('datastore.config-file', `cannot read the configuration file ${file}`, {
      cause: error,
      fix: path === undefined ? 'make it readable' : 'give an existing file with --config',
    });
  }
  const document = parseDocument(text);
  if (document.errors.length > 0) throw wrong('it is not YAML', document.errors[0]);
  const root: unknown = document.toJS();
  if (!isMap(root) || root['kind'] !== 'CalicoAPIConfig') throw wrong('it has no kind CalicoAPIConfig');
  if (root['apiVersion'] !== 'projectcalico.org/v3') {
    throw wrong('its apiVersion is not projectcalico.org/v3');
  }
  const spec = root['spec'] ?? {};
  if (!isMap(spec)) throw wrong('spec is not a map');
  const found: [Setting, Given][] = [];
  for (const setting of Object.keys(SETTINGS) as Setting[]) {
    const value = spec[setting];
    if (value === undefined || value === null || value === '') continue;
    if (typeof value !== 'string') throw wrong(`spec.${setting} is not a text`);
    // A flag that names the datastore makes the file's kind of datastore irrelevant, not its credentials.
    if (overridden && setting === 'datastoreType') continue;
    found.push([setting, { value, source: `${file}: spec.${setting}` }]);
  }
  return found;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where the datastore is reached, as far as its configuration gives addresses; names may be looked up differently elsewhere. */
export function datastoreSockets(
  config: DatastoreConfig,
): { readonly address: Address; readonly port: number }[] {
  if (config.type !== 'etcdv3') return [];
  return config.endpoints.flatMap((endpoint) => {
    const { hostname, port, protocol } = new URL(endpoint);
    const address = parseAddress(hostname.replace(/^\[(.*)\]$/, '$1'));
    if (address === undefined) return [];
    const byDefault = protocol === 'https:' ? 443 : 80;
    return [{ address, port: port === '' ? byDefault : Number(port) }];
  });
}
