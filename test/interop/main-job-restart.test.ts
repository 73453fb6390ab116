import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import { probe } from '../../src/lab/probe.ts';
import type { Family } from '../../src/net/address.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { Ping, RouteWatch, apply, eventually, listTable, logOf, ownRoutes } from './fixture-lab.ts';

/** Two hosts of a mesh, BIRD as their top-of-rack router in another AS, and a client behind it. */
const topology = (gracefulRestart: boolean): string => `name: NAME
pools: [{ cidr: 10.65.0.0/16, blockSize: 26 }, { cidr: "fd65::/112", blockSize: 122 }]
segments:
  rack: { subnets: [172.16.0.0/24, "fd16::/64"] }
  outside: { subnets: [198.51.100.0/24, "2001:db8:51::/64"] }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
routers:
  tor: { software: bird, asNumber: 64601, segments: [rack, outside], gracefulRestart: ${gracefulRestart} }
clients: { client: { segments: [outside] } }
namespaces: { x: {} }
workloads: { x/a: { host: n1 }, x/b: { host: n2, ports: [{ port: 80 }] } }
`;

/** Makes the packets of the test pass a policy, and be counted by it. */
const POLICY = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: ping-only, namespace: x }
spec:
  selector: all()
  types: [Ingress]
  ingress:
    - { action: Allow, protocol: ICMP }
    - { action: Allow, protocol: ICMPv6 }
`;

/** How long an agent stays dead, in milliseconds. */
const DEAD = 10_000;
/** Whose agent is killed. */
const VICTIM = 'n2';
/** Who sees the routes of the victim. */
const MACHINES = ['n1', 'n2', 'tor'] as const;
const FAMILIES: readonly Family[] = [4, 6];
/** Requests in a row without an answer that are an outage, in milliseconds. */
const OUTAGE = 250;

/** From the other host's workload and from the client behind BIRD to the victim's workload, by learned routes. */
async function startPings(lab: Lab): Promise<Map<string, Ping>> {
  const pings = new Map<string, Ping>();
  for (const source of ['x/a', 'client']) {
    for (const family of FAMILIES) {
      const ping = await Ping.start(lab.endpoint(source).namespace, lab.address('x/b', family));
      pings.set(`${source} to x/b, IPv${family}`, ping);
    }
  }
  return pings;
}

function watchRoutes(lab: Lab): Record<(typeof MACHINES)[number], RouteWatch> {
  const watch = (machine: string): RouteWatch => new RouteWatch(lab.endpoint(machine).namespace);
  return { n1: watch('n1'), n2: watch('n2'), tor: watch('tor') };
}

/** All agents have every session, nothing that is stale, and are done with restarting. */
async function settled(lab: Lab): Promise<void> {
  let seen = '';
  await eventually(
    async () => {
      const statuses = await Promise.all(lab.nodes.map((node) => lab.agentStatus(node)));
      seen = JSON.stringify(statuses.map(({ bgp }) => bgp));
      return statuses.every(({ bgp }) =>
        bgp.peers.every(({ state, stale }) => state === 'Established' && stale === 0),
      );
    },
    () => seen,
    30_000,
  );
}

describeKernel('an agent that is killed', () => {
  const bench = useLabs();

  it('comes back after ten seconds without a packet lost, a route deleted or a rule touched', async () => {
    const lab = await bench.up(topology(true));
    await apply(lab, POLICY);
    const { namespace } = lab.endpoint(VICTIM);
    const pings = await startPings(lab);
    const watches = watchRoutes(lab);
    try {
      const routes = await ownRoutes(namespace);
      expect(routes.filter(({ protocol }) => protocol === 81).length).toBeGreaterThan(0);
      const before = (await listTable(namespace))!;
      expect(Math.max(...before.packets)).toBeGreaterThan(0);
      const pid = lab.agentPid(VICTIM);

      await lab.stopAgent(VICTIM, 'SIGKILL');
      const dead = sleep(DEAD);
      // Policy decides about new connections as well while nobody is there.
      for (const [way, ping] of await startPings(lab)) pings.set(`${way}, while the agent is dead`, ping);
      for (const family of FAMILIES) {
        const target = { namespace: lab.endpoint('x/a').namespace, address: lab.address('x/b', family) };
        expect((await probe({ ...target, port: 80, protocol: 'TCP' })).verdict).toBe('TIMEOUT');
      }
      // The ten seconds themselves are the subject.
      await dead;
      await lab.startAgent(VICTIM);
      expect(lab.agentPid(VICTIM)).not.toBe(pid);
      const log = () => logOf(lab, VICTIM);
      await eventually(
        () => log().filter(({ msg }) => msg.startsWith('bgp restart complete')).length === 2,
        () => JSON.stringify(log()),
        30_000,
      );
      await settled(lab);

      for (const [way, ping] of pings) {
        const { sent, lost, interval } = await ping.stop();
        console.log(`${way}: ${sent} requests, one every ${interval.toFixed(1)} ms, ${lost.length} lost`);
        expect({ way, lost }).toEqual({ way, lost: [] });
        expect(sent * interval).toBeGreaterThan(DEAD * 0.9);
        expect(interval).toBeLessThan(11);
      }
      const after = (await listTable(namespace))!;
      expect(after.text).toBe(before.text);
      for (const [index, packets] of after.packets.entries()) {
        expect(packets).toBeGreaterThanOrEqual(before.packets[index]!);
      }
      expect(await ownRoutes(namespace)).toEqual(routes);
      for (const machine of MACHINES) {
        expect({ machine, deleted: watches[machine].deleted }).toEqual({ machine, deleted: [] });
      }
      // Not even written again.
      expect(watches[VICTIM].own).toEqual([]);
      expect((await lab.agentStatus(VICTIM)).dataplane.problems).toEqual([]);
    } finally {
      for (const watch of Object.values(watches)) watch.close();
    }
  });

  it('costs packets and routes where graceful restart is off, which is what the test above would see', async () => {
    const lab = await bench.up(topology(false), { agentOptions: ['--no-graceful-restart'] });
    await apply(lab, POLICY);
    const pings = await startPings(lab);
    const watches = watchRoutes(lab);
    try {
      await lab.stopAgent(VICTIM, 'SIGKILL');
      await eventually(
        () => [...pings.values()].every(({ silence }) => silence > OUTAGE),
        () => 'every ping falls silent',
      );
      await lab.startAgent(VICTIM);
      await eventually(
        () => [...pings.values()].every(({ silence }) => silence < OUTAGE),
        () => 'every ping is answered again',
        30_000,
      );
      for (const [way, ping] of pings) {
        const { sent, lost } = await ping.stop();
        console.log(`${way}, without graceful restart: ${sent} requests, ${lost.length} lost`);
        expect(lost.length).toBeGreaterThan(OUTAGE / 20);
      }
      expect(watches.n1.deleted).not.toEqual([]);
      expect(watches.tor.deleted).not.toEqual([]);
    } finally {
      for (const watch of Object.values(watches)) watch.close();
    }
  });
});
