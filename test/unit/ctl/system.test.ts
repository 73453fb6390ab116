import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SystemFacts, checkSystem, readSystem } from '../../../src/ctl/check-system.ts';
import { run } from '../../../src/sys/process.ts';
import { CtlFixture } from './fixture-ctl.ts';

const GOOD: SystemFacts = {
  release: '6.12.1-amd64',
  loaded: new Set(['nf_tables', 'nf_conntrack']),
  available: new Set(['nft_ct', 'nft_nat', 'nft_masq', 'nft_reject_inet', 'veth']),
  builtIn: new Set(['vxlan']),
  config: new Map([['CONFIG_NF_TABLES_INET', 'y']]),
  sysctls: new Map([['net/ipv4/ip_forward', '1']]),
};

describe('margayctl node checksystem', () => {
  it.each<[string, Partial<SystemFacts>, number, RegExp]>([
    [
      'a good system',
      {},
      0,
      /nf_tables +OK +loaded[^]*nft_ct +OK +loadable[^]*vxlan +OK +built in[^]*System meets minimum/,
    ],
    [
      'a part that is optional and missing',
      {},
      0,
      /ipip +SKIP +missing: CONFIG_NET_IPIP is not set \(pools with ipipMode\)/,
    ],
    ['an old kernel', { release: '4.19.0' }, 1, /Linux 4\.19\.0 +FAIL +5\.10 or later is needed/],
    [
      'a kernel without table ownership',
      { release: '6.1.0-18-amd64' },
      0,
      /table ownership +SKIP +from 6\.9 on; here the agent repairs/,
    ],
    ['a kernel with it', {}, 0, /table ownership +OK/],
    [
      'no nf_tables',
      { loaded: new Set(['nf_conntrack']) },
      1,
      /nf_tables +FAIL +missing: CONFIG_NF_TABLES is not set/,
    ],
    [
      'a kernel that says nothing',
      { available: undefined, config: undefined },
      0,
      /nft_nat +SKIP +cannot tell/,
    ],
    [
      'forwarding',
      { sysctls: new Map([['net/ipv4/ip_forward', '0']]) },
      0,
      /ip_forward +OK +off now; the agent turns it on\n.*forwarding +SKIP/,
    ],
  ])('judges %s', (_name, facts, code, output) => {
    const outcome = checkSystem({ ...GOOD, ...facts });
    expect(outcome.output).toMatch(output);
    expect(outcome.exitCode).toBe(code);
    if (code === 1)
      expect(outcome.errors).toMatch(/^system doesn't meet one or more minimum systems requirements/);
  });

  it('reads a system: modules, compressed configuration, sysctls', () => {
    const root = mkdtempSync(join(tmpdir(), 'margay-system-'));
    try {
      const files: Record<string, string | Buffer> = {
        'proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
        'proc/modules': 'nf_tables 300 1 - Live 0x0\n',
        'lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/net/netfilter/nft_ct.ko.xz: kernel/a.ko\n',
        'lib/modules/6.1.0-18-amd64/modules.builtin': 'kernel/drivers/net/my-driver.ko\n',
        'proc/config.gz': gzipSync('# a comment\nCONFIG_VETH=m\n# CONFIG_X is not set\n'),
        'proc/sys/net/ipv4/ip_forward': '1\n',
      };
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(root, name)), { recursive: true });
        writeFileSync(join(root, name), content);
      }
      expect(readSystem(root)).toEqual({
        release: '6.1.0-18-amd64',
        loaded: new Set(['nf_tables']),
        available: new Set(['nft_ct']),
        builtIn: new Set(['my_driver']),
        config: new Map([['CONFIG_VETH', 'm']]),
        sysctls: new Map([['net/ipv4/ip_forward', '1']]),
      });
      expect(() => readSystem(root, '/nonexistent')).toThrow('cannot read /nonexistent');
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});

describe('margayctl diags', () => {
  let fixture: CtlFixture;
  beforeEach(() => {
    fixture = new CtlFixture();
  });
  afterEach(() => fixture.dispose());

  async function unpacked(archive: string): Promise<(name: string) => string> {
    const folder = fixture.folderOf('unpacked');
    // A second opinion on our archives.
    expect(await run('/bin/tar', ['-xzf', archive, '-C', folder])).toMatchObject({ status: 0, stderr: '' });
    const [top] = readdirSync(folder);
    return (name) => readFileSync(join(folder, top!, name), 'utf8');
  }

  it('collects a node: kernel, logs, resources, and says what it could not get', async () => {
    const logs = fixture.folderOf('logs');
    writeFileSync(join(logs, 'agent.log'), 'a line\n');
    await fixture.run(['create', '-f', fixture.file('pool.yaml', POOL)]);
    const archive = join(fixture.folder, 'diags.tar.gz');
    const { code, output } = await fixture.run([
      'node',
      'diags',
      '-o',
      archive,
      '--log-dir',
      logs,
      '--run-dir',
      join(fixture.folder, 'run'),
    ]);
    expect(code).toBe(0);
    expect(output).toMatch(
      /^Collected \d+ files \(\d+ could not be read: see problems\.txt in it\)\nDiags saved to /,
    );
    const read = await unpacked(archive);
    expect(read('problems.txt')).toContain('agent/status.json: Margay process is not running.');
    expect(read('proc/version')).toBe(readFileSync('/proc/version', 'utf8'));
    expect(read('logs/agent.log')).toBe('a line\n');
    expect(read('resources.yaml')).toContain('name: pool-1');
    expect(read('checksystem.txt')).toContain('Checking kernel modules...');
  });

  it('collects a cluster: its resources', async () => {
    await fixture.run(['create', '-f', fixture.file('pool.yaml', POOL)]);
    const archive = join(fixture.folder, 'cluster.tar.gz');
    expect((await fixture.run(['cluster', 'diags', '-o', archive])).output).toContain('Collected 1 files\n');
    expect((await unpacked(archive))('resources.yaml')).toContain('cidr: 10.0.0.0/16');
  });

  it('refuses when there is nothing to collect', async () => {
    const { code, errors } = await fixture.run(['cluster', 'diags', '--datastore', 'file:///nonexistent']);
    expect(code).toBe(1);
    expect(errors).toContain('the datastore cannot be read');
  });
});

const POOL = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool-1}
spec: {cidr: 10.0.0.0/16}
`;
