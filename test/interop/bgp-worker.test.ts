/** The speaker in its worker thread (design D10), asked by its host; from a CommonJS bundle, as it is shipped. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { BfdThread } from '../../src/bgp/bfd-thread.ts';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { BgpWorkerHost } from '../../src/bgp/worker-host.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import {
  type RunningSpeaker,
  peerConfig,
  speakerConfig,
  startSpeaker,
  testLogger,
} from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 30_000, interval: 100 };

describeKernel('the BGP thread', () => {
  let fabric: Fabric;
  let bundles: string;
  let directory: string;
  let host: BgpWorkerHost;
  let other: RunningSpeaker;

  const config: SpeakerConfig = speakerConfig(1, [peerConfig(1, 2)]);

  beforeAll(async () => {
    bundles = await mkdtemp(join(tmpdir(), 'margay-bundle-'));
    await build({
      entryPoints: [new URL('bgp-worker-entry.ts', import.meta.url).pathname],
      outfile: join(bundles, 'worker.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      plugins: [
        {
          name: 'koffi-in-place',
          setup(builder) {
            const path = createRequire(import.meta.url).resolve('koffi');
            builder.onResolve({ filter: /^koffi$/ }, () => ({ path, external: true }));
          },
        },
      ],
    });
  });
  afterAll(() => rm(bundles, { recursive: true }));

  beforeEach(async () => {
    const common = { filename: join(bundles, 'worker.cjs'), clock: systemClock, log: testLogger() };
    fabric = await makeFabric(2);
    directory = await mkdtemp(join(tmpdir(), 'margay-worker-'));
    const namespace = fabric.hosts[1]!;
    other = await startSpeaker(
      namespace,
      speakerConfig(2, [peerConfig(2, 1, { passive: true })]),
      () => new BfdThread({ ...common, environment: { namespace, logLevel: 'silent' } }),
    );
    host = new BgpWorkerHost({
      ...common,
      environment: { namespace: fabric.hosts[0]!, logLevel: 'silent' },
    });
  });
  afterEach(async () => {
    delete process.env['MARGAY_TEST_WORKER_DIES'];
    delete process.env['MARGAY_TEST_WORKER_BUSY'];
    await host.stop({ graceful: false });
    await other.stop();
    fabric.destroy();
    await rm(directory, { recursive: true });
  });

  async function meets(): Promise<void> {
    await vi.waitFor(async () => {
      expect(await host.status()).toMatchObject({
        state: 'running',
        restarting: false,
        peers: [{ state: 'Established', received: 2, stale: 0 }],
        kernel: { installed: 2 },
      });
    }, EVENTUALLY);
  }

  it('speaks, answers and changes its configuration', async () => {
    await host.start(config);
    await meets();
    const before = (await host.status()).peers[0]!.since;
    expect(
      (await host.routes()).filter(({ peer }) => peer !== undefined).map(({ prefix }) => prefix),
    ).toEqual(['10.65.2.0/26', 'fd65::2:0/122']);
    await host.reconfigure({ ...config, blocks: [] });
    await vi.waitFor(async () => {
      expect(await fabric.ip(2, '-4', 'route', 'show', 'proto', '81')).toBe('');
    }, EVENTUALLY);
    expect((await host.status()).peers[0]!.since).toBe(before);
    // Another protocol number: the old routes go, the new come.
    await host.reconfigure({ ...config, kernel: { ...config.kernel, protocol: 91 } });
    await meets();
    expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toBe('');
    expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '91')).toMatch(/10\.65\.2\.0\/26/);
    await host.reconfigure(config);
    await meets();
    await host.stop({ graceful: true });
    expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toMatch(/10\.65\.2\.0\/26/);
  });

  it('is replaced when it dies, which is a graceful restart to the peer', async () => {
    const fuse = join(directory, 'fuse');
    await writeFile(fuse, '');
    process.env['MARGAY_TEST_WORKER_DIES'] = fuse;
    await host.start(config);
    await meets();
    await writeFile(`${fuse}.now`, '');
    await vi.waitFor(async () => {
      expect(await host.status()).toMatchObject({
        state: 'failed',
        problem: expect.stringMatching(/the BGP thread ended: the fuse has burnt/),
      });
    }, EVENTUALLY);
    expect(other.speaker.status().peers[0]).toMatchObject({ received: 2 });
    expect(await fabric.ip(1, '-4', 'route', 'show', 'proto', '81')).toMatch(/10\.65\.2\.0\/26/);
    await meets();
    await vi.waitFor(() => {
      expect(other.speaker.status().peers[0]).toMatchObject({ state: 'Established', received: 2, stale: 0 });
    }, EVENTUALLY);
  });

  it('has BFD in a thread of its own, which nothing that keeps the BGP thread busy can stop', async () => {
    const bfd = { interval: 100, multiplier: 5 };
    const busy = join(directory, 'busy');
    process.env['MARGAY_TEST_WORKER_BUSY'] = busy;
    other.speaker.reconfigure(speakerConfig(2, [peerConfig(2, 1, { passive: true, bfd })]));
    await host.start({ ...config, peers: [peerConfig(1, 2, { bfd })] });
    const up = { state: 'Established', bfd: { state: 'Up', detectionTime: 500 } };
    await vi.waitFor(async () => {
      expect((await host.status()).peers).toMatchObject([up]);
      expect(other.speaker.status().peers).toMatchObject([up]);
    }, EVENTUALLY);
    const { since } = other.speaker.status().peers[0]!.bfd!;
    await writeFile(busy, '');
    // The speaker's thread does nothing else for three detection times.
    await vi.waitFor(() => expect(existsSync(busy)).toBe(false), EVENTUALLY);
    expect((await host.status()).peers).toMatchObject([up]);
    expect(other.speaker.status().peers[0]!.bfd).toMatchObject({ state: 'Up', since });
  });

  it('rejects calls to a speaker that cannot start, with the reason', async () => {
    const lost = new BgpWorkerHost({
      filename: join(bundles, 'worker.cjs'),
      environment: { namespace: 'margay-no-such-namespace', logLevel: 'silent' },
      clock: systemClock,
      log: testLogger(),
    });
    await expect(lost.start(config)).rejects.toThrow(/ENOENT/);
    await lost.stop({ graceful: true });
    await host.start(config);
  });
});
