/** Next hops of third parties towards another AS (RFC 4271 §5.1.3), judged by the routers of others. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 100 };
const ROUTER = 3;

const FRR_CONFIG = `
log stdout
router bgp 65003
 bgp router-id 10.99.0.3
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.99.0.1 remote-as 64512
 neighbor 10.99.0.1 timers connect 1
 address-family ipv6 unicast
  neighbor 10.99.0.1 activate
 exit-address-family
`;

describeKernel('a router in the same network as two hosts, with a session to one of them', () => {
  let fabric: Fabric;
  let router: { stop(): Promise<void> } | undefined;
  const running: RunningSpeaker[] = [];

  beforeEach(async () => {
    fabric = await makeFabric(3);
  });
  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    await router?.stop();
    router = undefined;
    fabric.destroy();
  });

  it.each([
    [
      'BIRD',
      (namespace: string) =>
        Bird.start({
          namespace,
          config: birdConfig({ host: ROUTER, neighbor: 1, asNumber: 65003, neighborAs: 64512 }),
        }),
    ],
    ['FRR', (namespace: string) => Frr.start({ namespace, config: FRR_CONFIG })],
  ])('sends straight to each host (%s)', async (_, start) => {
    router = await start(fabric.hosts[ROUTER - 1]!);
    const upstream = peerConfig(1, ROUTER, { name: 'Global_10_99_0_3', type: 'global', asNumber: 65003 });
    running.push(await startSpeaker(fabric.hosts[0]!, speakerConfig(1, [peerConfig(1, 2), upstream])));
    running.push(await startSpeaker(fabric.hosts[1]!, speakerConfig(2, [peerConfig(2, 1)])));
    await routes('10.99.0.2', 'fd99::2');

    running[0]!.speaker.reconfigure(
      speakerConfig(1, [peerConfig(1, 2), { ...upstream, nextHopMode: 'self' }]),
    );
    await routes('10.99.0.1', 'fd99::1');
  });

  /** Waits until the router reaches host 1 by its own addresses and host 2 by these. */
  async function routes(ipv4: string, ipv6: string): Promise<void> {
    await vi.waitFor(async () => {
      const table = (await fabric.ip(ROUTER, '-4', 'route')) + (await fabric.ip(ROUTER, '-6', 'route'));
      expect(table).toMatch(/^10\.65\.1\.0\/26 .*via 10\.99\.0\.1 /m);
      expect(table).toMatch(/^fd65::1:0\/122 .*via fd99::1 /m);
      expect(table).toMatch(new RegExp(`^10\\.65\\.2\\.0/26 .*via ${ipv4} `, 'm'));
      expect(table).toMatch(new RegExp(`^fd65::2:0/122 .*via ${ipv6} `, 'm'));
    }, EVENTUALLY);
  }
});
