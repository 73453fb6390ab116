/** RFC 4724 in both roles and both families, judged by kernel routes and by packets. */
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { run, spawnIn, terminate } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import {
  type RunningSpeaker,
  SpeakerProcess,
  peerConfig,
  speakerConfig,
  startSpeaker,
} from './fixture-speaker.ts';

const STAYING = ['192.0.2.0/24', '2001:db8:1::/48'];
const LEAVING = ['198.51.100.0/25', '2001:db8:2::/64'];
const EVENTUALLY = { timeout: 30_000, interval: 100 };
/** Of echoes, one each 10 ms: ten seconds. */
const ECHOES = 1000;

/** `ip monitor route` in a namespace: what the kernel lost, as it happened. */
class RouteWatch {
  private text = '';

  private constructor(private readonly child: ChildProcess) {
    child.stdout!.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('utf8');
    });
  }

  static async start(fabric: Fabric, host: number): Promise<RouteWatch> {
    const child = spawnIn('ip', ['monitor', 'route'], {
      namespace: fabric.hosts[host - 1]!,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const watch = new RouteWatch(child);
    // It listens when it has seen a route come and go.
    await vi.waitFor(async () => {
      await fabric.ip(host, 'route', 'replace', 'blackhole', '203.0.113.1');
      await fabric.ip(host, 'route', 'del', 'blackhole', '203.0.113.1');
      expect(watch.text).toMatch(/Deleted blackhole 203\.0\.113\.1/);
    }, EVENTUALLY);
    return watch;
  }

  /** Destinations of deleted routes of protocol 81. */
  get deleted(): string[] {
    return [...this.text.matchAll(/^Deleted (\S+) .*proto 81/gm)].map((match) => match[1]!).toSorted();
  }

  stop(): Promise<void> {
    return terminate(this.child);
  }
}

/** Sends an echo every 10 ms and returns how many were not answered. */
async function lostEchoes(
  namespace: string,
  source: string,
  target: string,
  count = ECHOES,
): Promise<number> {
  const { stdout } = await run(
    'ping',
    ['-q', '-i', '0.01', '-c', String(count), '-W', '1', '-I', source, target],
    { namespace },
  );
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  if (counts === null) throw new Error(`ping said: ${stdout}`);
  return Number(counts[1]) - Number(counts[2]);
}

describeKernel('graceful restart with BIRD', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let ours: SpeakerProcess | undefined;
  let inProcess: RunningSpeaker | undefined;
  let watch: RouteWatch | undefined;

  beforeEach(async () => {
    fabric = await makeFabric(2);
    await fabric.ip(1, 'addr', 'add', '10.65.1.1/32', 'dev', 'lo');
    await fabric.ip(1, 'addr', 'add', 'fd65::1:1/128', 'dev', 'lo', 'nodad');
    await fabric.ip(2, 'addr', 'add', '192.0.2.1/32', 'dev', 'lo');
    await fabric.ip(2, 'addr', 'add', '2001:db8:1::1/128', 'dev', 'lo', 'nodad');
  });
  afterEach(async () => {
    await watch?.stop();
    await ours?.stop();
    await inProcess?.stop();
    await bird?.stop();
    fabric.destroy();
    bird = ours = inProcess = watch = undefined;
  });

  const birdOptions = { host: 2, neighbor: 1, asNumber: 65002, neighborAs: 64512 };

  function startBird(routes: readonly string[], restart = 'graceful restart on;'): Promise<Bird> {
    return Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ ...birdOptions, routes, bgp: `${restart} hold time 9;` }),
    });
  }

  function config(fields: Partial<SpeakerConfig> = {}): SpeakerConfig {
    return speakerConfig(1, [peerConfig(1, 2, { asNumber: 65002 })], fields);
  }

  async function installed(): Promise<string[]> {
    const lines: string[] = [];
    for (const family of ['-4', '-6']) {
      lines.push(...(await fabric.ip(1, family, 'route', 'show', 'proto', '81')).split('\n'));
    }
    return lines
      .map((line) => line.split(' ')[0]!)
      .filter((destination) => destination !== '')
      .toSorted();
  }

  async function birdHasOurs(): Promise<void> {
    for (const [family, route] of [
      ['-4', '10.65.1.0/26'],
      ['-6', 'fd65::1:0/122'],
    ] as const) {
      expect(await fabric.ip(2, family, 'route', 'show', route)).toMatch(/proto bird/);
    }
  }

  it('survives ten seconds of death by kill -9 without a lost packet, and sweeps what is gone after end-of-RIB', async () => {
    bird = await startBird([...STAYING, ...LEAVING]);
    ours = await SpeakerProcess.start(fabric.hosts[0]!, config());
    await vi.waitFor(async () => {
      expect(await installed()).toEqual([...STAYING, ...LEAVING].toSorted());
      await birdHasOurs();
    }, EVENTUALLY);
    // Neighbour discovery of a link that has just come up takes seconds, and its queue is short.
    await vi.waitFor(async () => {
      expect(await lostEchoes(fabric.hosts[0]!, '10.65.1.1', '192.0.2.1', 1)).toBe(0);
      expect(await lostEchoes(fabric.hosts[0]!, 'fd65::1:1', '2001:db8:1::1', 1)).toBe(0);
    }, EVENTUALLY);
    watch = await RouteWatch.start(fabric, 1);
    const echo = (): Promise<number[]> =>
      Promise.all([
        lostEchoes(fabric.hosts[0]!, '10.65.1.1', '192.0.2.1'),
        lostEchoes(fabric.hosts[0]!, 'fd65::1:1', '2001:db8:1::1'),
      ]);

    const whileDead = echo();
    await ours.kill();
    await vi.waitFor(async () => {
      expect(await bird!.ask('show', 'protocols', 'margay')).not.toMatch(/Established/);
    }, EVENTUALLY);
    // While we are dead, BIRD loses two of its routes.
    await bird.reconfigure(
      birdConfig({ ...birdOptions, routes: STAYING, bgp: 'graceful restart on; hold time 9;' }),
    );
    await birdHasOurs();
    expect(await installed()).toEqual([...STAYING, ...LEAVING].toSorted());
    expect(await whileDead).toEqual([0, 0]);
    expect(watch.deleted).toEqual([]);

    const overRestart = echo();
    ours = await SpeakerProcess.start(fabric.hosts[0]!, config());
    expect((await ours.status()).restarting).toBe(true);
    await vi.waitFor(async () => {
      expect(await ours!.status()).toMatchObject({
        restarting: false,
        kernel: { installed: 2, stale: 0 },
        peers: [{ state: 'Established', received: 2 }],
      });
    }, EVENTUALLY);
    expect(await installed()).toEqual(STAYING);
    await birdHasOurs();
    expect(watch.deleted).toEqual(LEAVING);
    expect(await overRestart).toEqual([0, 0]);
  });

  it('loses packets without graceful restart (control)', async () => {
    bird = await startBird(STAYING, 'graceful restart off;');
    const { gracefulRestart } = config();
    const without = config({ gracefulRestart: { ...gracefulRestart, enabled: false } });
    ours = await SpeakerProcess.start(fabric.hosts[0]!, without);
    await vi.waitFor(birdHasOurs, EVENTUALLY);
    const echoes = lostEchoes(fabric.hosts[0]!, '10.65.1.1', '192.0.2.1');
    await ours.kill();
    await vi.waitFor(async () => {
      expect(await fabric.ip(2, '-4', 'route', 'show', '10.65.1.0/26')).toBe('');
    }, EVENTUALLY);
    ours = await SpeakerProcess.start(fabric.hosts[0]!, without);
    await vi.waitFor(birdHasOurs, EVENTUALLY);
    expect(await echoes).toBeGreaterThan(0);
  });

  it('leaves everything standing on SIGTERM: no Cease, kernel routes stay', async () => {
    bird = await startBird(STAYING);
    ours = await SpeakerProcess.start(fabric.hosts[0]!, config());
    await vi.waitFor(async () => {
      expect(await installed()).toEqual(STAYING);
      await birdHasOurs();
    }, EVENTUALLY);
    await ours.stop();
    await vi.waitFor(async () => {
      expect(await bird!.ask('show', 'protocols', 'margay')).not.toMatch(/Established/);
    }, EVENTUALLY);
    expect(bird.log).not.toMatch(/Received:/);
    await birdHasOurs();
    expect(await installed()).toEqual(STAYING);
  });

  it("keeps a restarting BIRD's routes, and sweeps what it does not tell again after its end-of-RIB", async () => {
    bird = await startBird([...STAYING, ...LEAVING]);
    inProcess = await startSpeaker(fabric.hosts[0]!, config());
    await vi.waitFor(async () => {
      expect(await installed()).toEqual([...STAYING, ...LEAVING].toSorted());
      await birdHasOurs();
    }, EVENTUALLY);
    watch = await RouteWatch.start(fabric, 1);

    await bird.kill();
    await vi.waitFor(() => {
      expect(inProcess!.speaker.status().peers[0]).toMatchObject({ received: 4, stale: 4 });
    }, EVENTUALLY);
    expect(await installed()).toEqual([...STAYING, ...LEAVING].toSorted());

    await bird.rewrite(
      birdConfig({ ...birdOptions, routes: STAYING, bgp: 'graceful restart on; hold time 9;' }),
    );
    await bird.restart({ recover: true });
    await vi.waitFor(() => {
      expect(inProcess!.speaker.status()).toMatchObject({
        peers: [{ state: 'Established', received: 2, stale: 0 }],
        kernel: { installed: 2 },
      });
    }, EVENTUALLY);
    expect(await installed()).toEqual(STAYING);
    expect(watch.deleted).toEqual(LEAVING);
  });

  it('drops the routes of a BIRD that comes back with its forwarding state lost (F bit clear)', async () => {
    bird = await startBird(STAYING);
    inProcess = await startSpeaker(fabric.hosts[0]!, config());
    await vi.waitFor(async () => expect(await installed()).toEqual(STAYING), EVENTUALLY);
    watch = await RouteWatch.start(fabric, 1);
    await bird.kill();
    await bird.rewrite(birdConfig({ ...birdOptions, bgp: 'graceful restart on; hold time 9;' }));
    await bird.restart({ recover: false });
    await vi.waitFor(async () => expect(await installed()).toEqual([]), EVENTUALLY);
    expect(watch.deleted).toEqual(STAYING);
  });

  it('drops the routes of a peer that does not come back within its restart time', async () => {
    bird = await startBird(STAYING, 'graceful restart on; graceful restart time 2;');
    inProcess = await startSpeaker(fabric.hosts[0]!, config());
    await vi.waitFor(async () => expect(await installed()).toEqual(STAYING), EVENTUALLY);
    await bird.kill();
    const died = Date.now();
    expect(await installed()).toEqual(STAYING);
    await vi.waitFor(async () => expect(await installed()).toEqual([]), EVENTUALLY);
    expect(Date.now() - died).toBeGreaterThan(1500);
  });
});
