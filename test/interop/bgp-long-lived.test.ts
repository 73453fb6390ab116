/** Long-lived graceful restart (RFC 9494) in both roles, with BIRD and FRR. */
import { expect, it, vi } from 'vitest';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { peerConfig, speakerConfig } from './fixture-speaker.ts';
import { useTrio } from './fixture-trio.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const ROUTE = '192.0.2.0/25';
const OTHERS = {
  pools: ['192.0.2.0/24', '10.65.0.0/16', 'fd65::/32'].map((cidr) => ({
    cidr: prefix(cidr),
    exported: true,
  })),
};

describeKernel('routes that outlive their session for long', () => {
  const trio = useTrio();

  /** The restart time is a second everywhere, the long-lived stale time as given. */
  async function start(staleTime: number): Promise<void> {
    const peers = [2, 3].map((host) =>
      peerConfig(1, host, { asNumber: 65000 + host, restartTime: 1, llgr: 1000 }),
    );
    await trio.start({
      bird: {
        routes: [ROUTE],
        bgp: `graceful restart yes; graceful restart time 1; long lived graceful restart yes; long lived stale time ${staleTime};`,
      },
      frr: {
        bgp: [
          'bgp graceful-restart',
          'bgp graceful-restart restart-time 1',
          `bgp long-lived-graceful-restart stale-time ${staleTime}`,
        ],
      },
      ours: speakerConfig(1, peers, OTHERS),
    });
  }

  const atFrr = (route: string): Promise<string> => trio.frr.ask(`show bgp ipv4 unicast ${route}`);
  const atBird = (route: string): Promise<string> => trio.bird.ask('show', 'route', 'all', route);

  it('stay as a last resort when BIRD is away, are told as such to FRR, and go in the end', async () => {
    await start(3);
    await vi.waitFor(async () => expect(await atFrr(ROUTE)).toMatch(/65002/), EVENTUALLY);
    expect(await atFrr(ROUTE)).not.toMatch(/llgr-stale/);
    await trio.bird.kill();
    await vi.waitFor(async () => {
      expect(await atFrr(ROUTE)).toMatch(/Community: llgr-stale/);
      expect(trio.ours.speaker.status().peers[0]).toMatchObject({ received: 1, stale: 1 });
      expect(await trio.fabric.ip(1, 'route', 'show', ROUTE)).toMatch(/via 10\.99\.0\.2 .*proto 81/);
    }, EVENTUALLY);
    await vi.waitFor(async () => {
      expect(await atFrr(ROUTE)).toMatch(/not in table/);
      expect(await trio.fabric.ip(1, 'route', 'show', ROUTE)).toBe('');
    }, EVENTUALLY);
  });

  it('of ours are kept by BIRD and FRR while we are away, and are as they were when we are back', async () => {
    await start(1000);
    const block = '10.65.1.0/26';
    await vi.waitFor(async () => {
      expect(await atBird(block)).toMatch(/unicast/);
      expect(await atFrr(block)).toMatch(/64512/);
    }, EVENTUALLY);
    await trio.stopOurs({ graceful: true });
    await vi.waitFor(async () => {
      expect(await atBird(block)).toMatch(/\(65535,6\)/);
      expect(await atFrr(block)).toMatch(/llgr-stale/);
    }, EVENTUALLY);
    const peers = [2, 3].map((host) =>
      peerConfig(1, host, { asNumber: 65000 + host, restartTime: 1, llgr: 1000 }),
    );
    await trio.startOurs(speakerConfig(1, peers, OTHERS));
    await vi.waitFor(async () => {
      for (const text of [await atBird(block), await atFrr(block)]) {
        expect(text).toMatch(/64512/);
        expect(text).not.toMatch(/65535,6|llgr-stale/);
      }
    }, EVENTUALLY);
  });
});
