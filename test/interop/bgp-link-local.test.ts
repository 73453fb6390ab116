/** Peers that have nothing but link-local addresses: IPv4 and IPv6 routes over one session (RFC 2545, RFC 8950). */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import type { SpeakerStatus } from '../../src/bgp/status.ts';
import { address } from '../../src/net/address.ts';
import { run } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };

/** Each host's address on the link. */
const LINK = ['fe80::a:1', 'fe80::a:2'] as const;

const BIRD = `
log stderr all;
router id 10.99.0.2;
protocol device { scan time 1; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol static { ipv4; route 10.65.2.0/26 blackhole; }
protocol static { ipv6; route fd65::2:0/122 blackhole; }
protocol bgp margay {
  local fe80::a:2 as 65002;
  neighbor fe80::a:1%'eth0' as 64512;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop on; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop self; };
}
`;

const FRR = `
log stdout
router bgp 65002
 bgp router-id 10.99.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor fe80::a:1 remote-as 64512
 neighbor fe80::a:1 interface eth0
 neighbor fe80::a:1 timers connect 1
 neighbor fe80::a:1 capability extended-nexthop
 address-family ipv4 unicast
  network 10.65.2.0/26
  neighbor fe80::a:1 activate
 exit-address-family
 address-family ipv6 unicast
  network fd65::2:0/122
  neighbor fe80::a:1 activate
 exit-address-family
`;

const FRR_UNNUMBERED = `
log stdout
router bgp 65002
 bgp router-id 10.99.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth0 interface remote-as 64512
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network 10.65.2.0/26
 exit-address-family
 address-family ipv6 unicast
  network fd65::2:0/122
  neighbor eth0 activate
 exit-address-family
`;

describeKernel('peers on a link without other addresses', () => {
  let fabric: Fabric;
  let router: { stop(): Promise<void> } | undefined;
  const running: RunningSpeaker[] = [];

  beforeEach(async () => {
    fabric = await makeFabric(2);
    for (const host of [1, 2]) {
      await fabric.ip(host, 'addr', 'flush', 'dev', 'eth0');
      await addLinkLocal(host);
      await fabric.ip(host, 'addr', 'add', `10.65.${host}.1/32`, 'dev', 'lo');
      await fabric.ip(host, 'addr', 'add', `fd65::${host}:1/128`, 'dev', 'lo');
    }
  });
  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    await router?.stop();
    router = undefined;
    fabric.destroy();
  });

  async function addLinkLocal(host: number): Promise<void> {
    await fabric.ip(host, 'addr', 'replace', `${LINK[host - 1]}/64`, 'dev', 'eth0', 'nodad');
  }

  function config(host: 1 | 2, fields: Partial<PeerConfig> = {}): SpeakerConfig {
    const { sourceAddress: _none, ...peer } = peerConfig(host, 3 - host, {
      name: 'Node_eth0',
      type: 'node',
      address: address(LINK[2 - host]!),
      interface: 'eth0',
      ...fields,
    });
    // A node address that does not lead over this link must not become a next hop on it.
    return speakerConfig(host, [peer], { asNumber: peer.localAsNumber });
  }

  async function start(host: 1 | 2, fields: Partial<PeerConfig> = {}): Promise<RunningSpeaker> {
    const speaker = await startSpeaker(fabric.hosts[host - 1]!, config(host, fields));
    running.push(speaker);
    return speaker;
  }

  function peerOf(speaker: RunningSpeaker): SpeakerStatus['peers'][number] {
    return speaker.speaker.status().peers[0]!;
  }

  async function expectRoutes(host: 1 | 2, protocol: string): Promise<void> {
    const other = 3 - host;
    const via = LINK[other - 1]!;
    await vi.waitFor(async () => {
      const ipv4 = await fabric.ip(host, '-4', 'route', 'show', 'proto', protocol);
      expect(ipv4).toMatch(new RegExp(`10\\.65\\.${other}\\.0/26 .*via inet6 ${via} dev eth0`));
      const ipv6 = await fabric.ip(host, '-6', 'route', 'show', 'proto', protocol);
      expect(ipv6).toMatch(new RegExp(`fd65::${other}:0/122 .*via ${via} dev eth0`));
    }, EVENTUALLY);
  }

  async function expectPackets(): Promise<void> {
    await vi.waitFor(async () => {
      for (const [from, to] of [
        ['10.65.1.1', '10.65.2.1'],
        ['fd65::1:1', 'fd65::2:1'],
      ] as const) {
        const args = ['-c', '1', '-W', '1', '-I', from, to];
        const { status, stdout } = await run('ping', args, { namespace: fabric.hosts[0]! });
        expect(status, stdout).toBe(0);
      }
    }, EVENTUALLY);
  }

  it.each([
    ['BIRD', (namespace: string) => Bird.start({ namespace, config: BIRD }), 'bird'],
    ['FRR', (namespace: string) => Frr.start({ namespace, config: FRR }), 'bgp'],
  ])(
    'that run %s have both families over one session, down to the packet',
    async (_, startRouter, protocol) => {
      router = await startRouter(fabric.hosts[1]!);
      const speaker = await start(1, { asNumber: 65002 });
      await vi.waitFor(
        () => expect(peerOf(speaker)).toMatchObject({ state: 'Established', received: 2, advertised: 2 }),
        EVENTUALLY,
      );
      await expectRoutes(1, '81');
      await expectRoutes(2, protocol);
      await expectPackets();
    },
  );

  it('find each other by router advertisements, as FRR does for a neighbor on an interface', async () => {
    router = await Frr.start({ namespace: fabric.hosts[1]!, config: FRR_UNNUMBERED });
    const speaker = await start(1, { asNumber: 65002, address: address('::') });
    expect(peerOf(speaker)).toMatchObject({ state: 'Idle', info: 'No router is heard on interface eth0' });
    await vi.waitFor(
      () =>
        expect(peerOf(speaker)).toMatchObject({
          state: 'Established',
          address: 'fe80::a:2',
          received: 2,
          advertised: 2,
        }),
      EVENTUALLY,
    );
    await expectRoutes(1, '81');
    await expectRoutes(2, 'bgp');
    await expectPackets();
    // We are found as a router, but are nobody's default router.
    expect(await fabric.ip(2, '-6', 'route', 'show', 'default')).toBe('');
  });

  it('find each other without any address, and a new one in place of one that is gone', async () => {
    const speaker = await start(1, { address: address('::') });
    await start(2, { address: address('::'), passive: true });
    await expectRoutes(1, '81');
    await expectRoutes(2, '81');
    await running.pop()!.stop();
    await fabric.ip(2, 'addr', 'flush', 'dev', 'eth0');
    await fabric.ip(2, 'addr', 'add', 'fe80::b:2/64', 'dev', 'eth0', 'nodad');
    await start(2, { address: address('::'), passive: true });
    await vi.waitFor(
      () =>
        expect(peerOf(speaker)).toMatchObject({ state: 'Established', address: 'fe80::b:2', received: 2 }),
      EVENTUALLY,
    );
  });

  it('lose the session with the link, and its routes at once, and have them back with it', async () => {
    const speaker = await start(1);
    await start(2, { passive: true });
    await expectRoutes(1, '81');
    await expectRoutes(2, '81');
    await expectPackets();
    await fabric.setPort(1, 'down');
    await vi.waitFor(async () => {
      expect(peerOf(speaker)).toMatchObject({
        state: 'Idle',
        received: 0,
        info: expect.stringMatching(/interface eth0 is down/),
      });
      expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toBe('');
    }, EVENTUALLY);
    await fabric.setPort(1, 'up');
    await expectRoutes(1, '81');
    expect(peerOf(speaker)).toMatchObject({ state: 'Established', received: 2, stale: 0 });
  });

  it('are told apart by their link where they have the same address', async () => {
    await fabric.ip(
      1,
      'link',
      'add',
      'side',
      'type',
      'veth',
      'peer',
      'name',
      'side',
      'netns',
      fabric.hosts[1]!,
    );
    for (const host of [1, 2]) {
      await fabric.ip(host, 'link', 'set', 'side', 'up');
      await fabric.ip(host, 'addr', 'add', `${LINK[host - 1]}/64`, 'dev', 'side', 'nodad');
    }
    const both = (host: 1 | 2): SpeakerConfig => {
      const [peer] = config(host, { passive: host === 2 }).peers;
      return { ...config(host), peers: [peer!, { ...peer!, name: 'Node_side', interface: 'side' }] };
    };
    for (const host of [1, 2] as const) running.push(await startSpeaker(fabric.hosts[host - 1]!, both(host)));
    await vi.waitFor(async () => {
      for (const { speaker } of running) {
        expect(speaker.status().peers).toMatchObject([
          { state: 'Established', received: 2 },
          { state: 'Established', received: 2 },
        ]);
      }
      const routes = await fabric.ip(1, '-6', 'route', 'show', 'fd65::2:0/122');
      expect(routes).toMatch(/dev eth0/);
      expect(routes).toMatch(/dev side/);
    }, EVENTUALLY);
    await fabric.ip(2, 'link', 'set', 'side', 'down');
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, '-6', 'route', 'show', 'fd65::2:0/122')).not.toMatch(/dev side/);
      expect(await fabric.ip(1, '-6', 'route', 'show', 'fd65::2:0/122')).toMatch(/dev eth0/);
    }, EVENTUALLY);
  });
});
