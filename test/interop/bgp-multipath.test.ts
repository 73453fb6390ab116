/** Which of the paths that BIRD and FRR tell are used, and how traffic is shared among them in the kernel. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import { DEFAULT_DECISION, type DecisionOptions } from '../../src/bgp/rib/decision.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const ROUTES = ['192.0.2.0/24', '2001:db8:1::/48'];

describeKernel('two ways to the same prefixes', () => {
  let fabric: Fabric;
  let bird: Bird;
  let frr: Frr;
  let ours: RunningSpeaker;
  let config: SpeakerConfig;

  beforeEach(async () => {
    fabric = await makeFabric(3);
  });
  afterEach(async () => {
    await ours.stop();
    await Promise.all([bird.stop(), frr.stop()]);
    fabric.destroy();
  });

  /** BIRD is host 2 and FRR is host 3, each in an AS of its own. */
  async function start(
    channel: string,
    routeMap: readonly string[],
    fields: Partial<PeerConfig> = {},
  ): Promise<void> {
    const both = { neighbor: 1, neighborAs: 64512, routes: ROUTES };
    config = speakerConfig(
      1,
      [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host, ...fields })),
    );
    [bird, frr, ours] = await Promise.all([
      Bird.start({
        namespace: fabric.hosts[1]!,
        config: birdConfig({
          ...both,
          host: 2,
          asNumber: 65002,
          channel: `export filter { ${channel} accept; };`,
        }),
      }),
      Frr.start({
        namespace: fabric.hosts[2]!,
        config: frrConfig({
          ...both,
          host: 3,
          asNumber: 65003,
          family: ['route-map OUT out'],
          more: ['route-map OUT permit 10', ...routeMap.map((line) => ` ${line}`)].join('\n'),
        }),
      }),
      startSpeaker(fabric.hosts[0]!, config),
    ]);
  }

  function reconfigure(decision: Partial<DecisionOptions>, fields: Partial<PeerConfig>[] = []): void {
    const peers = config.peers.map((peer, index) => ({ ...peer, ...fields[index] }));
    config = { ...config, peers, decision: { ...DEFAULT_DECISION, ...decision } };
    ours.speaker.reconfigure(config);
  }

  /** Waits until the kernel sends by these hosts, each with its weight, in both families. */
  async function ways(...expected: readonly string[]): Promise<void> {
    await vi.waitFor(async () => {
      const tables = [await fabric.ip(1, '-4', '-j', 'route', 'show', ROUTES[0]!)];
      tables.push(await fabric.ip(1, '-6', '-j', 'route', 'show', ROUTES[1]!));
      for (const table of tables) expect(waysOf(table)).toEqual(expected);
    }, EVENTUALLY);
  }

  function established(): readonly string[] {
    return ours.speaker.status().peers.map(({ since }) => since);
  }

  it('share traffic alike, by the bandwidth of links, or not at all, without a session that ends', async () => {
    await start('', []);
    await ways('2 x1', '3 x1');
    const before = established();
    reconfigure({}, [{ linkBandwidth: 1e9 }, { linkBandwidth: 4e9 }]);
    await ways('2 x1', '3 x4');
    reconfigure({ multipath: { external: 1, internal: 16 } });
    await ways('2 x1');
    reconfigure({ multipathAsPath: 'neighbor' });
    await ways('2 x1');
    reconfigure({});
    await ways('2 x1', '3 x4');
    expect(established()).toEqual(before);
  });

  it('share traffic by the bandwidth that both tell', async () => {
    await start('bgp_ext_community.add((generic, 0x0004fdea, 0x4cee6b28));', [
      'set extcommunity bandwidth 2000',
    ]);
    await ways('2 x1', '3 x2');
  });

  it('compare MEDs where that is wanted', async () => {
    await start('bgp_med = 20;', ['set metric 10']);
    await ways('2 x1', '3 x1');
    reconfigure({ alwaysCompareMed: true });
    await ways('3 x1');
  });

  it('compare accumulated metrics before the length of paths, where they are exchanged', async () => {
    const channel = 'igp_metric = 20; bgp_path.prepend(65002);';
    await start(channel, []);
    await ways('3 x1');
    await bird.reconfigure(
      birdConfig({
        host: 2,
        neighbor: 1,
        asNumber: 65002,
        neighborAs: 64512,
        routes: ROUTES,
        channel: `aigp originate; export filter { ${channel} accept; };`,
      }),
    );
    reconfigure({}, [{ aigp: 5 }]);
    await ways('2 x1');
  });
});

/** `HOST xWEIGHT` of each way, by host. */
function waysOf(text: string): string[] {
  const routes = JSON.parse(text === '' ? '[]' : text) as readonly {
    readonly gateway?: string;
    readonly nexthops?: readonly { readonly gateway: string; readonly weight: number }[];
  }[];
  return routes
    .flatMap(({ gateway, nexthops }) => nexthops ?? [{ gateway: gateway ?? '', weight: 1 }])
    .map(({ gateway, weight }) => `${/[0-9a-f]+$/.exec(gateway)?.[0]} x${weight}`)
    .toSorted();
}
