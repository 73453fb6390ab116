/** IPv4 between hosts that have no IPv4 address on their link (RFC 8950), down to the packet. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import { address } from '../../src/net/address.ts';
import { run } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 100 };

const BIRD = `
log stderr all;
router id 10.99.0.2;
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol static { ipv4; route 10.65.2.0/26 blackhole; }
protocol bgp margay {
  local fd99::2 as 65002;
  neighbor fd99::1 as 64512;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop on; };
}
`;

const FRR = `
log stdout
router bgp 65002
 bgp router-id 10.99.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor fd99::1 remote-as 64512
 neighbor fd99::1 timers connect 1
 neighbor fd99::1 capability extended-nexthop
 address-family ipv4 unicast
  network 10.65.2.0/26
  neighbor fd99::1 activate
 exit-address-family
`;

describeKernel('hosts whose link is IPv6 only', () => {
  let fabric: Fabric;
  let router: { stop(): Promise<void> } | undefined;
  const running: RunningSpeaker[] = [];

  beforeEach(async () => {
    fabric = await makeFabric(2);
    for (const host of [1, 2]) {
      await fabric.ip(host, '-4', 'addr', 'flush', 'dev', 'eth0');
      await fabric.ip(host, 'addr', 'add', `10.65.${host}.1/32`, 'dev', 'lo');
    }
  });
  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    await router?.stop();
    router = undefined;
    fabric.destroy();
  });

  function config(host: number, fields: Partial<PeerConfig> = {}): SpeakerConfig {
    const other = 3 - host;
    const peer = peerConfig(host, other, {
      name: `Mesh_fd99__${other}`,
      address: address(`fd99::${other}`),
      sourceAddress: address(`fd99::${host}`),
      ...fields,
    });
    return speakerConfig(host, [peer], { nodeAddresses: { 6: address(`fd99::${host}`) } });
  }

  async function reach(): Promise<void> {
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, '-4', 'route', 'show', '10.65.2.0/26')).toMatch(
        /^10\.65\.2\.0\/26 via inet6 f[de][0-9a-f:]+ dev eth0 proto 81 metric 1024/,
      );
    }, EVENTUALLY);
    await vi.waitFor(async () => {
      const ping = ['-c', '1', '-W', '1', '-I', '10.65.1.1', '10.65.2.1'];
      const { status, stdout } = await run('ping', ping, { namespace: fabric.hosts[0]! });
      expect([status, stdout]).toEqual([0, expect.stringContaining('1 received')]);
    }, EVENTUALLY);
  }

  it('route IPv4 among themselves by IPv6 next hops', async () => {
    running.push(await startSpeaker(fabric.hosts[0]!, config(1)));
    running.push(await startSpeaker(fabric.hosts[1]!, config(2)));
    await reach();
    expect(running[0]!.speaker.status().kernel).toMatchObject({ installed: 2, unresolved: 0, problems: [] });
  });

  it.each([
    ['BIRD', (namespace: string) => Bird.start({ namespace, config: BIRD })],
    ['FRR', (namespace: string) => Frr.start({ namespace, config: FRR })],
  ])('route IPv4 with %s by IPv6 next hops', async (_, start) => {
    router = await start(fabric.hosts[1]!);
    running.push(await startSpeaker(fabric.hosts[0]!, config(1, { asNumber: 65002 })));
    await reach();
  });
});
