import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../src/sys/process.ts';
import { buildCtl } from './fixture-ctl-bundle.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

const EXAMPLE = resolve(import.meta.dirname, '../../examples/margayctl');

describeEtcd('the walk through margayctl', () => {
  useOwnNetwork();
  let server: EtcdServer;
  let folder: string;
  let program: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'margay-walk-'));
    program = await buildCtl(folder);
    server = await EtcdServer.start();
  });
  afterAll(async () => {
    await server.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows what examples/margayctl/walk-through.txt says', async () => {
    const result = await run('/bin/bash', [join(EXAMPLE, 'walk-through.sh')], {
      env: {
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        LC_ALL: 'C',
        ETCD_ENDPOINTS: server.endpoint,
        DIRECTORY: join(folder, 'shop'),
        MARGAYCTL: program,
      },
      timeout: 120_000,
    });
    expect(result.stderr).toBe('');
    await expect(result.stdout).toMatchFileSnapshot(join(EXAMPLE, 'walk-through.txt'));
    expect(result.status).toBe(0);
    // Back in etcd as it was, and cleaned up: only the cluster's own facts are left.
    const keys = (await server.control('get', '/calico', '--prefix', '--keys-only'))
      .split('\n')
      .filter(Boolean);
    expect(keys).toEqual(['/calico/resources/v3/projectcalico.org/clusterinformations/default']);
  });
});
