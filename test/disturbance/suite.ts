/** Disturbances of a node whose agent runs for real. Each says in the end what it did, for people to read. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import { probe } from '../../src/lab/probe.ts';
import { runChecked } from '../../src/sys/process.ts';
import { Random } from '../fuzz/random.ts';
import { apply, eventually, logOf } from '../interop/fixture-lab.ts';
import { resourcesOf } from '../resources-of.ts';
import { OneWay } from '../interop/one-way.ts';
import { disturbTable, tableText } from './strangers.ts';

const ALLOWED = 7001;
const FORBIDDEN = 7002;
export const NODE = 'n1';

export const topology = (datastore: 'directory' | 'etcd'): string => `name: NAME
bgp: false
datastore: ${datastore}
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { ${NODE}: { segments: [rack] } }
namespaces: { x: {} }
workloads:
  x/a: { host: ${NODE}, labels: { app: a } }
  x/b: { host: ${NODE}, labels: { app: b }, ports: [{ port: 80 }, { port: 81 }] }
`;

/** One of two ports of TCP is open, and one stream of UDP; a set of addresses and a tier give strangers more to break. */
const policy = (port: number): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: open, namespace: x }
spec:
  selector: app == 'b'
  types: [Ingress]
  ingress:
    - { action: Allow, protocol: UDP, source: { selector: app == 'a' }, destination: { ports: [${ALLOWED}] } }
    - { action: Allow, protocol: TCP, destination: { ports: [${port}] } }
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: { name: bad, labels: { bad: 'yes' } }
spec: { nets: [198.51.100.0/24, 203.0.113.128/25] }
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: { name: no-bad }
spec:
  selector: all()
  types: [Egress]
  order: 5
  egress: [{ action: Deny, destination: { selector: bad == 'yes' } }, { action: Allow }]
`;

/** Whether the port that policy opens is open and the other is not. */
async function expectPolicy(lab: Lab, port: number): Promise<void> {
  const { namespace } = lab.endpoint('x/a');
  for (const family of [4, 6] as const) {
    for (const each of [80, 81]) {
      const target = { namespace, address: lab.address('x/b', family), port: each, protocol: 'TCP' } as const;
      const { verdict } = await probe(target, each === port ? 900 : 100);
      expect(`${each}/${family} ${verdict}`).toBe(`${each}/${family} ${each === port ? 'OPEN' : 'TIMEOUT'}`);
    }
  }
}

/** Runs `body` beside a stream that policy allows and one that it forbids. */
async function withStreams(
  lab: Lab,
  body: (allowed: OneWay, forbidden: OneWay) => Promise<void>,
): Promise<void> {
  const address = lab.address('x/b', 4);
  const streams = [new OneWay(lab, address, ALLOWED), new OneWay(lab, address, FORBIDDEN)] as const;
  try {
    await body(...streams);
  } finally {
    for (const stream of streams) stream.close();
  }
}

async function expectHealthy(lab: Lab): Promise<void> {
  const { datastore, dataplane } = await lab.agentStatus(NODE);
  expect(dataplane.problems).toEqual([]);
  expect(datastore).toMatchObject({ inSync: true, invalid: [] });
}

/** `kill -9` at random moments after a change, under traffic: the change comes into force, and no packet pays for it. */
export async function killAgent(lab: Lab, kills: number): Promise<void> {
  const random = new Random(kills);
  await apply(lab, policy(80));
  await withStreams(lab, async (allowed, forbidden) => {
    for (let kill = 0; kill < kills; kill++) {
      const port = kill % 2 === 0 ? 81 : 80;
      const written = write(lab, policy(port));
      await sleep(random.fraction() * 20);
      await lab.stopAgent(NODE, 'SIGKILL');
      await lab.startAgent(NODE);
      await lab.waitInForce(await written);
      await expectPolicy(lab, port);
    }
    await allowed.next(20);
    const { sent, received } = allowed.counts;
    console.log(
      `${kills} kills: ${sent} datagrams sent, ${sent - received} not there yet; ${forbidden.counts.received} forbidden ones came through`,
    );
    // Those under way now.
    expect(sent - received).toBeLessThan(5);
    expect(forbidden.counts.received).toBe(0);
  });
  await expectHealthy(lab);
}

/** Strangers change a table that is open to them: every change is repaired and reported. */
export async function changeTable(lab: Lab, times: number): Promise<void> {
  const random = new Random(times);
  const { namespace } = lab.endpoint(NODE);
  await apply(lab, policy(80));
  const before = await tableText(namespace);
  const done = new Map<string, number>();
  for (let time = 0; time < times; time++) {
    const { repairs } = (await lab.agentStatus(NODE)).dataplane;
    const change = await disturbTable(namespace, random);
    await eventually(
      async () => (await tableText(namespace)) === before,
      () => `the table is as it was before ${change}`,
    );
    await eventually(
      async () => (await lab.agentStatus(NODE)).dataplane.repairs > repairs,
      () => `${change} is reported`,
    );
    const kind = change.slice(0, change.indexOf(':'));
    done.set(kind, (done.get(kind) ?? 0) + 1);
  }
  console.log(`repaired: ${[...done].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`);
  await expectPolicy(lab, 80);
  await expectHealthy(lab);
}

/** Strangers try the same on a table that the kernel keeps for us: nothing happens to it. */
export async function tryTable(lab: Lab, times: number): Promise<void> {
  const { namespace } = lab.endpoint(NODE);
  await apply(lab, policy(80));
  const before = await tableText(namespace);
  for (let time = 0; time < times; time++) {
    await runChecked('nft', ['flush', 'ruleset'], { namespace });
    await expect(runChecked('nft', ['delete', 'table', 'inet', 'margay'], { namespace })).rejects.toThrow();
    await expect(runChecked('nft', ['flush', 'table', 'inet', 'margay'], { namespace })).rejects.toThrow();
  }
  expect(await tableText(namespace)).toBe(before);
  await expectPolicy(lab, 80);
  expect((await lab.agentStatus(NODE)).dataplane.repairs).toBe(0);
}

/** More notifications than sockets hold, while the agent cannot read, and among them changes of what is ours. */
export async function stormOfEvents(
  lab: Lab,
  { storms, size, rounds }: { readonly storms: number; readonly size: number; readonly rounds: number },
): Promise<void> {
  const { namespace } = lab.endpoint(NODE);
  await apply(lab, policy(80));
  const before = await tableText(namespace);
  const routes = await ownRoutes(namespace);
  for (let storm = 0; storm < storms; storm++) {
    const pid = lab.agentPid(NODE)!;
    process.kill(pid, 'SIGSTOP');
    try {
      const [address] = lab.endpoint('x/b').addresses;
      const file = join(lab.path, 'storm');
      const numbers = Array.from({ length: size }, (_, index) => index);
      const octets = (index: number): string =>
        `11.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
      writeFileSync(
        file,
        `table inet storm {\n set s {\n type ipv4_addr\n elements = { ${numbers.map(octets).join(', ')} }\n }\n}\n`,
      );
      for (let round = 0; round < rounds; round++) {
        await runChecked('nft', ['-f', file], { namespace });
        await runChecked('nft', ['delete', 'table', 'inet', 'storm'], { namespace });
      }
      await runChecked('nft', ['flush', 'ruleset'], { namespace });
      const lines = numbers.flatMap((index) => [
        `route add blackhole ${octets(index)}`,
        `route del blackhole ${octets(index)}`,
      ]);
      writeFileSync(file, `${lines.join('\n')}\nroute del ${address}\n`);
      await runChecked('ip', ['-batch', file], { namespace });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(
      async () => (await tableText(namespace)) === before,
      () => 'the table is as it was before the storm',
      30_000,
    );
    await eventually(
      async () => (await ownRoutes(namespace)) === routes,
      () => 'the routes are as they were before the storm',
      30_000,
    );
  }
  await expectPolicy(lab, 80);
  await expectHealthy(lab);
  const overruns = logOf(lab, NODE).filter(({ kind }) => kind === 'overrun');
  console.log(
    `${storms} storms: lost were notifications of ${overruns.map(({ object }) => object).join('; ')}`,
  );
  expect(overruns.length).toBeGreaterThan(0);
}

/** The datastore is gone: all that was in force stays so, whoever disturbs it, whoever restarts. */
export async function loseDatastore(
  lab: Lab,
  restore: () => Promise<unknown>,
  milliseconds: number,
): Promise<void> {
  const { namespace } = lab.endpoint(NODE);
  await apply(lab, policy(80));
  const before = await tableText(namespace);
  const { etcd } = lab.inventory().processes;
  process.kill(etcd!, 'SIGKILL');
  const away = Date.now();
  await lab.close();
  const disturbed = (when: string): Promise<void> => expectRepair(lab, before, 80, when);
  await disturbed('by an agent that has lost its datastore');
  await lab.stopAgent(NODE, 'SIGKILL');
  await lab.startAgent(NODE, 'running');
  expect((await lab.agentStatus(NODE)).datastore.inSync).toBe(false);
  await disturbed('by an agent that never had a datastore');
  await disturbed('once more');
  await sleep(Math.max(0, milliseconds - (Date.now() - away)));
  expect((await lab.agentStatus(NODE)).datastore.inSync).toBe(false);
  await expectPolicy(lab, 80);
  await restore();
  await apply(lab, policy(81));
  await expectPolicy(lab, 81);
  await expectRepair(lab, await tableText(namespace), 81, 'after the datastore is back');
  await expectHealthy(lab);
}

async function expectRepair(lab: Lab, before: string | undefined, port: number, when: string): Promise<void> {
  const { namespace } = lab.endpoint(NODE);
  await runChecked('nft', ['flush', 'ruleset'], { namespace });
  await eventually(
    async () => (await tableText(namespace)) === before,
    () => `the table is repaired ${when}`,
  );
  await expectPolicy(lab, port);
}

async function ownRoutes(namespace: string): Promise<string> {
  return runChecked('ip', ['route', 'show', 'proto', '80'], { namespace });
}

async function write(lab: Lab, yaml: string): Promise<number> {
  const client = await lab.open();
  let revision = 0;
  for (const resource of resourcesOf(yaml)) revision = await client.write(resource);
  return revision;
}
