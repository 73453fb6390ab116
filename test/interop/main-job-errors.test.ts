import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import { probe } from '../../src/lab/probe.ts';
import type { AgentStatus } from '../../src/model/agent-status.ts';
import type { Address, Family } from '../../src/net/address.ts';
import { run, spawnIn, terminate } from '../../src/sys/process.ts';
import { tcpListenSocket } from '../../src/sys/socket.ts';
import { describeKernel, useNamespaces } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import {
  MARGAY,
  apply,
  askAgent,
  eventually,
  listTable,
  logOf,
  margayctl,
  ownRoutes,
  readLog,
} from './fixture-lab.ts';

const TWO_HOSTS = `name: NAME
asNumber: 64512
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
namespaces: { x: {} }
workloads:
  x/a: { host: n2 }
  x/b: { host: n1, ports: [{ port: 80 }, { port: 81 }] }
`;

const policy = (port: number): string => `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: one-port
  namespace: x
spec:
  selector: all()
  types: [Ingress]
  ingress:
    - action: Allow
      protocol: TCP
      destination:
        ports: [${port}]
`;

/** The same with a field that does not exist on line 7, column 3. */
const MISSPELT = policy(81).replace('selector: all()', 'selecter: all()');
/** Line 11 is no YAML. */
const NO_YAML = policy(81).replace('protocol: TCP', 'protocol TCP');

/** A node that speaks BGP, if it can. */
const NODE = `apiVersion: projectcalico.org/v3
kind: Node
metadata: { name: n1 }
spec: { bgp: { ipv4Address: 127.0.0.1/8 } }
`;

const FAMILIES: readonly Family[] = [4, 6];

/** Which of the ports 80 and 81 of x/b are open to x/a, on the other host. */
async function openPorts(lab: Lab): Promise<number[]> {
  const { namespace } = lab.endpoint('x/a');
  const tries = await Promise.all(
    [80, 81].flatMap((port) =>
      FAMILIES.map(async (family) => {
        const target = { namespace, address: lab.address('x/b', family), port, protocol: 'TCP' } as const;
        return { port, verdict: (await probe(target)).verdict };
      }),
    ),
  );
  const open = tries.filter(({ verdict }) => verdict === 'OPEN').map(({ port }) => port);
  expect(open.length % 2).toBe(0);
  return [...new Set(open)];
}

/** No line of any agent's log has a field twice. */
function expectWellFormedLogs(lab: Lab): void {
  for (const node of lab.nodes) {
    const lines = readFileSync(join(lab.path, `${node}.log`), 'utf8')
      .trimEnd()
      .split('\n');
    for (const line of lines) expect(JSON.stringify(JSON.parse(line))).toBe(line);
  }
}

describeKernel('what a user gets wrong', () => {
  const bench = useLabs();

  it('in a file edited by hand is named with file and line, and the last good state stays', async () => {
    const lab = await bench.up(TWO_HOSTS);
    await apply(lab, policy(80));
    const file = join(lab.path, 'datastore/networkpolicies/x/one-port.yaml');
    const invalid = async (node: string): Promise<readonly { resource: string; error: string }[]> =>
      (await lab.agentStatus(node)).datastore.invalid;
    const namedByAll = async (place: string): Promise<void> => {
      for (const node of lab.nodes) {
        await eventually(
          async () => (await invalid(node)).some(({ error }) => error.includes(place)),
          () => `${node} names ${place}`,
        );
        expect(await invalid(node)).toEqual([
          { resource: 'NetworkPolicy/x/one-port', error: expect.stringContaining(place) },
        ]);
      }
    };

    writeFileSync(file, NO_YAML);
    await namedByAll(`${file}:11:`);
    expect(await openPorts(lab)).toEqual([80]);
    writeFileSync(file, MISSPELT);
    await namedByAll(`${file}:7:3: spec.selecter: unknown field (did you mean "selector"?)`);
    expect(await openPorts(lab)).toEqual([80]);

    // Not even a new agent takes the bad file for good, and the rest of the datastore lives on.
    await lab.stopAgent('n1');
    await lab.startAgent('n1');
    await namedByAll(`${file}:7:3`);
    await apply(lab, policy(81).replace('one-port', 'another'));
    expect(await openPorts(lab)).toEqual([80, 81]);

    writeFileSync(file, policy(81));
    await eventually(
      async () => (await invalid('n1')).length + (await invalid('n2')).length === 0,
      () => 'the mended file is accepted',
    );
    await eventually(
      async () => (await openPorts(lab)).join() === '81',
      () => 'the mended policy is in force',
    );
    expectWellFormedLogs(lab);
  });

  it('in a file for margayctl is shown with file, line, column and suggestion, and changes nothing', async () => {
    const lab = await bench.up(TWO_HOSTS);
    await apply(lab, policy(80));
    const { datastore } = await lab.open();
    const { revision } = await datastore.list();
    const file = join(lab.path, 'mine.yaml');
    writeFileSync(file, MISSPELT);
    const refused = await margayctl(lab, 'n1', 'apply', '-f', file);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`${file}:7:3: spec.selecter: unknown field (did you mean "selector"?)`);
    expect((await datastore.list()).revision).toBe(revision);

    writeFileSync(file, policy(81));
    const taken = await margayctl(lab, 'n1', 'apply', '-f', file);
    expect(taken).toMatchObject({ status: 0, stderr: '' });
    await eventually(
      async () => (await openPorts(lab)).join() === '81',
      () => 'the new policy is in force',
    );
  });

  it('of a peer, its AS number, is named on both sides, and mended without a restart (RFC 4271 §6.2)', async () => {
    const peer = (node: string, address: string, asNumber: number): string => `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: from-${node} }
spec: { node: ${node}, peerIP: ${address}, asNumber: ${asNumber} }
`;
    const right = `${peer('n1', '172.16.0.12', 64512)}---${peer('n2', '172.16.0.11', 64512)}`;
    const lab = await bench.up(`${TWO_HOSTS}mesh: false\n`);
    const info = async (node: string): Promise<string> =>
      (await lab.agentStatus(node)).bgp.peers.map((own) => `${own.state} ${own.info}`).join();
    const established = (): Promise<void> =>
      eventually(
        async () =>
          (await info('n1')).startsWith('Established') && (await info('n2')).startsWith('Established'),
        () => 'both sides are established',
        30_000,
      );
    await apply(lab, right);
    await established();

    await apply(lab, peer('n1', '172.16.0.12', 64999));
    let seen: string[] = [];
    await eventually(
      async () => {
        seen = [await info('n1'), await info('n2')];
        return /Sent: .*Bad Peer AS/i.test(seen[0]!) && /Received: .*Bad Peer AS/i.test(seen[1]!);
      },
      () => JSON.stringify(seen),
    );
    console.log(seen);
    expect(seen[0]).toContain('64512');
    expect(seen[0]).toContain('64999');
    const status = await margayctl(lab, 'n2', 'node', 'status', '--node', 'n2');
    expect(status.stdout).toMatch(/Bad Peer AS/i);

    await apply(lab, right);
    await established();
    expectWellFormedLogs(lab);
  });
});

describeKernel('what a host lacks', () => {
  const bench = useLabs();

  it('a free port 179: BGP says once what to do, all else goes on, and the port is taken when it is free', async () => {
    const lab = await bench.up(TWO_HOSTS);
    await apply(lab, policy(80));
    const { namespace } = lab.endpoint('n1');
    await lab.stopAgent('n1', 'SIGTERM');
    const squatters = (['0.0.0.0', '::'] as Address[]).map((address) => {
      const server = createServer((socket) => socket.destroy());
      return server.listen({ fd: tcpListenSocket({ namespace, address, port: 179 }) });
    });
    try {
      await lab.startAgent('n1');
      await eventually(
        async () => (await lab.agentStatus('n1')).bgp.state === 'failed',
        () => 'BGP is failed',
      );
      const { bgp } = await lab.agentStatus('n1');
      expect(bgp.problem).toContain('cannot listen for BGP on port 179: another program does');
      expect(bgp.problem).toContain('ss -tlnp sport = :179');
      // Routes and policy go on: learned ones stay, a new policy comes into force.
      await apply(lab, policy(81));
      expect(await openPorts(lab)).toEqual([81]);
      const told = logOf(lab, 'n1').filter(({ level }) => level === 'error');
      expect(told).toHaveLength(1);
      expect(told[0]!['reason']).toBe(bgp.problem);
    } finally {
      for (const server of squatters) server.close();
    }
    await eventually(
      async () => (await lab.agentStatus('n1')).bgp.state === 'running',
      () => 'BGP runs',
      30_000,
    );
    expect((await lab.agentStatus('n1')).bgp.problem).toBeUndefined();
    expect(await openPorts(lab)).toEqual([81]);
    expectWellFormedLogs(lab);
  });

  describe('privileges', () => {
    const [namespace] = useNamespaces(1);
    let folder = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'margay-privilege-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const without = (capability: string): string[] => {
      const agent = ['agent', '--node', 'n1', '--datastore', `file://${folder}/ds`, '--run-dir', folder];
      const caps = ['--bounding-set', `-${capability}`, '--inh-caps', `-${capability}`];
      return [...caps, process.execPath, MARGAY, ...agent];
    };

    it('to change the network: the agent ends with one message and the fix', async () => {
      const options = { namespace: namespace!, timeout: 10_000 };
      const { status, stderr } = await run('setpriv', without('net_admin'), options);
      expect(status).toBe(1);
      expect(stderr).toContain('CAP_NET_ADMIN');
      expect(stderr).toContain('fix: ');
      expect(readLog(stderr).map(({ msg }) => msg)).toEqual(['agent starts']);
      expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))).toHaveLength(2);
    });

    it('to use port 179: BGP says what to do, and all else goes on', async () => {
      mkdirSync(join(folder, 'ds/nodes'), { recursive: true });
      writeFileSync(join(folder, 'ds/nodes/n1.yaml'), NODE);
      const child = spawnIn('setpriv', without('net_bind_service'), {
        namespace: namespace!,
        stdio: 'ignore',
      });
      try {
        let status: AgentStatus | undefined;
        await eventually(
          async () => {
            status = await askAgent(join(folder, 'n1.sock'));
            return status?.bgp.state === 'failed';
          },
          () => JSON.stringify(status),
        );
        expect(status!.bgp.problem).toContain('cannot listen for BGP on port 179: not allowed to');
        expect(status!.bgp.problem).toContain('CAP_NET_BIND_SERVICE');
        expect(status!.dataplane.problems).toEqual([]);
      } finally {
        await terminate(child);
      }
    });
  });
});

/** Longer than the pauses between two tries of the agent. */
const AWAY = 6_000;

describeKernel('an etcd that cannot be reached', () => {
  const bench = useLabs();
  const [namespace] = useNamespaces(1);

  it('keeps no agent from ending when it is told to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'margay-unreachable-'));
    const flags = ['--node', 'n1', '--datastore', 'etcd://127.0.0.1:2379', '--run-dir', folder];
    const child = spawnIn(process.execPath, [MARGAY, 'agent', ...flags], {
      namespace: namespace!,
      stdio: 'ignore',
    });
    try {
      await eventually(
        async () => (await askAgent(join(folder, 'n1.sock')))?.datastore.error !== undefined,
        () => 'the status tells the error',
      );
      child.kill('SIGTERM');
      await eventually(
        () => child.exitCode !== null,
        () => 'the agent ends',
        2_000,
      );
      expect(child.exitCode).toBe(0);
    } finally {
      await terminate(child);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('costs an agent one line in its log and nothing in the kernel, and is followed when it comes back', async () => {
    const lab = await bench.up(`${TWO_HOSTS}datastore: etcd\n`);
    await apply(lab, policy(80));
    expect(await openPorts(lab)).toEqual([80]);
    const state = async (): Promise<unknown> => {
      const { namespace } = lab.endpoint('n1');
      // The first two lines say which process owns the table.
      const [, , ...table] = (await listTable(namespace))!.text.split('\n');
      return { table, routes: await ownRoutes(namespace) };
    };
    const before = await state();
    const lines = (): readonly string[] =>
      logOf(lab, 'n1')
        .filter(({ level }) => level === 'error')
        .map(({ reason }) => String(reason));
    const told = async (count: number): Promise<void> => {
      const since = performance.now();
      await eventually(
        async () =>
          performance.now() - since > AWAY && (await lab.agentStatus('n1')).datastore.error !== undefined,
        () => 'the status tells the error',
        AWAY * 2,
      );
      expect(lines()).toHaveLength(count);
    };

    await lab.close();
    process.kill(lab.inventory().processes['etcd']!, 'SIGKILL');
    await told(1);
    expect(lines()[0]).toMatch(
      /cannot reach etcd at http:\/\/172\.16\.0\.[0-9]+:2379: .*\n {2}fix: check that etcd runs/,
    );
    expect(await openPorts(lab)).toEqual([80]);

    // An agent that starts meanwhile has no state of its own but the kernel's, and leaves that as it is.
    await lab.stopAgent('n1');
    const starting = lab.startAgent('n1');
    await told(2);
    expect((await lab.agentStatus('n1')).datastore.inSync).toBe(false);
    expect(await state()).toEqual(before);
    expect(await openPorts(lab)).toEqual([80]);

    const repaired = await bench.up(`${TWO_HOSTS.replace('NAME', lab.name)}datastore: etcd\n`);
    await starting;
    expect(await state()).toEqual(before);
    await apply(repaired, policy(81));
    expect(await openPorts(lab)).toEqual([81]);
    for (const node of lab.nodes) {
      const { datastore, dataplane } = await lab.agentStatus(node);
      expect(datastore.error).toBeUndefined();
      expect(dataplane).toMatchObject({ ownsTable: true, problems: [] });
    }
    expect(lines()).toHaveLength(2);
    await repaired.close();
  });
});
