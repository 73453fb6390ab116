/** When sessions end, why, and for how long: prefix limits, timers, shutdown, graceful shutdown, with BIRD and FRR. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import type { PeerStatus } from '../../src/bgp/status.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const THEIRS = ['192.0.2.0/26', '192.0.2.64/26', '192.0.2.128/26'];
const OURS = { blocks: [prefix('10.65.1.0/26'), prefix('10.65.1.64/26')] };
const BOTH = { neighbor: 1, neighborAs: 64512, routes: THEIRS };

describeKernel('sessions with BIRD and FRR', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let frr: Frr | undefined;
  let ours: RunningSpeaker | undefined;
  let peers: PeerConfig[];

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

  /** BIRD is host 2, FRR is host 3; each in an AS of its own. */
  async function start(
    fields: Partial<PeerConfig>,
    theirs: { readonly frr?: readonly string[]; readonly family?: readonly string[] } = {},
  ): Promise<void> {
    peers = [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host, ...fields }));
    [bird, frr, ours] = await Promise.all([
      Bird.start({
        namespace: fabric.hosts[1]!,
        config: birdConfig({ ...BOTH, host: 2, asNumber: 65002 }),
      }),
      Frr.start({
        namespace: fabric.hosts[2]!,
        config: frrConfig({
          ...BOTH,
          host: 3,
          asNumber: 65003,
          session: theirs.frr ?? [],
          family: theirs.family ?? [],
        }),
      }),
      startSpeaker(fabric.hosts[0]!, speakerConfig(1, peers, OURS)),
    ]);
  }

  /** Gives the peers other fields, undefined to take one away. */
  function change(fields: { readonly [Name in keyof PeerConfig]?: PeerConfig[Name] | undefined }): void {
    peers = peers.map((peer) => {
      const entries = Object.entries({ ...peer, ...fields }).filter(([, value]) => value !== undefined);
      return Object.fromEntries(entries) as unknown as PeerConfig;
    });
    ours!.speaker.reconfigure(speakerConfig(1, peers, OURS));
  }

  function status(): readonly PeerStatus[] {
    return ours!.speaker.status().peers;
  }

  async function eachIs(expected: Partial<PeerStatus>): Promise<void> {
    await vi.waitFor(() => {
      for (const peer of status()) expect(peer).toMatchObject(expected);
    }, EVENTUALLY);
  }

  it('end beyond a limit of prefixes, for good or for a time, and are back under another limit', async () => {
    const reached = {
      info: expect.stringMatching(/Maximum Number of Prefixes Reached: more than 2 of IPv4$/) as string,
    };
    await start({ maxPrefix: { limit: 2, warning: 75, beyond: 'idle' } });
    await eachIs({ state: 'Idle', received: 0, ...reached });
    await vi.waitFor(async () => {
      expect(bird!.log).toMatch(/Received: (Maximum number of prefixes reached|Hard reset)/i);
      expect(await frr!.ask('show bgp neighbors 10.99.0.1')).toMatch(
        /Cease\/(Maximum Number of Prefixes|Hard Reset)/i,
      );
    }, EVENTUALLY);

    change({ maxPrefix: { limit: 3, warning: 75, beyond: 'idle' } });
    await eachIs({ state: 'Established', received: 3 });

    // A lower limit counts at once, and the session comes back by itself, again and again.
    change({ maxPrefix: { limit: 2, warning: 75, beyond: { restart: 0.5 } } });
    await eachIs({ received: 0, ...reached });
    const { since } = status()[0]!;
    await vi.waitFor(() => expect(status()[0]!.since).not.toBe(since), EVENTUALLY);

    change({ maxPrefix: { limit: 2, warning: 75, beyond: 'warn' } });
    await eachIs({ state: 'Established', received: 3, info: '' });
  });

  it("end beyond the peer's limit, and say so", async () => {
    await start({}, { family: ['maximum-prefix 2'] });
    await eachIs({ state: 'Established', received: 3 });
    const blocks = [...OURS.blocks, prefix('10.65.1.128/26'), prefix('10.65.1.192/26')];
    ours!.speaker.reconfigure(speakerConfig(1, peers, { blocks }));
    await vi.waitFor(() => {
      expect(status()[1]!.info).toMatch(/^Received: Cease, .*Maximum Number of Prefixes Reached/);
      expect(status()[0]!.state).toBe('Established');
    }, EVENTUALLY);
  });

  it('live with a keepalive a second and a hold time of three', async () => {
    await start({ holdTime: 3 }, { frr: ['timers 1 3'] });
    const received = async (): Promise<number> => {
      const text = await frr!.ask('show bgp neighbors 10.99.0.1');
      expect(text).toMatch(/Hold time is 3 seconds, keepalive interval is 1 seconds/);
      expect(text).toMatch(/Connections established 1; dropped 0/);
      return Number(/Keepalives: +[0-9]+ +([0-9]+)/.exec(text)![1]);
    };
    await eachIs({ state: 'Established' });
    // Longer than the hold time, by the keepalives that it takes.
    await vi.waitFor(async () => expect(await received()).toBeGreaterThan(5), EVENTUALLY);
    expect(await bird!.ask('show', 'protocols', 'all', 'margay')).toMatch(/Hold timer: +[0-9.]+\/3/);
  });

  it('are shut down with a text for the other side, both ways (RFC 9003)', async () => {
    await start({});
    await eachIs({ state: 'Established' });
    change({ shutdown: 'upgrade at noon' });
    await eachIs({ state: 'Idle', received: 0, info: 'Shut down: "upgrade at noon"' });
    await vi.waitFor(async () => {
      expect(bird!.log).toMatch(/upgrade at noon/);
      // It does not look for the text inside a hard reset.
      expect(await frr!.ask('show bgp neighbors 10.99.0.1')).toMatch(/Cease\/Administrative Shutdown/);
    }, EVENTUALLY);
    change({ shutdown: undefined });
    await eachIs({ state: 'Established', received: 3 });

    await bird!.ask('disable', 'margay', '"new disk"');
    await frr!.configure('router bgp 65003', 'neighbor 10.99.0.1 shutdown message new disk');
    await eachIs({
      info: expect.stringMatching(/^Received: Cease, .*Administrative Shutdown: "new disk"/) as string,
    });
  });

  it('are emptied of traffic before they end, and are not interrupted by it (RFC 8326)', async () => {
    await start({});
    await eachIs({ state: 'Established', received: 3 });
    const established = status().map(({ since }) => since);
    const preferences = (): Set<number> =>
      new Set(
        ours!.speaker
          .routes()
          .filter(({ peer }) => peer !== undefined)
          .map((route) => route.localPreference),
      );
    expect(preferences()).toEqual(new Set([100]));
    change({ gracefulShutdown: true });
    await vi.waitFor(async () => {
      expect(preferences()).toEqual(new Set([0]));
      expect(await bird!.ask('show', 'route', 'all', '10.65.1.0/26')).toMatch(/\(65535,0\)/);
      expect(await frr!.ask('show bgp ipv4 unicast 10.65.1.0/26')).toMatch(/graceful-shutdown/);
    }, EVENTUALLY);
    change({ gracefulShutdown: false });
    await vi.waitFor(async () => {
      expect(preferences()).toEqual(new Set([100]));
      expect(await bird!.ask('show', 'route', 'all', '10.65.1.0/26')).not.toMatch(/\(65535,0\)/);
    }, EVENTUALLY);
    expect(status().map(({ since }) => since)).toEqual(established);
  });
});
