import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { probePairs, seen } from '../../src/lab/connectivity.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { probe } from '../../src/lab/probe.ts';
import { identify, processesInNamespaces } from '../../src/lab/processes.ts';
import { startTrafficStream } from '../../src/lab/traffic-stream.ts';
import { namespaceInode } from '../../src/lab/wiring.ts';
import { createNamespace, deleteNamespace, listNamespaces } from '../../src/sys/netns.ts';
import { describeKernel } from './fixture-namespace.ts';
import { useLabs } from './lab-fixture.ts';

/** Two hosts without BGP: routes between them are static. */
const TWO_HOSTS = `name: NAME
bgp: false
pools: [{ cidr: 10.65.0.0/16 }, { cidr: fd65::/112 }]
segments: { wire: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [wire] }, n2: { segments: [wire] } }
namespaces: { x: {}, y: {} }
workloads:
  x/a: { host: n1, labels: { app: a }, ports: [{ port: 80 }, { port: 53, protocol: UDP }] }
  x/b: { host: n2, ports: [{ port: 80 }, { port: 53, protocol: UDP }] }
  y/c: { host: n1, ports: [{ port: 80 }, { port: 53, protocol: UDP }] }
`;

/** Every pair that does not answer, in words. */
async function unreachable(lab: Lab, port = 80, protocol: 'TCP' | 'UDP' = 'TCP'): Promise<string[]> {
  const endpoints = lab.plan.workloads.map(({ name }) => lab.endpoint(name));
  const results = await probePairs(endpoints, endpoints, { service: { port, protocol }, families: [4, 6] });
  const pairs = endpoints.length * (endpoints.length - 1);
  expect(results).toHaveLength(pairs * 2);
  return results
    .filter((result) => seen(result) !== 'open')
    .map(({ source, destination, family, result }) =>
      JSON.stringify({ source, destination, family, result }),
    );
}

/** The lab's agents have everything in force that the datastore holds now. */
async function settled(lab: Lab): Promise<void> {
  const { datastore } = await lab.open();
  await lab.waitInForce((await datastore.list()).revision);
}

function leftovers(name: string): string[] {
  return listNamespaces().filter((namespace) => namespace.startsWith(`margay-${name}-`));
}

describeKernel('a lab', () => {
  const bench = useLabs();

  it('comes up, connects every workload in both families, and goes down without a trace', async () => {
    const lab = await bench.up(TWO_HOSTS);
    const processes = Object.values(lab.inventory().processes);
    expect(processes).toHaveLength(3);
    expect(await unreachable(lab)).toEqual([]);
    expect(await unreachable(lab, 53, 'UDP')).toEqual([]);
    const inodes = new Set(leftovers(lab.name).map((name) => namespaceInode(name)!));
    expect(inodes.size).toBe(6);
    expect(await lab.down()).toEqual({ namespaces: 6, processes: 3, refused: [] });
    expect(leftovers(lab.name)).toEqual([]);
    expect(processes.filter((pid) => identify(pid!) !== undefined)).toEqual([]);
    expect(processesInNamespaces(inodes)).toEqual([]);
    expect(existsSync(lab.path)).toBe(false);
  });

  it('is left alone by a second up, and repaired where something is missing', async () => {
    const lab = await bench.up(TWO_HOSTS);
    const before = lab.inventory();
    const again = await bench.up(TWO_HOSTS.replace('NAME', lab.name));
    expect(again.inventory()).toEqual(before);
    await again.close();

    deleteNamespace('margay-' + lab.name + '-x-b');
    deleteNamespace('margay-' + lab.name + '-n2');
    await lab.stopAgent('n1');
    const repaired = await bench.up(TWO_HOSTS.replace('NAME', lab.name));
    const after = repaired.inventory();
    expect(Object.values(after.namespaces).every(Boolean)).toBe(true);
    expect(after.processes['n1']).not.toBe(before.processes['n1']);
    expect(after.processes['n2'], 'its namespace is another').not.toBe(before.processes['n2']);
    expect(await unreachable(repaired)).toEqual([]);
    await lab.close();
    await repaired.down();
    expect(leftovers(lab.name)).toEqual([]);
  });

  it('refuses another topology under the name of one that is up', async () => {
    const lab = await bench.up(TWO_HOSTS, { servers: false });
    const other = TWO_HOSTS.replace('NAME', lab.name).replace('172.16.0.0/24', '172.17.0.0/24');
    await expect(bench.up(other)).rejects.toMatchObject({ code: 'lab.other-topology' });
    await lab.down();
  });

  it('refuses what it did not make, when it comes up and when it goes down', async () => {
    const lab = await bench.up(TWO_HOSTS, { servers: false });
    const name = `margay-${lab.name}-x-a`;
    deleteNamespace(name);
    createNamespace(name);
    try {
      await expect(bench.up(TWO_HOSTS.replace('NAME', lab.name))).rejects.toMatchObject({
        code: 'lab.foreign-namespace',
      });
      expect((await lab.down()).refused).toEqual([name]);
      expect(leftovers(lab.name)).toEqual([name]);
    } finally {
      deleteNamespace(name);
    }
  });

  it('refuses a directory that is no lab’s', async () => {
    mkdirSync(join(bench.options.runDirectory, 'strange'));
    writeFileSync(join(bench.options.runDirectory, 'strange', 'precious'), '');
    await expect(bench.up(TWO_HOSTS.replace('NAME', 'strange'))).rejects.toMatchObject({
      code: 'lab.foreign-directory',
    });
    expect(existsSync(join(bench.options.runDirectory, 'strange', 'precious'))).toBe(true);
  });

  it('takes workloads in and lets them go', async () => {
    const lab = await bench.up(TWO_HOSTS);
    const { workload, revision } = await lab.addWorkload({
      namespace: 'y',
      pod: 'new',
      host: 'n2',
      ports: [{ port: 80, protocol: 'TCP' }],
    });
    await lab.waitInForce(revision);
    expect(workload.addresses).toEqual(['10.65.0.67', 'fd65::43']);
    expect(await unreachable(lab)).toEqual([]);
    const gone = await lab.removeWorkload('y/new');
    await lab.waitInForce(gone!);
    expect(leftovers(lab.name)).not.toContain(workload.networkNamespace);
    const { namespace } = lab.endpoint('x/a');
    const [address] = workload.addresses;
    const result = await probe({ namespace, address: address!, port: 80, protocol: 'TCP' });
    expect(result.verdict).not.toBe('OPEN');
    await lab.down();
  });

  it('changes labels, which policies then see', async () => {
    const lab = await bench.up(TWO_HOSTS);
    const client = await lab.open();
    await client.write({
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: { name: 'closed', namespace: 'x' },
      spec: { selector: "app == 'closed'", types: ['Ingress'] },
    });
    await settled(lab);
    expect(await unreachable(lab)).toEqual([]);
    await lab.waitInForce(await lab.setWorkloadLabels('x/a', { app: 'closed' }));
    expect(await unreachable(lab)).toHaveLength(4);
    await client.write({
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: { name: 'friends', namespace: 'x' },
      spec: {
        selector: "app == 'closed'",
        types: ['Ingress'],
        ingress: [{ action: 'Allow', source: { namespaceSelector: "team == 'friend'" } }],
      },
    });
    await lab.waitInForce(await lab.setNamespaceLabels('y', { team: 'friend' }));
    expect(await unreachable(lab)).toHaveLength(2);
    await lab.down();
  });

  it('runs a program in a workload, with its own network and nothing of the machine’s', async () => {
    const lab = await bench.up(TWO_HOSTS, { servers: false });
    const script =
      "const i=require('os').networkInterfaces();process.stdout.write(i.eth0.map(a=>a.address)[0]+' '+process.env.NODENAME)";
    const child = lab.execute('x/a', [process.execPath, '-e', script], 'pipe');
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await new Promise((resolve) => {
      child.once('close', resolve);
    });
    expect(output).toBe('10.65.0.2 x/a');
    await lab.down();
  });

  it('loses no packet while an agent is killed and started again', async () => {
    const lab = await bench.up(TWO_HOSTS);
    const { namespace } = lab.endpoint('x/a');
    const stream = startTrafficStream({ namespace, address: lab.address('x/b', 4), port: 53, interval: 5 });
    const pid = lab.agentPid('n1');
    await lab.stopAgent('n1', 'SIGKILL');
    expect(lab.agentPid('n1')).toBeUndefined();
    await lab.startAgent('n1');
    expect(lab.agentPid('n1')).not.toBe(pid);
    const report = await stream.stop();
    expect(report).toMatchObject({ lost: 0, reordered: 0, duplicates: 0 });
    expect(report.sent).toBeGreaterThan(20);
    await lab.down();
  });
});
