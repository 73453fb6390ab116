import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentStatus } from '../../src/model/agent-status.ts';
import { runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { describeKernel, useNamespaces } from '../kernel/fixture-namespace.ts';
import { BUNDLES, askAgent, eventually, listTable, readLog } from './fixture-lab.ts';

const NODE = `apiVersion: projectcalico.org/v3
kind: Node
metadata: { name: n1 }
spec: { bgp: { ipv4Address: 127.0.0.1/8 } }
`;

/** Nothing of this checkout, no program, no setting. */
const BARE = { PATH: '/nonexistent' };

describeKernel('a bundle alone in a folder with koffi.node', () => {
  const [namespace] = useNamespaces(1);
  let root = '';
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'margay-bundle-'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  function folderWith(bundle: string): string {
    const folder = join(root, bundle.replace('.cjs', ''));
    mkdirSync(folder);
    for (const file of [bundle, 'koffi.node']) copyFileSync(join(BUNDLES, file), join(folder, file));
    expect(readdirSync(folder)).toHaveLength(2);
    return folder;
  }

  it('is a whole agent: it answers on its socket, its table is in force, its BGP thread runs', async () => {
    const folder = folderWith('margay.cjs');
    const datastore = join(root, 'for-agent');
    mkdirSync(join(datastore, 'nodes'), { recursive: true });
    writeFileSync(join(datastore, 'nodes/n1.yaml'), NODE);
    const flags = ['--node', 'n1', '--datastore', `file://${datastore}`, '--run-dir', root];
    const child = spawnIn(process.execPath, ['margay.cjs', 'agent', ...flags], {
      namespace: namespace!,
      cwd: folder,
      env: BARE,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
    try {
      let status: AgentStatus | undefined;
      await eventually(
        async () => {
          status = await askAgent(join(root, 'n1.sock'));
          if (status === undefined) return false;
          const { datastore: read, dataplane, bgp } = status;
          return read.inSync && dataplane.revisionInForce >= read.revision && bgp.state === 'running';
        },
        () => log,
      );
      expect(status).toMatchObject({
        node: 'n1',
        pid: child.pid,
        datastore: { type: 'directory', invalid: [] },
      });
      expect(status!.dataplane.problems).toEqual([]);
      expect((await listTable(namespace!))?.text).toContain('chain forward-ingress');
    } finally {
      await terminate(child);
    }
    expect(child.exitCode).toBe(0);
    expect(readLog(log).filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('is a whole margayctl: it writes and reads a directory', async () => {
    const folder = folderWith('margayctl.cjs');
    const datastore = join(root, 'for-margayctl');
    mkdirSync(datastore);
    const ctl = (args: string[], input?: string): Promise<string> =>
      runChecked(process.execPath, ['margayctl.cjs', '--datastore', `file://${datastore}`, ...args], {
        cwd: folder,
        env: BARE,
        ...(input === undefined ? {} : { input }),
      });
    expect(await ctl(['apply', '-f', '-'], NODE)).toContain("Successfully applied 1 'Node' resource(s)");
    expect(await ctl(['get', 'nodes'])).toMatch(/^n1\b/m);
    expect(JSON.parse(await ctl(['get', 'node', 'n1', '-o', 'json']))).toMatchObject({
      kind: 'Node',
      spec: { bgp: { ipv4Address: '127.0.0.1/8' } },
    });
  });
});
