/** Which learned routes go into the kernel, by what programClusterRoutes says of their pool. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };

describeKernel('routes of a pool that nobody is to program', () => {
  let fabric: Fabric;
  const running: RunningSpeaker[] = [];

  beforeEach(async () => {
    fabric = await makeFabric(2);
  });
  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    fabric.destroy();
  });

  it('stay out of the kernel of a node that knows them, go into it when that changes, and out again', async () => {
    const config = (programmed: boolean) =>
      speakerConfig(1, [peerConfig(1, 2)], {
        pools: [
          { cidr: prefix('10.65.0.0/16'), exported: true, ...(programmed ? {} : { programmed }) },
          { cidr: prefix('fd65::/32'), exported: true },
        ],
      });
    running.push(
      await startSpeaker(fabric.hosts[0]!, config(false)),
      await startSpeaker(fabric.hosts[1]!, speakerConfig(2, [peerConfig(2, 1)])),
    );
    const ours = running[0]!.speaker;
    const routes = (): Promise<string> => fabric.ip(1, 'route', 'show', 'proto', '81');
    const why = (): Promise<unknown> => ours.look('why', { address: address('10.65.2.5') });
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, '-6', 'route', 'show', 'proto', '81')).toContain('fd65::2:0/122');
    }, EVENTUALLY);
    expect(await routes()).not.toContain('10.65.2.0/26');
    expect(await why()).toMatchObject({
      prefix: '10.65.2.0/26',
      kernel: { state: 'unwanted', reason: expect.stringContaining('programClusterRoutes') },
    });
    ours.reconfigure(config(true));
    await vi.waitFor(async () => expect(await routes()).toContain('10.65.2.0/26'), EVENTUALLY);
    ours.reconfigure(config(false));
    await vi.waitFor(async () => expect(await routes()).not.toContain('10.65.2.0/26'), EVENTUALLY);
  });
});
