import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { probe } from '../../src/lab/probe.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { agentsThrough, apply, eventually, listTable, margayctl } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
routers: { tor: { software: bird, asNumber: 64601, segments: [rack] } }
namespaces: { x: {} }
workloads: { x/a: { host: n1 }, x/b: { host: n2, ports: [{ port: 80 }, { port: 81 }] } }
`;

const policy = (port: number): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: one-port, namespace: x }
spec:
  selector: all()
  ingress: [{ action: Allow, protocol: TCP, destination: { ports: [${port}] } }]
`;

describeKernel('an agent under strace', () => {
  const bench = useLabs();
  let traces = '';
  beforeAll(() => {
    traces = mkdtempSync(join(tmpdir(), 'margay-trace-'));
  });
  afterAll(() => rmSync(traces, { recursive: true, force: true }));

  it('executes nothing but itself from its start to its end, and finds no program to execute', async () => {
    // The shell gives way to strace before anything is traced.
    const strace = ['/usr/bin/strace', '-f', '-e', 'trace=execve,execveat', '-o'].join(' ');
    const lab = await bench.up(TOPOLOGY, { program: agentsThrough(`${strace} ${traces}/$$`) });
    const address = lab.address('x/b', 4);
    const { namespace } = lab.endpoint('x/a');
    const open = async (port: number): Promise<boolean> =>
      (await probe({ namespace, address, port, protocol: 'TCP' })).verdict === 'OPEN';

    for (const port of [80, 81]) {
      await apply(lab, policy(port));
      expect([await open(80), await open(81)]).toEqual([port === 80, port === 81]);
    }
    await lab.addWorkload({ namespace: 'x', pod: 'c', host: 'n1' });
    const removed = await lab.removeWorkload('x/c');
    await lab.waitInForce(removed!);
    const asked = await margayctl(lab, 'n1', 'node', 'status', '--node', 'n1');
    expect(asked.stdout).toContain('Established');

    const pids = [];
    for (const node of lab.nodes) {
      const { pid } = await lab.agentStatus(node);
      pids.push(pid);
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toContain('PATH=/nonexistent');
      process.kill(pid, 'SIGTERM');
      await eventually(
        () => lab.agentPid(node) === undefined,
        () => `the agent of ${node} ends`,
      );
      expect(await listTable(lab.endpoint(node).namespace)).toBeDefined();
    }
    const logs = readdirSync(traces).map((name) => readFileSync(join(traces, name), 'utf8').trimEnd());
    expect(logs).toHaveLength(lab.nodes.length);
    for (const log of logs) {
      const lines = log.split('\n');
      const executed = lines.filter((line) => line.includes('execve'));
      expect(executed).toHaveLength(1);
      expect(executed[0]).toContain(process.execPath);
      // Traced to its end, and it ended well.
      expect(lines.at(-1)).toMatch(/\+\+\+ exited with 0 \+\+\+$/);
      expect(pids).toContain(Number(/^[0-9]+/.exec(executed[0]!)?.[0]));
    }
  });
});
