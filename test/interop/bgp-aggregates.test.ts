/** What we originate beyond our blocks, as BIRD and FRR see it: aggregates, and a default route. */
import { expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { peerConfig, speakerConfig } from './fixture-speaker.ts';
import { useTrio } from './fixture-trio.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };

describeKernel('what a node originates', () => {
  const trio = useTrio();

  /** BIRD is host 2 and tells these routes, FRR is host 3; each in an AS of its own. */
  async function start(routes: readonly string[], config: SpeakerConfig): Promise<void> {
    await trio.start({ bird: { routes }, ours: config });
  }

  const peers = [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host }));
  const atFrr = (route: string): Promise<string> =>
    trio.frr.ask(`show bgp ${route.includes(':') ? 'ipv6' : 'ipv4'} unicast ${route}`);
  const atBird = (route: string): Promise<string> => trio.bird.ask('show', 'route', 'all', route);

  it('has aggregates while it has a route to a part of them, without the parts, and they lead nowhere by themselves', async () => {
    const pools = ['192.0.0.0/16', '2001:db8::/32'].map((cidr) => ({ cidr: prefix(cidr), exported: true }));
    const aggregates = ['192.0.0.0/16', '2001:db8::/32', '198.51.100.0/24'].map((cidr) => ({
      prefix: prefix(cidr),
      summaryOnly: true,
    }));
    const config = (given: SpeakerConfig['aggregates']) =>
      speakerConfig(1, peers, { pools, aggregates: given });
    await start(['192.0.2.0/24', '2001:db8:1::/48'], config(aggregates));
    await vi.waitFor(async () => {
      const text = await atFrr('192.0.0.0/16');
      expect(text).toMatch(/aggregated by 64512 10\.99\.0\.1/);
      expect(text).toMatch(/atomic-aggregate/);
      expect(await atFrr('2001:db8::/32')).toMatch(/aggregated by 64512/);
      expect(await atBird('192.0.0.0/16')).toMatch(/BGP\.aggregator: 10\.99\.0\.1 AS64512/);
    }, EVENTUALLY);
    expect(await atFrr('192.0.2.0/24')).toMatch(/not in table/);
    expect(await atFrr('198.51.100.0/24')).toMatch(/not in table/);
    expect(await trio.fabric.ip(1, 'route', 'show', '192.0.0.0/16')).toMatch(/^blackhole .*proto 81/);
    expect(await trio.fabric.ip(1, '-6', 'route', 'show', '2001:db8::/32')).toMatch(/^blackhole .*proto 81/);
    expect(await trio.fabric.ip(1, 'route', 'show', '192.0.2.0/24')).toMatch(/via 10\.99\.0\.2/);

    // The part goes, and with it the aggregate.
    await trio.bird.ask('disable', 'static4');
    await vi.waitFor(async () => {
      expect(await atFrr('192.0.0.0/16')).toMatch(/not in table/);
      expect(await trio.fabric.ip(1, 'route', 'show', '192.0.0.0/16')).toBe('');
      expect(await atFrr('2001:db8::/32')).toMatch(/aggregated by 64512/);
    }, EVENTUALLY);
    await trio.bird.ask('enable', 'static4');
    await vi.waitFor(
      async () => expect(await atFrr('192.0.0.0/16')).toMatch(/aggregated by 64512/),
      EVENTUALLY,
    );

    // Without summary-only the parts are there beside it, and without aggregates alone.
    trio.ours.speaker.reconfigure(
      config(aggregates.map((aggregate) => ({ ...aggregate, summaryOnly: false }))),
    );
    await vi.waitFor(async () => {
      expect(await atFrr('192.0.2.0/24')).toMatch(/64512 65002/);
      expect(await atFrr('192.0.0.0/16')).toMatch(/aggregated by 64512/);
    }, EVENTUALLY);
    trio.ours.speaker.reconfigure(config([]));
    await vi.waitFor(async () => {
      expect(await atFrr('192.0.0.0/16')).toMatch(/not in table/);
      expect(await trio.fabric.ip(1, 'route', 'show', '192.0.0.0/16')).toBe('');
      expect(await atFrr('192.0.2.0/24')).toMatch(/64512 65002/);
    }, EVENTUALLY);
  });

  it('has a default route for who is to have it, and takes it back, without a session that ends', async () => {
    const generous = peers.map((peer, index) =>
      index === 1 ? { ...peer, defaultOriginate: [4, 6] as const } : peer,
    );
    await start(['0.0.0.0/0'], speakerConfig(1, generous));
    await vi.waitFor(async () => {
      expect(await atFrr('0.0.0.0/0')).toMatch(/^ {2}64512$/m);
      expect(await atFrr('::/0')).toMatch(/^ {2}64512$/m);
      // What is learned is another matter.
      expect(await trio.fabric.ip(1, 'route', 'show', 'default')).toMatch(/via 10\.99\.0\.2 .*proto 81/);
    }, EVENTUALLY);
    expect(await trio.bird.ask('show', 'route', 'protocol', 'margay', '0.0.0.0/0')).not.toMatch(
      /^0\.0\.0\.0\/0/m,
    );
    const established = trio.ours.speaker.status().peers.map(({ since }) => since);
    trio.ours.speaker.reconfigure(speakerConfig(1, peers));
    await vi.waitFor(async () => {
      expect(await atFrr('0.0.0.0/0')).toMatch(/not in table/);
      expect(await atFrr('::/0')).toMatch(/not in table/);
    }, EVENTUALLY);
    expect(trio.ours.speaker.status().peers.map(({ since }) => since)).toEqual(established);
  });
});
