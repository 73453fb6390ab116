/** How soon sessions come up, in real network namespaces. */
import { afterEach, expect, it, vi } from 'vitest';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 10 };
const HOSTS = [1, 2, 3];
/** Milliseconds; three speakers share one thread here, and a busy machine. */
const SOON = 1000;

describeKernel('sessions of a mesh', () => {
  let fabric: Fabric;
  const running = new Map<number, RunningSpeaker>();

  afterEach(async () => {
    for (const speaker of running.values()) await speaker.stop();
    running.clear();
    fabric.destroy();
  });

  /** As Calico has it: the greater address connects. */
  async function start(host: number): Promise<void> {
    const others = HOSTS.filter((other) => other !== host);
    const peers = others.map((other) => peerConfig(host, other, { passive: other > host }));
    running.set(host, await startSpeaker(fabric.hosts[host - 1]!, speakerConfig(host, peers)));
  }

  function peers(host: number) {
    return running.get(host)!.speaker.status().peers;
  }

  /** Milliseconds until every session of the running speakers is up. */
  async function timeUntilUp(): Promise<number> {
    const begin = performance.now();
    await vi.waitFor(() => {
      for (const host of running.keys()) {
        for (const { state } of peers(host)) expect(state).toBe('Established');
      }
    }, EVENTUALLY);
    return performance.now() - begin;
  }

  it('are up within a second after the last speaker listens, in whatever order they start', async () => {
    fabric = await makeFabric(3);
    for (const order of [HOSTS, HOSTS.toReversed()]) {
      for (const host of order) await start(host);
      expect(await timeUntilUp()).toBeLessThan(SOON);
      for (const speaker of running.values()) await speaker.stop();
      running.clear();
    }
  });

  it('are up again within a second after a speaker that was away listens', async () => {
    fabric = await makeFabric(3);
    for (const host of HOSTS) await start(host);
    await timeUntilUp();
    for (const host of HOSTS) {
      await running.get(host)!.stop({ graceful: true });
      running.delete(host);
      // Long enough away for the others to have met a closed port more than once, where it is they who connect.
      const left = HOSTS.find((other) => other !== host)!;
      await vi.waitFor(() => {
        const { state, info } = peers(left).find(({ name }) => name.endsWith(`_${host}`))!;
        expect(state).not.toBe('Established');
        expect(info).toMatch(left > host ? /connection refused/ : /Connection lost/);
      }, EVENTUALLY);
      await start(host);
      expect(await timeUntilUp()).toBeLessThan(SOON);
    }
  });
});
