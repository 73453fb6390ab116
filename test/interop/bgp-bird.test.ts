/** Sessions with BIRD 2: routes both ways, errors as both sides see them. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpeakerStatus } from '../../src/bgp/status.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const ROUTES = ['192.0.2.0/24', '198.51.100.0/25', '2001:db8:1::/48', '2001:db8:2::/64'];
const EVENTUALLY = { timeout: 15_000, interval: 100 };

describeKernel('a session with BIRD', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let ours: RunningSpeaker | undefined;

  beforeEach(async () => {
    fabric = await makeFabric(2);
  });
  afterEach(async () => {
    await ours?.stop();
    await bird?.stop();
    fabric.destroy();
    ours = undefined;
    bird = undefined;
  });

  const peer = (): SpeakerStatus['peers'][number] => ours!.speaker.status().peers[0]!;

  it.each([
    ['eBGP', 65002],
    ['iBGP', 64512],
  ])('carries both families both ways over one session (%s)', async (_, asNumber) => {
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ host: 2, neighbor: 1, asNumber, neighborAs: 64512, routes: ROUTES }),
    });
    ours = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, [peerConfig(1, 2, { asNumber })]));
    await vi.waitFor(
      () => expect(peer()).toMatchObject({ state: 'Established', received: 4, advertised: 2 }),
      EVENTUALLY,
    );
    expect(peer().families).toEqual([4, 6]);
    expect(peer().info).toBe('');

    await vi.waitFor(async () => {
      const theirs = await bird!.ask('show', 'route', 'all', 'protocol', 'margay');
      expect(theirs).toMatch(/10\.65\.1\.0\/26/);
      expect(theirs).toMatch(/fd65::1:0\/122/);
      expect(theirs).toMatch(/BGP\.next_hop: 10\.99\.0\.1/);
      expect(theirs).toMatch(/BGP\.next_hop: fd99::1/);
      if (asNumber === 64512) expect(theirs).toMatch(/BGP\.local_pref: 2147482623/);
      else expect(theirs).toMatch(/BGP\.as_path: 64512/);
    }, EVENTUALLY);
    await vi.waitFor(async () => {
      expect(await fabric.ip(2, 'route', 'show', '10.65.1.0/26')).toMatch(
        /via 10\.99\.0\.1 dev eth0 proto bird/,
      );
      expect(await fabric.ip(2, '-6', 'route', 'show', 'fd65::1:0/122')).toMatch(
        /via fd99::1 dev eth0 proto bird/,
      );
    }, EVENTUALLY);

    await vi.waitFor(async () => {
      for (const route of ROUTES) {
        const via = route.includes(':') ? 'fd99::2' : '10.99.0.2';
        const family = route.includes(':') ? '-6' : '-4';
        expect(await fabric.ip(1, family, 'route', 'show', route)).toMatch(
          new RegExp(`via ${via} dev eth0 proto 81 metric 1024`),
        );
      }
    }, EVENTUALLY);

    await bird.ask('disable', 'static4');
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toBe('');
      expect((await fabric.ip(1, '-6', 'route', 'show', 'proto', '81')).trim().split('\n')).toHaveLength(2);
    }, EVENTUALLY);

    await ours.stop();
    ours = undefined;
    expect(await fabric.ip(1, '-6', 'route', 'show', 'proto', '81')).toBe('');
    await vi.waitFor(async () => {
      expect(await bird!.ask('show', 'route', 'protocol', 'margay')).not.toMatch(/10\.65\.1\.0/);
      expect(bird!.log).toMatch(/Received: Administrative shutdown/);
    }, EVENTUALLY);
  });

  it('refuses a wrong AS number with NOTIFICATION 2/2, once and in words on both sides', async () => {
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ host: 2, neighbor: 1, asNumber: 65002, neighborAs: 64512 }),
    });
    ours = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, [peerConfig(1, 2, { asNumber: 65009 })]));
    await vi.waitFor(async () => {
      expect(peer().info).toBe(
        'Sent: OPEN Message Error, Bad Peer AS (the peer says AS 65002, configured is AS 65009)',
      );
      expect(bird!.log).toMatch(/Received: Bad peer AS/);
    }, EVENTUALLY);
    expect(peer().state).not.toBe('Established');
  });

  it('ends the session when BIRD falls silent, and takes its routes out (hold timer)', async () => {
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({
        host: 2,
        neighbor: 1,
        asNumber: 65002,
        neighborAs: 64512,
        routes: ROUTES,
        bgp: 'hold time 3; graceful restart off;',
      }),
    });
    ours = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, [peerConfig(1, 2, { asNumber: 65002 })]));
    await vi.waitFor(() => expect(ours!.speaker.status().kernel.installed).toBe(4), EVENTUALLY);
    bird.signal('SIGSTOP');
    await vi.waitFor(() => expect(peer().info).toMatch(/Hold Timer Expired/), EVENTUALLY);
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toBe('');
      expect(await fabric.ip(1, '-6', 'route', 'show', 'proto', '81')).toBe('');
    }, EVENTUALLY);
    bird.signal('SIGCONT');
    await vi.waitFor(() => expect(ours!.speaker.status().kernel.installed).toBe(4), EVENTUALLY);
  });
});
