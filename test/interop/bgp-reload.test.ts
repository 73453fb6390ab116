/** A change of configuration that takes a new OPEN interrupts no traffic where both sides restart gracefully. */
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import type { PeerStatus } from '../../src/bgp/status.ts';
import { spawnIn, terminate } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };

describeKernel('a change of configuration', () => {
  let fabric: Fabric;
  let bird: Bird;
  let frr: Frr;
  let ours: RunningSpeaker;
  let watches: ChildProcess[];
  /** What the kernels of all three hosts have lost. */
  let deleted: string[];

  beforeEach(async () => {
    fabric = await makeFabric(3);
    watches = [];
    deleted = [];
  });
  afterEach(async () => {
    await ours.stop();
    await Promise.all([bird.stop(), frr.stop(), ...watches.map((watch) => terminate(watch))]);
    fabric.destroy();
  });

  async function watch(host: number): Promise<void> {
    // zebra replaces an IPv6 route by deleting and adding it.
    const families = host === 3 ? ['-4'] : [];
    const child = spawnIn('ip', [...families, 'monitor', 'route'], {
      namespace: fabric.hosts[host - 1]!,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    watches.push(child);
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const lines = text.match(/^Deleted .* proto (?:81|bird|bgp).*$/gm) ?? [];
      for (const line of lines) if (!deleted.includes(line)) deleted.push(line);
    });
    // It listens when it has seen a route come and go.
    await vi.waitFor(async () => {
      await fabric.ip(host, 'route', 'replace', 'blackhole', '203.0.113.1');
      await fabric.ip(host, 'route', 'del', 'blackhole', '203.0.113.1');
      expect(text).toMatch(/Deleted blackhole 203\.0\.113\.1/);
    }, EVENTUALLY);
  }

  function status(): readonly PeerStatus[] {
    return ours.speaker.status().peers;
  }

  async function up(): Promise<readonly string[]> {
    await vi.waitFor(() => {
      for (const peer of status()) {
        expect(peer).toMatchObject({ state: 'Established', received: 2, stale: 0, advertised: 2 });
      }
    }, EVENTUALLY);
    return status().map(({ since }) => since);
  }

  it('that the OPEN must tell opens sessions anew and loses no route, and others touch no session', async () => {
    const both = { neighbor: 1, neighborAs: 64512 };
    const config = (fields: Partial<PeerConfig>) =>
      speakerConfig(
        1,
        [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host, ...fields })),
      );
    [bird, frr, ours] = await Promise.all([
      Bird.start({
        namespace: fabric.hosts[1]!,
        config: birdConfig({
          ...both,
          host: 2,
          asNumber: 65002,
          bgp: 'graceful restart yes;',
          routes: ['192.0.2.0/25', '2001:db8:2::/48'],
        }),
      }),
      Frr.start({
        namespace: fabric.hosts[2]!,
        config: frrConfig({
          ...both,
          host: 3,
          asNumber: 65003,
          bgp: ['bgp graceful-restart', 'bgp graceful-restart preserve-fw-state'],
          routes: ['192.0.2.128/25', '2001:db8:3::/48'],
        }),
      }),
      startSpeaker(fabric.hosts[0]!, config({})),
    ]);
    const first = await up();
    for (const host of [1, 2, 3]) {
      await vi.waitFor(
        async () => expect(await fabric.ip(host, 'route')).toMatch(/10\.65\.1|192\.0\.2/),
        EVENTUALLY,
      );
      await watch(host);
    }
    ours.speaker.reconfigure(config({ keepaliveTime: 1, connectRetryTime: 3, nextHopMode: 'self' }));
    expect(await up()).toEqual(first);

    ours.speaker.reconfigure(config({ holdTime: 30, addPath: { send: true, receive: true } }));
    await vi.waitFor(async () => {
      expect((await up()).every((since, index) => since !== first[index])).toBe(true);
      expect(await bird.ask('show', 'protocols', 'all', 'margay')).toMatch(/Hold timer: +[0-9.]+\/30/);
      expect(await frr.ask('show bgp neighbors 10.99.0.1')).toMatch(/Hold time is 30 seconds/);
    }, EVENTUALLY);
    expect(deleted).toEqual([]);
  });

  it('of the key is one that BIRD and FRR end the session for, on their side, and it is up again under the new one', async () => {
    const both = { neighbor: 1, neighborAs: 64512 };
    const config = (password: string) =>
      speakerConfig(
        1,
        [2, 3].map((host) => peerConfig(1, host, { asNumber: 65000 + host, password })),
      );
    const birdText = (password: string): string =>
      birdConfig({
        ...both,
        host: 2,
        asNumber: 65002,
        bgp: `graceful restart yes; password "${password}";`,
        routes: ['192.0.2.0/25', '2001:db8:2::/48'],
      });
    [bird, frr, ours] = await Promise.all([
      Bird.start({ namespace: fabric.hosts[1]!, config: birdText('one') }),
      Frr.start({
        namespace: fabric.hosts[2]!,
        config: frrConfig({
          ...both,
          host: 3,
          asNumber: 65003,
          session: ['password one'],
          bgp: ['bgp graceful-restart', 'bgp graceful-restart preserve-fw-state'],
          routes: ['192.0.2.128/25', '2001:db8:3::/48'],
        }),
      }),
      startSpeaker(fabric.hosts[0]!, config('one')),
    ]);
    const first = await up();
    // We would keep it (see the mesh): TCP tries again until both have the new key.
    ours.speaker.reconfigure(config('two'));
    await frr.configure('router bgp 65003', 'neighbor 10.99.0.1 password two');
    await bird.reconfigure(birdText('two'));
    await vi.waitFor(async () => {
      const later = await up();
      expect(later.every((since, index) => since !== first[index])).toBe(true);
    }, EVENTUALLY);
  });
});
