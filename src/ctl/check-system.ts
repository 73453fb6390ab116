/** `margayctl node checksystem`: whether this kernel can do what the agent needs, nf_tables first. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ConfigError } from '../base/errors.ts';
import { type Outcome } from './outcome.ts';

/** What the files of a system say; undefined where there is no such file. */
export interface SystemFacts {
  /** As uname -r: `6.1.0-18-amd64`. */
  readonly release: string;
  /** Names in /proc/modules, with `_`. */
  readonly loaded: ReadonlySet<string>;
  /** Names in modules.dep, and in modules.builtin, of this kernel. */
  readonly available: ReadonlySet<string> | undefined;
  readonly builtIn: ReadonlySet<string>;
  /** `CONFIG_…` to `y`, `m` or another value. */
  readonly config: ReadonlyMap<string, string> | undefined;
  readonly sysctls: ReadonlyMap<string, string>;
}

/** 5.10: concatenated intervals with counters in one set, chains that are named in the batch that makes them. */
const LEAST_KERNEL: readonly [number, number] = [5, 10];

/** From here on a table can be owned and outlive its owner (NFT_TABLE_F_PERSIST). */
const OWNERSHIP_KERNEL: readonly [number, number] = [6, 9];

interface Feature {
  readonly module: string;
  readonly config: string;
  readonly use: string;
  readonly optional?: boolean;
}

const FEATURES: readonly Feature[] = [
  { module: 'nf_tables', config: 'CONFIG_NF_TABLES', use: 'policy' },
  { module: 'nf_tables_inet', config: 'CONFIG_NF_TABLES_INET', use: 'one table for IPv4 and IPv6' },
  { module: 'nf_conntrack', config: 'CONFIG_NF_CONNTRACK', use: 'connections' },
  { module: 'nft_ct', config: 'CONFIG_NFT_CT', use: 'rules on connections' },
  { module: 'nft_reject_inet', config: 'CONFIG_NFT_REJECT_INET', use: 'rejecting packets' },
  { module: 'nft_nat', config: 'CONFIG_NFT_NAT', use: 'address translation' },
  { module: 'nft_masq', config: 'CONFIG_NFT_MASQ', use: 'natOutgoing' },
  { module: 'nft_log', config: 'CONFIG_NFT_LOG', use: 'the action Log', optional: true },
  { module: 'nft_limit', config: 'CONFIG_NFT_LIMIT', use: 'rate limits', optional: true },
  {
    module: 'nft_fib_inet',
    config: 'CONFIG_NFT_FIB_INET',
    use: 'checks of source addresses',
    optional: true,
  },
  { module: 'veth', config: 'CONFIG_VETH', use: 'interfaces of workloads' },
  { module: 'vxlan', config: 'CONFIG_VXLAN', use: 'pools with vxlanMode', optional: true },
  { module: 'ipip', config: 'CONFIG_NET_IPIP', use: 'pools with ipipMode', optional: true },
];

const SYSCTLS = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'] as const;

/** Reads what there is below `root`; `kernelConfig` names a configuration file instead of the usual places. */
export function readSystem(root = '/', kernelConfig?: string): SystemFacts {
  const text = (path: string): string | undefined => {
    const file = join(root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  };
  const release = (text('proc/sys/kernel/osrelease') ?? '').trim();
  const modules = `lib/modules/${release}`;
  const dependencies = text(`${modules}/modules.dep`);
  return {
    release,
    loaded: new Set(linesOf(text('proc/modules')).map((line) => line.split(' ')[0]!)),
    available: dependencies === undefined ? undefined : moduleNames(dependencies),
    builtIn: moduleNames(text(`${modules}/modules.builtin`) ?? ''),
    config: readConfig(root, release, kernelConfig),
    sysctls: new Map(
      SYSCTLS.flatMap((name) => {
        const value = text(`proc/sys/${name}`)?.trim();
        return value === undefined ? [] : [[name, value] as const];
      }),
    ),
  };
}

function linesOf(text: string | undefined): string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** `kernel/net/netfilter/nft-ct.ko.xz: …` is nft_ct. */
function moduleNames(text: string): Set<string> {
  return new Set(
    linesOf(text).map((line) =>
      line
        .split(':')[0]!
        .replace(/^.*\//, '')
        .replace(/\.ko(\..*)?$/, '')
        .replaceAll('-', '_'),
    ),
  );
}

function readConfig(
  root: string,
  release: string,
  kernelConfig: string | undefined,
): ReadonlyMap<string, string> | undefined {
  if (kernelConfig !== undefined && !existsSync(kernelConfig)) {
    throw new ConfigError('ctl.file', `cannot read ${kernelConfig}`, {
      fix: 'name the configuration of the running kernel, such as /boot/config-6.1.0-18-amd64',
    });
  }
  const places = ['proc/config.gz', `boot/config-${release}`, `lib/modules/${release}/config`];
  const file = kernelConfig ?? places.map((place) => join(root, place)).find((place) => existsSync(place));
  if (file === undefined) return undefined;
  const raw = readFileSync(file);
  const text = (raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw).toString('utf8');
  return new Map(
    linesOf(text).flatMap((line) => {
      const [, name, value] = /^(CONFIG_\w+)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value!] as const];
    }),
  );
}

type Verdict = 'OK' | 'FAIL' | 'SKIP';

interface Item {
  readonly title: string;
  readonly verdict: Verdict;
  readonly note: string;
}

/** Judges the facts and prints an item per line. Exit code 1 if something that is needed is missing. */
export function checkSystem(facts: SystemFacts): Outcome {
  const version = versionOf(facts.release);
  const sections: readonly (readonly [string, readonly Item[]])[] = [
    ['Checking kernel version...', kernelItems(facts.release, version)],
    ['Checking kernel modules...', FEATURES.map((feature) => featureItem(feature, facts))],
    ['Checking forwarding...', SYSCTLS.map((name) => sysctlItem(name, facts.sysctls.get(name)))],
  ];
  const output = sections.map(([title, items]) => `${title}\n${items.map(itemLine).join('')}`).join('');
  const failed = sections.flatMap(([, items]) => items.filter(({ verdict }) => verdict === 'FAIL'));
  if (failed.length === 0) {
    const end = 'System meets minimum system requirements to run Margay!\n';
    return { output: output + end, errors: '', exitCode: 0 };
  }
  return {
    output,
    errors: `system doesn't meet one or more minimum systems requirements to run Margay: ${failed.map(({ title }) => title).join(', ')}\n`,
    exitCode: 1,
  };
}

function itemLine({ title, verdict, note }: Item): string {
  return `  ${title.padEnd(32)}${verdict.padEnd(6)}${note}`.trimEnd() + '\n';
}

/** The first two numbers of a release. */
function versionOf(release: string): readonly [number, number] {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major), Number(minor)];
}

function isAtLeast([major, minor]: readonly [number, number], least: readonly [number, number]): boolean {
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

function kernelItems(release: string, version: readonly [number, number]): Item[] {
  const recent = isAtLeast(version, LEAST_KERNEL);
  const owned = isAtLeast(version, OWNERSHIP_KERNEL);
  return [
    {
      title: `Linux ${release === '' ? '(unknown)' : release}`,
      verdict: recent ? 'OK' : 'FAIL',
      note: recent ? '' : `${LEAST_KERNEL.join('.')} or later is needed`,
    },
    {
      title: 'table ownership',
      verdict: owned ? 'OK' : 'SKIP',
      note: owned
        ? 'the kernel keeps others from changing our table'
        : `from ${OWNERSHIP_KERNEL.join('.')} on; here the agent repairs what others change`,
    },
  ];
}

function featureItem({ module, config, use, optional }: Feature, facts: SystemFacts): Item {
  const item = (verdict: Verdict, note: string): Item => ({
    title: module,
    verdict,
    note: `${note} (${use})`,
  });
  if (facts.loaded.has(module)) return item('OK', 'loaded');
  const setting = facts.config?.get(config);
  if (facts.builtIn.has(module) || setting === 'y') return item('OK', 'built in');
  if (facts.available?.has(module) === true) return item('OK', 'loadable');
  // Neither list of modules nor configuration: what is not loaded may be there all the same.
  if (facts.config === undefined && facts.available === undefined) return item('SKIP', 'cannot tell');
  if (setting === 'm' && facts.available === undefined)
    return item('SKIP', 'a module that is not installed here');
  return item(optional === true ? 'SKIP' : 'FAIL', `missing: ${config} is not set`);
}

function sysctlItem(name: string, value: string | undefined): Item {
  const title = name.replaceAll('/', '.');
  if (value === undefined)
    return { title, verdict: 'SKIP', note: 'not there: the kernel has no such family' };
  return value === '0'
    ? { title, verdict: 'OK', note: 'off now; the agent turns it on' }
    : { title, verdict: 'OK', note: 'on' };
}
