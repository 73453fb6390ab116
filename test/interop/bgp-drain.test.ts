/** Graceful shutdown (RFC 8326) as others see it. */
import { afterEach, expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 20 };
const DRAIN = { delay: 3, communication: 'kernel update, back at 10:00' };
const ANYCAST = '10.96.0.0/16';

describeKernel('a node that is drained', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  const running: RunningSpeaker[] = [];

  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    await bird?.stop();
    bird = undefined;
    fabric.destroy();
  });

  async function start(host: number, config: SpeakerConfig): Promise<RunningSpeaker> {
    const speaker = await startSpeaker(fabric.hosts[host - 1]!, config);
    running.push(speaker);
    return speaker;
  }

  it.each([
    ['another AS', 65003],
    ['its own AS', 64512],
  ])(
    'hands its traffic over to others before its sessions end, and takes it back (peer in %s)',
    async (_, asNumber) => {
      fabric = await makeFabric(3);
      const services = [{ cidr: prefix(ANYCAST), kind: 'cluster', advertised: true }] as const;
      const serving = (host: number): SpeakerConfig =>
        speakerConfig(host, [peerConfig(host, 3, { asNumber })], { services });
      const one = await start(1, serving(1));
      await start(2, serving(2));
      await start(
        3,
        speakerConfig(
          3,
          [1, 2].map((host) => peerConfig(3, host, { localAsNumber: asNumber })),
          { asNumber, blocks: [] },
        ),
      );
      const ways = async () => (await fabric.ip(3, 'route', 'show', ANYCAST)).match(/via \S+/g) ?? [];
      const both = ['via 10.99.0.1', 'via 10.99.0.2'];
      await vi.waitFor(async () => expect((await ways()).toSorted()).toEqual(both), EVENTUALLY);

      one.speaker.reconfigure({ ...serving(1), drain: DRAIN });
      expect(one.speaker.status().drain).toBe('draining');
      await vi.waitFor(async () => expect(await ways()).toEqual(['via 10.99.0.2']), EVENTUALLY);
      // The session is still there, and so is the block that nobody else has.
      expect(one.speaker.status().peers[0]!.state).toBe('Established');
      expect(await fabric.ip(3, 'route', 'show', '10.65.1.0/26')).toContain('via 10.99.0.1');

      await vi.waitFor(() => expect(one.speaker.status().drain).toBe('drained'), EVENTUALLY);
      expect(one.speaker.status().peers).toEqual([]);
      await vi.waitFor(async () => {
        expect(await fabric.ip(3, 'route', 'show', '10.65.1.0/26')).toBe('');
      }, EVENTUALLY);
      expect(await ways()).toEqual(['via 10.99.0.2']);

      one.speaker.reconfigure(serving(1));
      await vi.waitFor(async () => expect((await ways()).toSorted()).toEqual(both), EVENTUALLY);
    },
  );

  it('tells BIRD by community and LOCAL_PREF first, and why in the end', async () => {
    fabric = await makeFabric(2);
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ host: 2, neighbor: 1, asNumber: 64512, neighborAs: 64512 }),
    });
    const config = speakerConfig(1, [peerConfig(1, 2)]);
    const one = await start(1, config);
    const routes = () => bird!.ask('show', 'route', 'all', '10.65.1.0/26');
    await vi.waitFor(async () => expect(await routes()).toMatch(/local_pref: 2147482623/), EVENTUALLY);
    one.speaker.reconfigure({ ...config, drain: DRAIN });
    await vi.waitFor(async () => {
      const text = await routes();
      expect(text).toMatch(/BGP\.community: \(65535,0\)$/m);
      expect(text).toMatch(/BGP\.local_pref: 0$/m);
    }, EVENTUALLY);
    await vi.waitFor(() => {
      expect(bird!.log).toMatch(/Received: Administrative shutdown.*kernel update, back at 10:00/);
    }, EVENTUALLY);
    expect(await routes()).not.toMatch(/10\.65\.1\.0/);
  });

  it('that starts drained opens no session', async () => {
    fabric = await makeFabric(2);
    const config = speakerConfig(1, [peerConfig(1, 2)]);
    const one = await start(1, { ...config, drain: DRAIN });
    await start(2, speakerConfig(2, [peerConfig(2, 1)]));
    await vi.waitFor(() => {
      expect(running[1]!.speaker.status().peers[0]!.info).toMatch(/Received: Cease, Connection Rejected/);
    }, EVENTUALLY);
    expect(one.speaker.status()).toMatchObject({ drain: 'drained', peers: [] });
    one.speaker.reconfigure(config);
    await vi.waitFor(() => {
      expect(one.speaker.status()).toMatchObject({ drain: 'serving', peers: [{ state: 'Established' }] });
    }, EVENTUALLY);
  });
});
