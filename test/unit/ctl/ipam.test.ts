import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fiveDigits } from '../../../src/ctl/ipam-show.ts';
import { DirectoryDatastore } from '../../../src/datastore/directory/directory.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { CtlFixture } from './fixture-ctl.ts';

function resource(kind: string, name: string, spec: object, namespace?: string): Resource {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
}

const pod = (name: string, node: string) => ({ pod: name, namespace: 'shop', node, type: 'pod' });

/** Of n1: three addresses with owners (one lent to n2), one that cools down, one without an owner. */
const BLOCK = resource('IPAMBlock', '10-65-0-0-26', {
  cidr: '10.65.0.0/26',
  affinity: 'host:n1',
  allocations: [0, 1, 2, 3, 4, ...Array.from({ length: 59 }, () => null)],
  unallocated: Array.from({ length: 59 }, (_, index) => index + 5),
  attributes: [
    { handle_id: 'h-web', secondary: pod('web', 'n1') },
    { handle_id: 'h-lent', secondary: pod('lent', 'n2') },
    { handle_id: 'h-leak', secondary: pod('gone', 'n1') },
    { handle_id: 'h-cool', secondary: pod('old', 'n1'), releasedAt: '2026-01-01T00:00:00Z' },
    { handle_id: null, secondary: {} },
  ],
  sequenceNumber: '9007199254740999',
  sequenceNumberForAllocation: { 0: 1, 1: 2, 2: 3, 3: 4, 4: 5 },
});

const handle = (name: string, count: number): Resource =>
  resource('IPAMHandle', name, { handleID: name, block: { '10.65.0.0/26': count } });

const endpoint = (name: string, address: string): Resource =>
  resource('WorkloadEndpoint', `n1-cni-${name}-eth0`, { node: 'n1', orchestrator: 'cni', containerID: name, endpoint: 'eth0', ipNetworks: [`${address}/32`] }, 'shop'); // prettier-ignore

const SCENE: readonly Resource[] = [
  resource('IPPool', 'pool', { cidr: '10.65.0.0/24', blockSize: 26 }),
  resource('IPPool', 'six', { cidr: 'fd65::/48', blockSize: 122 }),
  resource('IPReservation', 'kept', { reservedCIDRs: ['10.65.0.4/31', '10.65.0.4', '192.0.2.0/24'] }),
  BLOCK,
  resource('IPAMBlock', '10-99-0-0-30', { cidr: '10.99.0.0/30', allocations: [null, null, null, null], unallocated: [0, 1, 2, 3] }),
  handle('h-web', 1),
  handle('h-lent', 1),
  handle('h-leak', 1),
  handle('h-orphan', 1),
  endpoint('web', '10.65.0.0'),
  endpoint('lent', '10.65.0.1'),
  endpoint('static', '10.65.0.77'),
  endpoint('outside', '172.16.0.1'),
  resource('Node', 'n1', { bgp: { ipv4Address: '192.0.2.1/24', ipv4IPIPTunnelAddr: '10.65.0.4' } }),
  resource('ClusterInformation', 'default', { clusterGUID: 'abc', datastoreReady: true, clusterType: 'bgp' }),
]; // prettier-ignore

describe('margayctl ipam', () => {
  let ctl: CtlFixture;
  beforeEach(async () => {
    ctl = new CtlFixture();
    await stored(async (datastore) => {
      for (const each of SCENE) await datastore.create(each);
    });
  });
  afterEach(() => ctl.dispose());

  async function stored<T>(work: (datastore: DirectoryDatastore) => Promise<T>): Promise<T> {
    const datastore = await DirectoryDatastore.open(ctl.datastore);
    try {
      return await work(datastore);
    } finally {
      await datastore.close();
    }
  }
  const read = (kind: string, name: string): Promise<Record<string, unknown>> =>
    stored(async (datastore) => (await datastore.get({ kind, name })).spec as Record<string, unknown>);
  const names = (kind: string): Promise<string[]> =>
    stored(async (datastore) =>
      (await datastore.list({ kind })).resources.map(({ metadata }) => metadata.name),
    );

  describe('show', () => {
    it('prints how full pools are, and with --show-blocks their blocks and those of no pool', async () => {
      expect(await ctl.run(['ipam', 'show', '--show-blocks'])).toEqual({
        code: 0,
        errors: '',
        output: `
+----------+--------------+------------+------------+--------------+-------------------+
| GROUPING | CIDR         | IPS TOTAL  | IPS IN USE | IPS RESERVED | IPS FREE          |
+----------+--------------+------------+------------+--------------+-------------------+
| IP Pool  | 10.65.0.0/24 | 256        | 5 (2%)     | 1            | 250 (98%)         |
| Block    | 10.65.0.0/26 | 64         | 5 (8%)     | 1            | 58 (91%)          |
| IP Pool  | fd65::/48    | 1.2089e+24 | 0 (0%)     | 0            | 1.2089e+24 (100%) |
| Block    | 10.99.0.0/30 | 4          | 0 (0%)     | 0            | 4 (100%)          |
+----------+--------------+------------+------------+--------------+-------------------+
`.slice(1),
      });
      const json = JSON.parse((await ctl.run(['ipam', 'show', '-o', 'json'])).output) as { pools: object[] };
      expect(json.pools[0]).toEqual({
        name: 'pool',
        cidr: '10.65.0.0/24',
        total: 256,
        inUse: 5,
        reserved: 1,
        free: 250,
      });
    });

    it('writes numbers as Go does with five digits', () => {
      const numbers = [0n, 7n, 64n, 65536n, 100_000n, 131_072n, 1n << 80n];
      expect(numbers.map(fiveDigits)).toEqual(['0', '7', '64', '65536', '1e+05', '1.3107e+05', '1.2089e+24']);
    });

    it('says who has an address', async () => {
      expect((await ctl.run(['ipam', 'show', '--ip', '10.65.0.1'])).output).toBe(
        'IP 10.65.0.1 is in use\nHandle ID: h-lent\nActive Owner Attributes:\n' +
          '  namespace: shop\n  node: n2\n  pod: lent\n  type: pod\n',
      );
      expect((await ctl.run(['ipam', 'show', '--ip', '10.65.0.4'])).output).toBe(
        'IP 10.65.0.4 is in use\nHandle ID: <none>\nNo Active Owner attributes defined\n',
      );
      for (const free of ['10.65.0.3', '10.65.0.9', '203.0.113.1', 'fd65::1']) {
        expect(await ctl.run(['ipam', 'show', '--ip', free])).toEqual({
          code: 0,
          errors: '',
          output: `${free} is not assigned\n`,
        });
      }
      const wrong = await ctl.run(['ipam', 'show', '--ip', '10.65.0']);
      expect(wrong).toMatchObject({
        code: 1,
        errors: expect.stringContaining('--ip 10.65.0: not an IP address') as string,
      });
    });

    it('lists borrowed addresses, and what cannot be told', async () => {
      const { output } = await ctl.run(['ipam', 'show', '--show-borrowed']);
      expect(output).toContain(
        '| 10.65.0.1 | n2             | 10.65.0.0/26 | n1          | pod  | shop/lent    |',
      );
      expect(output).toContain(
        '1 IPs name no node, so that nobody can say whether they are borrowed: 10.65.0.4',
      );
    });

    it('prints the configuration, default or set', async () => {
      expect((await ctl.run(['ipam', 'show', '--show-configuration'])).output).toContain(
        '| StrictAffinity               | false     |',
      );
      const set = [
        '--strictaffinity=true',
        '--max-blocks-per-host=4',
        '--ip-cooldown-seconds=60',
        '--kubevirt-ip-persistence=Disabled',
      ];
      expect(await ctl.run(['ipam', 'configure', ...set])).toEqual({
        code: 0,
        errors: '',
        output:
          'Successfully set StrictAffinity to: true\nSuccessfully set MaxBlocksPerHost to: 4\n' +
          'Successfully set KubeVirtVMAddressPersistence to: Disabled\nSuccessfully set IPCooldownSeconds to: 60\n',
      });
      const { output } = await ctl.run(['ipam', 'show', '--show-configuration', '-o', 'json']);
      expect(JSON.parse(output)).toEqual({
        strictAffinity: true,
        autoAllocateBlocks: true,
        maxBlocksPerHost: 4,
        kubeVirtVMAddressPersistence: 'Disabled',
        ipCooldownSeconds: 60,
      });
    });
  });

  describe('configure', () => {
    it('refuses what cannot be, and nothing', async () => {
      const limit = await ctl.run(['ipam', 'configure', '--max-blocks-per-host=4']);
      expect(limit).toMatchObject({ code: 1, output: '' });
      expect(limit.errors).toContain('maxBlocksPerHost needs strictAffinity');
      expect((await ctl.run(['ipam', 'configure', '--strictaffinity=maybe'])).code).toBe(1);
      expect((await ctl.run(['ipam', 'configure'])).errors).toContain('nothing is to be configured');
      expect(await names('IPAMConfiguration')).toEqual([]);
    });
  });

  describe('check', () => {
    it('finds leaks, addresses without assignment or pool, and handles without addresses', async () => {
      const { code, output } = await ctl.run(['ipam', 'check', '--show-problem-ips']);
      expect(code).toBe(1);
      expect(output).toBe(`Checking IPAM for inconsistencies...

Loading all IPAM blocks...
Found 2 IPAM blocks.
IPAM blocks record 5 allocations.

Found 2 active IP pools.
Found 1 node tunnel IPs.
Found 0 service load balancer(s).
Found 4 workload IPs.
Workloads and nodes are using 5 IPs.

Looking for top (up to 20) nodes by allocations...
  n1 has 3 allocations
  n2 has 1 allocations
  <unknown> has 1 allocations

Found 1 IPs that are allocated in IPAM but not actually in use.
  10.65.0.2 (handle h-leak, node n1, pod shop/gone, not in use)
Found 1 in-use IPs that are not in active IP pools.
  172.16.0.1 (WorkloadEndpoint shop/n1-cni-outside-eth0)
Found 1 in-use IPs that are in active IP pools but have no corresponding IPAM allocation.
  10.65.0.77 (WorkloadEndpoint shop/n1-cni-static-eth0)

Found 1 handles with no matching IPs (and 3 handles with matches).
  h-orphan
Found 0 handles mentioned in blocks with no matching handle resource.
Found 0 invalid IPAMBlocks.
Check complete; found 4 problems.
`);
    });

    it('finds nothing where there is nothing, and tells of blocks that contradict themselves', async () => {
      await stored(async (datastore) => {
        for (const kind of ['WorkloadEndpoint', 'IPAMBlock', 'IPAMHandle', 'Node']) {
          for (const { metadata } of (await datastore.list({ kind })).resources) {
            const { name, namespace } = metadata;
            await datastore.delete({ kind, name, ...(namespace === undefined ? {} : { namespace }) });
          }
        }
      });
      expect((await ctl.run(['ipam', 'check'])).output).toContain('Check complete; found 0 problems.');
      await stored((datastore) =>
        datastore.create(resource('IPAMBlock', '10-65-0-0-30', { cidr: '10.65.0.0/30', allocations: [null, null, null, null], unallocated: [0, 1, 1] })),
      ); // prettier-ignore
      const { code, output } = await ctl.run(['ipam', 'check']);
      expect(output).toContain('block 10.65.0.0/30: free address 1 is 2 times in the queue of free ones');
      expect(output).toContain('block 10.65.0.0/30: free address 3 is 0 times in the queue of free ones');
      expect(code).toBe(1);
    });
  });

  describe('release', () => {
    it('frees an address, drops its owner and its handle, and keeps all else of the block', async () => {
      expect(await ctl.run(['ipam', 'release', '--ip=10.65.0.2'])).toEqual({
        code: 0,
        errors: '',
        output: 'Successfully released IP address 10.65.0.2\n',
      });
      const block = await read('IPAMBlock', '10-65-0-0-26');
      expect((block['allocations'] as unknown[]).slice(0, 6)).toEqual([0, 1, null, 2, 3, null]);
      expect((block['unallocated'] as number[]).at(-1)).toBe(2);
      expect((block['attributes'] as { handle_id: string }[]).map(({ handle_id: id }) => id)).toEqual([
        'h-web',
        'h-lent',
        'h-cool',
        null,
      ]);
      expect(block['sequenceNumber']).toBe('9007199254741000');
      expect(block['sequenceNumberForAllocation']).toEqual({ 0: 1, 1: 2, 3: 4, 4: 5 });
      expect(await names('IPAMHandle')).not.toContain('h-leak');
      const again = await ctl.run(['ipam', 'release', '--ip=10.65.0.2']);
      expect(again).toEqual({ code: 1, output: '', errors: 'IP address 10.65.0.2 is not assigned\n' });
    });

    it('lets an address cool down where the cluster says so', async () => {
      await ctl.run(['ipam', 'configure', '--ip-cooldown-seconds=60']);
      await ctl.run(['ipam', 'release', '--ip=10.65.0.2']);
      const block = await read('IPAMBlock', '10-65-0-0-26');
      const attributes = block['attributes'] as { handle_id: string; releasedAt?: string }[];
      const leaked = attributes.find(({ handle_id: id }) => id === 'h-leak')!;
      expect(Date.parse(leaked.releasedAt!)).toBeGreaterThan(Date.now() - 60_000);
      expect((block['unallocated'] as number[]).includes(2)).toBe(false);
      expect((await ctl.run(['ipam', 'show', '--ip=10.65.0.2'])).output).toBe('10.65.0.2 is not assigned\n');
    });

    it('deletes a block that nobody holds with its last address', async () => {
      await stored((datastore) =>
        datastore.create(resource('IPAMBlock', '10-65-0-64-31', { cidr: '10.65.0.64/31', allocations: [0, null], unallocated: [1], attributes: [{ handle_id: null }] })),
      ); // prettier-ignore
      await ctl.run(['ipam', 'release', '--ip=10.65.0.64']);
      expect(await names('IPAMBlock')).not.toContain('10-65-0-64-31');
    });

    it('releases what every report names, and nothing that has changed since', async () => {
      const reports = ['first.json', 'second.json'].map((name) => join(ctl.folder, name));
      await ctl.run(['datastore', 'migrate', 'lock']);
      for (const report of reports) await ctl.run(['ipam', 'check', '-o', report]);
      const second = JSON.parse(readFileSync(reports[1]!, 'utf8')) as { leakedHandles: string[] };
      expect(second.leakedHandles).toEqual(['h-orphan']);
      await ctl.run(['datastore', 'migrate', 'unlock']);
      const words = ['ipam', 'release', ...reports.flatMap((report) => ['--from-report', report])];
      expect((await ctl.run(words)).errors).toContain(
        'data store is not locked. Either lock the data store, or re-run with --force',
      );
      await stored(async (datastore) => {
        const block = await datastore.get({ kind: 'IPAMBlock', name: '10-65-0-0-26' });
        const numbers = { 0: 1, 1: 2, 2: 33, 3: 4, 4: 5 };
        await datastore.update({
          ...block,
          spec: { ...(block.spec as object), sequenceNumberForAllocation: numbers },
        });
      });
      expect((await ctl.run([...words, '--force'])).output).toBe(
        'Releasing 1 old IPs...\nReleased 0 IPs successfully\n1 IPs have changed since the report and were left alone\n' +
          'Deleting 1 handles...\nReleased 1 handles; 0 skipped; 0 errors.\n',
      );
      await ctl.run(['datastore', 'migrate', 'lock']);
      await ctl.run(['ipam', 'check', '-o', reports[0]!]);
      expect((await ctl.run(['ipam', 'release', '--from-report', reports[0]!])).output).toContain(
        'Released 1 IPs successfully',
      );
      expect((await ctl.run(['ipam', 'show', '--ip=10.65.0.2'])).output).toBe('10.65.0.2 is not assigned\n');
    });

    it('refuses what is no report, and reports of another cluster', async () => {
      const bad = ctl.file('bad.json', '{"allocations": 3}');
      expect((await ctl.run(['ipam', 'release', '--from-report', bad])).errors).toContain(
        'it is no report of ipam check',
      );
      const other = { version: '0', clusterGUID: 'x', allocations: {}, leakedHandles: [] };
      const file = ctl.file('other.json', JSON.stringify(other));
      expect((await ctl.run(['ipam', 'release', '--force', '--from-report', file])).errors).toContain(
        'a report is of another cluster',
      );
      expect((await ctl.run(['ipam', 'release'])).errors).toContain('give either an address or a report');
    });
  });

  describe('split', () => {
    it('puts smaller pools in the place of one while the datastore is locked', async () => {
      const words = ['ipam', 'split', '4', '--name', 'pool'];
      expect((await ctl.run(words)).errors).toContain('datastore is not locked');
      await ctl.run(['datastore', 'migrate', 'lock']);
      expect(await ctl.run(words)).toEqual({
        code: 0,
        errors: '',
        output:
          'IP Pool 10.65.0.0/24 was successfully split into 4 smaller pools.\n' +
          [0, 1, 2, 3]
            .map((index) => `Created split-pool-${index} with CIDR 10.65.0.${index * 64}/26.\n`)
            .join(''),
      });
      expect((await names('IPPool')).toSorted()).toEqual([
        'six',
        ...[0, 1, 2, 3].map((index) => `split-pool-${index}`),
      ]);
    });

    it('refuses numbers that are no power of two, pools smaller than a block, and pools that are not there', async () => {
      const errors = async (...words: string[]): Promise<string> =>
        (await ctl.run(['ipam', 'split', ...words])).errors;
      expect(await errors('3', '--cidr=10.65.0.0/24')).toContain(
        'number to split CIDR into is not a valid power of 2: 3',
      );
      expect(await errors('8', '--cidr=10.65.0.0/24')).toContain(
        'pools of /27 are smaller than one block (/26)',
      );
      expect(await errors('2', '--name=none')).toContain('there is no pool with name none');
      expect(await errors('2')).toContain('no pool is named');
    });
  });
});
