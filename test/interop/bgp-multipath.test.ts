/** Which of the paths that BIRD and FRR tell are used, and how traffic is shared among them in the kernel. */
import { expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import { DEFAULT_DECISION, type DecisionOptions } from '../../src/bgp/rib/decision.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { birdConfig } from './fixture-bird.ts';
import { peerConfig, speakerConfig } from './fixture-speaker.ts';
import { useTrio } from './fixture-trio.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const ROUTES = ['192.0.2.0/24', '2001:db8:1::/48'];

describeKernel('two ways to the same prefixes', () => {
  const trio = useTrio();
  let config: SpeakerConfig;

  /** BIRD is host 2 and FRR is host 3, each in an AS of its own. */
  async function start(
    channel: string,
    routeMap: readonly string[],
    fields: Partial<PeerConfig> = {},
  ): Promise<void> {
    config = speakerConfig(
      1,
      [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host, ...fields })),
    );
    await trio.start({
      bird: { routes: ROUTES, channel: `export filter { ${channel} accept; };` },
      frr: {
        routes: ROUTES,
        family: ['route-map OUT out'],
        more: ['route-map OUT permit 10', ...routeMap.map((line) => ` ${line}`)].join('\n'),
      },
      ours: config,
    });
  }

  function reconfigure(decision: Partial<DecisionOptions>, fields: Partial<PeerConfig>[] = []): void {
    const peers = config.peers.map((peer, index) => ({ ...peer, ...fields[index] }));
    config = { ...config, peers, decision: { ...DEFAULT_DECISION, ...decision } };
    trio.ours.speaker.reconfigure(config);
  }

  /** Waits until the kernel sends by these hosts, each with its weight, in both families. */
  async function ways(...expected: readonly string[]): Promise<void> {
    await vi.waitFor(async () => {
      const tables = [await trio.fabric.ip(1, '-4', '-j', 'route', 'show', ROUTES[0]!)];
      tables.push(await trio.fabric.ip(1, '-6', '-j', 'route', 'show', ROUTES[1]!));
      for (const table of tables) expect(waysOf(table)).toEqual(expected);
    }, EVENTUALLY);
  }

  function established(): readonly string[] {
    return trio.ours.speaker.status().peers.map(({ since }) => since);
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
    await trio.bird.reconfigure(
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
