/** Long-lived graceful restart (RFC 9494) in both roles, with BIRD and FRR. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const ROUTE = '192.0.2.0/25';
const OTHERS = {
  pools: ['192.0.2.0/24', '10.65.0.0/16', 'fd65::/32'].map((cidr) => ({
    cidr: prefix(cidr),
    exported: true,
  })),
};

describeKernel('routes that outlive their session for long', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let frr: Frr | undefined;
  let ours: RunningSpeaker | undefined;

  beforeEach(async () => {
    fabric = await makeFabric(3);
  });
  afterEach(async () => {
    await ours?.stop();
    await Promise.all([bird?.stop(), frr?.stop()]);
    fabric.destroy();
    ours = undefined;
    bird = undefined;
    frr = undefined;
  });

  /** The restart time is a second everywhere, the long-lived stale time as given. */
  async function start(staleTime: number): Promise<void> {
    const both = { neighbor: 1, neighborAs: 64512 };
    const peers = [2, 3].map((host) =>
      peerConfig(1, host, { asNumber: 65000 + host, restartTime: 1, llgr: 1000 }),
    );
    [bird, frr, ours] = await Promise.all([
      Bird.start({
        namespace: fabric.hosts[1]!,
        config: birdConfig({
          ...both,
          host: 2,
          asNumber: 65002,
          routes: [ROUTE],
          bgp: `graceful restart yes; graceful restart time 1; long lived graceful restart yes; long lived stale time ${staleTime};`,
        }),
      }),
      Frr.start({
        namespace: fabric.hosts[2]!,
        config: frrConfig({
          ...both,
          host: 3,
          asNumber: 65003,
          bgp: [
            'bgp graceful-restart',
            'bgp graceful-restart restart-time 1',
            `bgp long-lived-graceful-restart stale-time ${staleTime}`,
          ],
        }),
      }),
      startSpeaker(fabric.hosts[0]!, speakerConfig(1, peers, OTHERS)),
    ]);
  }

  const atFrr = (route: string): Promise<string> => frr!.ask(`show bgp ipv4 unicast ${route}`);
  const atBird = (route: string): Promise<string> => bird!.ask('show', 'route', 'all', route);

  it('stay as a last resort when BIRD is away, are told as such to FRR, and go in the end', async () => {
    await start(3);
    await vi.waitFor(async () => expect(await atFrr(ROUTE)).toMatch(/65002/), EVENTUALLY);
    expect(await atFrr(ROUTE)).not.toMatch(/llgr-stale/);
    await bird!.kill();
    await vi.waitFor(async () => {
      expect(await atFrr(ROUTE)).toMatch(/Community: llgr-stale/);
      expect(ours!.speaker.status().peers[0]).toMatchObject({ received: 1, stale: 1 });
      expect(await fabric.ip(1, 'route', 'show', ROUTE)).toMatch(/via 10\.99\.0\.2 .*proto 81/);
    }, EVENTUALLY);
    await vi.waitFor(async () => {
      expect(await atFrr(ROUTE)).toMatch(/not in table/);
      expect(await fabric.ip(1, 'route', 'show', ROUTE)).toBe('');
    }, EVENTUALLY);
  });

  it('of ours are kept by BIRD and FRR while we are away, and are as they were when we are back', async () => {
    await start(1000);
    const block = '10.65.1.0/26';
    await vi.waitFor(async () => {
      expect(await atBird(block)).toMatch(/unicast/);
      expect(await atFrr(block)).toMatch(/64512/);
    }, EVENTUALLY);
    await ours!.stop({ graceful: true });
    ours = undefined;
    await vi.waitFor(async () => {
      expect(await atBird(block)).toMatch(/\(65535,6\)/);
      expect(await atFrr(block)).toMatch(/llgr-stale/);
    }, EVENTUALLY);
    const peers = [2, 3].map((host) =>
      peerConfig(1, host, { asNumber: 65000 + host, restartTime: 1, llgr: 1000 }),
    );
    ours = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, peers, OTHERS));
    await vi.waitFor(async () => {
      for (const text of [await atBird(block), await atFrr(block)]) {
        expect(text).toMatch(/64512/);
        expect(text).not.toMatch(/65535,6|llgr-stale/);
      }
    }, EVENTUALLY);
  });
});
