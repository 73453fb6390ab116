/** From a mesh to route reflectors and back, as resources change, with packets on the way all the time. */
import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { withPasswords } from '../../src/agent/peer-passwords.ts';
import { speakerConfig } from '../../src/agent/speaker-config.ts';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { CalcGraph } from '../../src/calc/graph.ts';
import { blockAffinityName } from '../../src/model/block-affinity-name.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Change, put } from '../unit/calc/world.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 60_000, interval: 50 };
const HOSTS = [1, 2, 3, 4];
const REFLECTOR = 4;

/** A host that follows resources as an agent does. */
interface Host {
  readonly graph: CalcGraph;
  config: SpeakerConfig;
  readonly running: RunningSpeaker;
}

function node(host: number, bgp: Record<string, string> = {}, labels: Record<string, string> = {}): Change {
  return put(
    'Node',
    `n${host}`,
    { bgp: { ipv4Address: `10.99.0.${host}/24`, ipv6Address: `fd99::${host}/64`, ...bgp } },
    labels,
  );
}

function block(host: number, text: string): Change {
  const [node, cidr] = [`n${host}`, prefix(text)];
  const name = blockAffinityName({ type: 'host', node, cidr });
  return put('BlockAffinity', name, { node, cidr, state: 'confirmed', deleted: false, type: 'host' });
}

const CLUSTER: readonly Change[] = [
  put('IPPool', 'v4', { cidr: '10.65.0.0/16' }),
  put('IPPool', 'v6', { cidr: 'fd65::/64' }),
  ...HOSTS.map((host) => node(host)),
  ...HOSTS.flatMap((host) => [block(host, `10.65.${host}.0/26`), block(host, `fd65::${host}:0/122`)]),
];
const REFLECTING = [
  node(REFLECTOR, { routeReflectorClusterID: '1.0.0.1' }, { reflector: 'true' }),
  put('BGPPeer', 'reflectors', { nodeSelector: '!has(reflector)', peerSelector: 'has(reflector)' }),
];
const NO_MESH = put('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false });
const MESH = put('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: true });

describeKernel('a cluster that changes how its nodes peer', () => {
  let fabric: Fabric;
  const hosts = new Map<number, Host>();

  beforeEach(async () => {
    fabric = await makeFabric(HOSTS.length);
    for (const host of HOSTS) {
      await fabric.ip(host, 'addr', 'add', `10.65.${host}.1/32`, 'dev', 'lo');
      await fabric.ip(host, 'addr', 'add', `fd65::${host}:1/128`, 'dev', 'lo', 'nodad');
      const graph = new CalcGraph({ nodeName: `n${host}` });
      for (const { key, resource } of CLUSTER) graph.update(key, resource);
      const config = configOf(graph)!;
      hosts.set(host, { graph, config, running: await startSpeaker(fabric.hosts[host - 1]!, config) });
    }
  });
  afterEach(async () => {
    for (const { running } of hosts.values()) await running.stop();
    hosts.clear();
    fabric.destroy();
  });

  function configOf(graph: CalcGraph): SpeakerConfig | undefined {
    const { routing } = graph.flush();
    if (routing === undefined) return undefined;
    const { peers } = withPasswords(routing.peers, () => undefined);
    return speakerConfig(routing, { protocol: 81, gracefulRestart: true, peers });
  }

  /** Every host hears of each change at its own time: one after another, and each at the next turn of the loop. */
  async function change(changes: readonly Change[], order: readonly number[]): Promise<void> {
    for (const { key, resource } of changes) {
      for (const number of order) {
        const host = hosts.get(number)!;
        host.graph.update(key, resource);
        const config = configOf(host.graph);
        if (config !== undefined) host.running.speaker.reconfigure((host.config = config));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Waits until each host has exactly these sessions, all up, and the routes to all others. */
  async function peering(names: Readonly<Record<number, readonly string[]>>): Promise<void> {
    await vi.waitFor(() => {
      for (const [number, host] of hosts) {
        const { peers, kernel } = host.running.speaker.status();
        expect([number, ...peers.map(({ name }) => name).toSorted()]).toEqual([number, ...names[number]!]);
        for (const { state } of peers) expect(state).toBe('Established');
        expect(kernel.installed).toBe(2 * (HOSTS.length - 1));
      }
    }, EVENTUALLY);
  }

  /** A name for each family's session with host N. */
  function sessions(prefix: string, ...others: number[]): string[] {
    return others.flatMap((other) => [`${prefix}_10_99_0_${other}`, `${prefix}_fd99__${other}`]).toSorted();
  }

  const MESHED = Object.fromEntries(
    HOSTS.map((host) => [host, sessions('Mesh', ...HOSTS.filter((other) => other !== host))]),
  );
  const REFLECTED = {
    ...Object.fromEntries(HOSTS.map((host) => [host, sessions('Node', REFLECTOR)])),
    [REFLECTOR]: sessions('Node', 1, 2, 3),
  };

  /** Echoes every 10 ms between the hosts until told to stop; then how many got no answer, by pair. */
  function echoes(): () => Promise<Record<string, number>> {
    const pairs = [
      [1, 2],
      [2, 3],
      [3, 1],
      [1, 4],
    ] as const;
    const probes = pairs.flatMap(([from, to]) =>
      [
        [`10.65.${from}.1`, `10.65.${to}.1`],
        [`fd65::${from}:1`, `fd65::${to}:1`],
      ].map(([source, target]) => {
        const child = spawn(
          'ip',
          ['netns', 'exec', fabric.hosts[from - 1]!, 'ping', '-q', '-i', '0.01', '-I', source!, target!],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        let text = '';
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
        const ended = new Promise<number>((resolve) => {
          child.once('exit', () => {
            const [, sent, answered] = /(\d+) packets transmitted, (\d+) received/.exec(text)!;
            expect(Number(answered)).toBeGreaterThan(100);
            resolve(Number(sent) - Number(answered));
          });
        });
        return { name: `${source} to ${target}`, child, ended };
      }),
    );
    return async () => {
      for (const { child } of probes) child.kill('SIGINT');
      const lost: Record<string, number> = {};
      for (const { name, ended } of probes) {
        // The last echo may be on its way when the end comes.
        const count = await ended;
        if (count > 1) lost[name] = count;
      }
      return lost;
    };
  }

  it('goes from the mesh to a reflector and back, whoever hears of it first, and loses no packet', async () => {
    await peering(MESHED);
    const stop = echoes();
    const established = () =>
      hosts
        .get(1)!
        .running.speaker.status()
        .peers.find(({ address }) => address === '10.99.0.4')!.since;
    const since = established();
    await change([...REFLECTING, NO_MESH], [1, 2, 3, 4]);
    await peering(REFLECTED);
    // The session with the node that became the reflector is the same as before.
    expect(established()).toBe(since);
    const back = [
      MESH,
      node(REFLECTOR),
      put('BGPPeer', 'reflectors', { nodeSelector: 'has(nobody)', peerSelector: 'has(nobody)' }),
    ];
    await change(back, [4, 3, 2, 1]);
    await peering(MESHED);
    await change([NO_MESH, ...REFLECTING.toReversed()], [4, 1, 3, 2]);
    await peering(REFLECTED);
    expect(await stop()).toEqual({});
  });
});
