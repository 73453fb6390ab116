/** What operators do to BGP, with real agents and margayctl, and packets between workloads all the while. */
import { expect, it } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import type { BgpPeerStatus } from '../../src/model/agent-status.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { Ping, apply, eventually, logOf, margayctl } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16, blockSize: 26 }, { cidr: "fd65::/112", blockSize: 122 }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] }, n3: { segments: [rack] }, n4: { segments: [rack] } }
namespaces: { x: {} }
workloads: { x/a: { host: n1 }, x/b: { host: n2 }, x/c: { host: n3 } }
`;
const FAMILIES = [4, 6] as const;

/** Every ordered pair of workloads, both families. */
async function startPings(lab: Lab): Promise<Map<string, Ping>> {
  const pings = new Map<string, Ping>();
  const workloads = ['x/a', 'x/b', 'x/c'];
  for (const source of workloads) {
    for (const target of workloads.filter((name) => name !== source)) {
      for (const family of FAMILIES) {
        const ping = await Ping.start(lab.endpoint(source).namespace, lab.address(target, family));
        pings.set(`${source} to ${target}, IPv${family}`, ping);
      }
    }
  }
  return pings;
}

async function expectNoneLost(pings: ReadonlyMap<string, Ping>): Promise<void> {
  const lost: Record<string, unknown> = {};
  for (const [name, ping] of pings) {
    const report = await ping.stop();
    expect(report.sent).toBeGreaterThan(100);
    if (report.lost.length > 0) lost[name] = report.lost;
  }
  expect(lost).toEqual({});
}

/** Waits until every agent has exactly these sessions, all of them up. */
async function sessions(lab: Lab, wanted: (node: string) => readonly string[]): Promise<void> {
  let seen: Record<string, BgpPeerStatus[]> = {};
  await eventually(
    async () => {
      seen = {};
      for (const node of lab.nodes) seen[node] = [...(await lab.agentStatus(node)).bgp.peers];
      return lab.nodes.every(
        (node) =>
          seen[node]!.every(({ state }) => state === 'Established') &&
          seen[node]!.map(({ name }) => name)
            .toSorted()
            .join() === wanted(node).toSorted().join(),
      );
    },
    () => JSON.stringify(seen, undefined, 2),
    60_000,
  );
}

describeKernel('a lab of four hosts', () => {
  const bench = useLabs();

  /** Names of the sessions with other nodes, as the agent of one names them. */
  function names(lab: Lab, type: 'Mesh' | 'Node', others: readonly string[]): string[] {
    return others.flatMap((node) =>
      FAMILIES.map((family) => `${type}_${lab.address(node, family).replaceAll(/[.:]/g, '_')}`),
    );
  }

  async function run(lab: Lab, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await margayctl(lab, 'n1', ...args);
    expect([status, stderr]).toEqual([0, '']);
    return stdout;
  }

  it('moves from the mesh to a reflector, and a node out of routing and back, without losing a packet', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      await meshed(lab);
      const pings = await startPings(lab);
      await reflect(lab);
      await expectNoneLost(pings);

      const drain = ['node', 'drain', '--node', 'n3', '--delay', '0.5', '--reason', 'kernel update'];
      expect(await margayctl(lab, 'n3', ...drain, '--run-dir', runDir(lab, 'n3'))).toMatchObject({
        status: 0,
        stdout: 'Drained: BGP sessions have ended.\n',
      });
      const { bgp } = await lab.agentStatus('n3');
      expect(bgp).toMatchObject({ drain: 'drained', peers: [] });
      const undrain = ['node', 'undrain', '--node', 'n3', '--run-dir', runDir(lab, 'n3')];
      expect((await margayctl(lab, 'n3', ...undrain)).status).toBe(0);
      await reflected(lab);
    } finally {
      await lab.down();
    }
  });

  it.each(['mesh', 'reflector'])(
    'loses no packet when every agent of a %s is killed at once, and is back when peers have told all they have',
    async (kind) => {
      const lab = await bench.up(TOPOLOGY);
      try {
        await meshed(lab);
        if (kind === 'reflector') await reflect(lab);
        const pings = await startPings(lab);
        await Promise.all(lab.nodes.map((node) => lab.stopAgent(node)));
        await Promise.all(lab.nodes.map((node) => lab.startAgent(node, 'running')));
        const started = performance.now();
        await (kind === 'reflector' ? reflected(lab) : meshed(lab));
        const swept = (node: string): number =>
          logOf(lab, node).filter(({ msg }) => msg.startsWith('bgp sweeps the kernel')).length;
        await eventually(
          () => lab.nodes.every((node) => swept(node) === FAMILIES.length),
          () => `swept: ${lab.nodes.map((node) => `${node} ${swept(node)}`).join(', ')}`,
          30_000,
        );
        const took = Math.round(performance.now() - started);
        console.log(`4 agents of a ${kind}: swept ${took} ms after the last was started`);
        await expectNoneLost(pings);
      } finally {
        await lab.down();
      }
    },
  );

  /** From the mesh to a reflector on the last node, step by step as the documentation of Calico has it. */
  async function reflect(lab: Lab): Promise<void> {
    await run(lab, 'patch', 'node', 'n4', '-p', '{"spec":{"bgp":{"routeReflectorClusterID":"1.0.0.1"}}}');
    await run(lab, 'label', 'nodes', 'n4', 'route-reflector=true');
    await apply(
      lab,
      `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: to-reflectors }
spec: { nodeSelector: "!has(route-reflector)", peerSelector: has(route-reflector) }
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: { name: default }
spec: { nodeToNodeMeshEnabled: false }
`,
    );
    await reflected(lab);
  }

  const reflected = (lab: Lab): Promise<void> =>
    sessions(lab, (node) =>
      names(lab, 'Node', node === 'n4' ? lab.nodes.filter((other) => other !== 'n4') : ['n4']),
    );

  const meshed = (lab: Lab): Promise<void> =>
    sessions(lab, (node) =>
      names(
        lab,
        'Mesh',
        lab.nodes.filter((other) => other !== node),
      ),
    );

  function runDir(lab: Lab, node: string): string {
    return lab.agentSocket(node).replace(/\/[^/]*$/, '');
  }
});
