/** Peers that connect from a prefix and are not configured one by one. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DEFAULT_GRACEFUL_RESTART, type PeerConfig } from '../../src/bgp/config.ts';
import type { PeerStatus } from '../../src/bgp/status.ts';
import { prefix } from '../../src/net/prefix.ts';
import { tcpSocket } from '../../src/sys/socket.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 30_000, interval: 50 };
const OPEN = 1;
const NOTIFICATION = 3;

/** Host N in AS 65002 by BIRD; `extra`: of its BGP protocol. */
function birdConfig(host: number, extra = ''): string {
  return `
log stderr all;
router id 10.99.0.${host};
protocol device { scan time 1; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol static { ipv4; route 10.65.${host}.0/26 blackhole; }
protocol static { ipv6; route fd65::${host}:0/122 blackhole; }
protocol bgp margay {
  local 10.99.0.${host} as 65002;
  neighbor 10.99.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  ${extra}
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address fd99::${host}; };
}
`;
}

const FRR = `
log stdout
router bgp 65002
 bgp router-id 10.99.0.3
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor fd99::1 remote-as 64512
 neighbor fd99::1 timers connect 1
 neighbor fd99::1 capability extended-nexthop
 address-family ipv4 unicast
  network 10.65.3.0/26
  neighbor fd99::1 activate
 exit-address-family
 address-family ipv6 unicast
  network fd65::3:0/122
  neighbor fd99::1 activate
 exit-address-family
`;

describeKernel('peers that connect from a prefix', () => {
  let fabric: Fabric;
  let speaker: RunningSpeaker;
  const routers: { stop(): Promise<void> }[] = [];
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    fabric = await makeFabric(4);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    for (const router of routers.splice(0)) await router.stop();
    await speaker.stop();
    fabric.destroy();
  });

  function template(
    prefixes: readonly string[],
    limit: number,
    fields: Partial<PeerConfig> = {},
  ): PeerConfig {
    const { sourceAddress: _none, ...peer } = peerConfig(1, 2, {
      name: 'racks',
      type: 'dynamic',
      asNumber: 65002,
      passive: true,
      dynamicNeighbors: { prefixes: prefixes.map((text) => prefix(text)), limit },
      ...fields,
    });
    return peer;
  }

  async function start(...peers: readonly PeerConfig[]): Promise<void> {
    speaker = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, peers));
  }

  async function startBird(host: number, extra?: string): Promise<Bird> {
    const bird = await Bird.start({ namespace: fabric.hosts[host - 1]!, config: birdConfig(host, extra) });
    routers.push(bird);
    return bird;
  }

  const peers = (): readonly PeerStatus[] => speaker.speaker.status().peers;
  const peer = (name: string): PeerStatus | undefined => peers().find((one) => one.name === name);

  async function expectUp(name: string): Promise<void> {
    await vi.waitFor(() => {
      expect(peer(name)).toMatchObject({
        state: 'Established',
        type: 'dynamic',
        template: 'racks',
        received: 2,
      });
    }, EVENTUALLY);
  }

  async function expectKernelRoutes(host: number, of: number): Promise<void> {
    await vi.waitFor(async () => {
      expect(await fabric.ip(host, '-4', 'route', 'show')).toContain(`10.65.${of}.0/26`);
      expect(await fabric.ip(host, '-6', 'route', 'show')).toContain(`fd65::${of}:0/122`);
    }, EVENTUALLY);
  }

  /** Connects from a host; the type of the first message that we are told. */
  async function firstMessage(host: number): Promise<number> {
    const socket = new Socket({ fd: tcpSocket({ namespace: fabric.hosts[host - 1]!, family: 4 }) });
    sockets.add(socket);
    const data = once(socket, 'data') as Promise<[Uint8Array]>;
    socket.connect({ host: '10.99.0.1', port: 179 });
    return (await data)[0][18]!;
  }

  it('exchange routes both ways over IPv4 and IPv6, up to the limit, and others are refused', async () => {
    await start(template(['10.99.0.2/31', 'fd99::2/127'], 2));
    expect(peers()).toEqual([]);
    const bird = await startBird(2);
    routers.push(await Frr.start({ namespace: fabric.hosts[2]!, config: FRR }));
    await expectUp('Dynamic_10_99_0_2');
    await expectUp('Dynamic_fd99__3');
    for (const host of [2, 3]) {
      await expectKernelRoutes(1, host);
      await expectKernelRoutes(host, 1);
    }
    // From outside, and from inside beyond the limit.
    expect(await firstMessage(4)).toBe(NOTIFICATION);
    expect(speaker.speaker.status().dynamic).toMatchObject([{ template: 'racks', peers: 2, refused: 0 }]);
    expect(await firstMessage(3)).toBe(NOTIFICATION);
    expect(speaker.speaker.status().dynamic).toMatchObject([{ template: 'racks', peers: 2, refused: 1 }]);
    // One leaves, and another may come.
    await bird.stop();
    await vi.waitFor(() => expect(peer('Dynamic_10_99_0_2')).toBeUndefined(), EVENTUALLY);
    expect(await fabric.ip(1, '-4', 'route', 'show')).not.toContain('10.65.2.0/26');
    expect(await firstMessage(3)).toBe(OPEN);
    expect(peer('Dynamic_fd99__3')).toMatchObject({ state: 'Established' });
  });

  it('stay while their routes are kept for a restart, and go when they do not come back', async () => {
    await start(template(['10.99.0.0/24'], 100));
    const bird = await startBird(2, 'graceful restart on; graceful restart time 20;');
    await expectUp('Dynamic_10_99_0_2');
    await bird.kill();
    await vi.waitFor(() => expect(peer('Dynamic_10_99_0_2')).toMatchObject({ stale: 2 }), EVENTUALLY);
    await bird.restart({ recover: true });
    await vi.waitFor(() => {
      expect(peer('Dynamic_10_99_0_2')).toMatchObject({ state: 'Established', received: 2, stale: 0 });
    }, EVENTUALLY);
    await bird.stop();
    await vi.waitFor(() => expect(peers()).toEqual([]), { timeout: 60_000, interval: 50 });
  }, 120_000);

  it('are awaited after our restart if they had routes, and those that never came are not', async () => {
    const hours = { ...DEFAULT_GRACEFUL_RESTART, peerWaitTime: 7200, deferralTime: 7200 };
    const config = speakerConfig(
      1,
      [template(['10.99.0.0/25'], 100), template(['10.99.0.128/25'], 100, { name: 'empty' })],
      { gracefulRestart: hours },
    );
    speaker = await startSpeaker(fabric.hosts[0]!, config);
    const route = 'route fd65::2:0/122 blackhole;';
    const text = birdConfig(2, 'graceful restart on;').replace(route, '');
    routers.push(await Bird.start({ namespace: fabric.hosts[1]!, config: text }));
    const learned = async (): Promise<void> =>
      expect(await fabric.ip(1, '-4', 'route', 'show')).toContain('10.65.2.0/26');
    await vi.waitFor(learned, EVENTUALLY);
    await speaker.stop({ graceful: true });
    await learned();
    speaker = await startSpeaker(fabric.hosts[0]!, config);
    expect(speaker.speaker.status().restarting).toBe(true);
    await vi.waitFor(() => expect(speaker.speaker.status().restarting).toBe(false), EVENTUALLY);
    expect(peer('Dynamic_10_99_0_2')).toMatchObject({ state: 'Established', received: 1, stale: 0 });
    await learned();
  });

  it('sign their segments by the key of the prefix (RFC 2385)', async () => {
    await start(template(['10.99.0.0/24'], 100, { password: 'the key of the rack' }));
    await startBird(4, 'password "another key";');
    await startBird(2, 'password "the key of the rack";');
    await expectUp('Dynamic_10_99_0_2');
    expect(peer('Dynamic_10_99_0_4')).toBeUndefined();
  });

  it('go on without a flap when they are configured themselves, and when their template changes', async () => {
    const racks = template(['10.99.0.0/24'], 100);
    await start(racks);
    await startBird(2);
    await expectUp('Dynamic_10_99_0_2');
    const { since } = peer('Dynamic_10_99_0_2')!;
    speaker.speaker.reconfigure(speakerConfig(1, [{ ...racks, asOverride: true }]));
    expect(peer('Dynamic_10_99_0_2')).toMatchObject({ state: 'Established', since });
    const single = peerConfig(1, 2, { name: 'Global_10_99_0_2', type: 'global', asNumber: 65002 });
    speaker.speaker.reconfigure(speakerConfig(1, [racks, single]));
    expect(peers()).toMatchObject([
      { name: 'Global_10_99_0_2', type: 'global', state: 'Established', since },
    ]);
    expect(peers()[0]).not.toHaveProperty('template');
  });
});
