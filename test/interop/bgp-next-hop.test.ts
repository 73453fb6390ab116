/** Next hops that vanish and come back (RFC 4271 §9.1.2.1), with the session that told them standing all the while. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { address } from '../../src/net/address.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 20 };
const LEARNED = ['10.65.9.0/26', 'fd65::9:0/122'];

/** Tells routes whose next hops are on another link of host 1. */
const BIRD = `
log stderr all;
router id 10.99.0.2;
protocol device { scan time 1; }
protocol static { ipv4; route 10.65.9.0/26 blackhole; }
protocol static { ipv6; route fd65::9:0/122 blackhole; }
protocol bgp margay {
  local 10.99.0.2 as 65002;
  neighbor 10.99.0.1 as 64512;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; next hop address 10.97.0.2; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address fd97::2; };
}
`;

describeKernel('a next hop', () => {
  let fabric: Fabric;
  let bird: Bird;
  let ours: RunningSpeaker;
  let listener: RunningSpeaker;

  beforeEach(async () => {
    fabric = await makeFabric(3);
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
      await addresses(host);
    }
    bird = await Bird.start({ namespace: fabric.hosts[1]!, config: BIRD });
    ours = await startSpeaker(
      fabric.hosts[0]!,
      speakerConfig(1, [peerConfig(1, 2, { asNumber: 65002 }), peerConfig(1, 3, { asNumber: 65003 })]),
    );
    listener = await startSpeaker(
      fabric.hosts[2]!,
      speakerConfig(3, [peerConfig(3, 1, { passive: true, localAsNumber: 65003 })], { asNumber: 65003 }),
    );
  });
  afterEach(async () => {
    await listener.stop();
    await ours.stop();
    await bird.stop();
    fabric.destroy();
  });

  async function addresses(host: number): Promise<void> {
    await fabric.ip(host, 'addr', 'replace', `10.97.0.${host}/24`, 'dev', 'side');
    await fabric.ip(host, 'addr', 'replace', `fd97::${host}/64`, 'dev', 'side', 'nodad');
  }

  /** What host 1 has in the kernel, and what it tells host 3. */
  async function expectLearned(expected: readonly string[], path: string): Promise<void> {
    await vi.waitFor(async () => {
      for (const family of ['-4', '-6']) {
        const routes = await fabric.ip(1, family, 'route', 'show', 'proto', '81');
        for (const route of LEARNED.filter((text) => text.includes(':') === (family === '-6'))) {
          if (expected.includes(route)) expect(routes).toMatch(new RegExp(`${route} via \\S+ dev ${path} `));
          else expect(routes).not.toContain(route);
        }
      }
      const told = listener.speaker
        .routes()
        .flatMap(({ prefix, peer }) => (peer === undefined ? [] : [prefix as string]));
      expect(told.filter((prefix) => LEARNED.includes(prefix))).toEqual(expected);
    }, EVENTUALLY);
  }

  it('that its link takes away takes its routes out of the kernel and from peers, and brings them back', async () => {
    await expectLearned(LEARNED, 'side');
    const { since } = ours.speaker.status().peers[0]!;
    expect(ours.speaker.status().kernel.unresolved).toBe(0);
    // The carrier, of which IPv4 routes do not go.
    await fabric.ip(2, 'link', 'set', 'side', 'down');
    await expectLearned([], 'side');
    expect(ours.speaker.status().kernel.unresolved).toBe(2);
    await fabric.ip(2, 'link', 'set', 'side', 'up');
    await addresses(2);
    await expectLearned(LEARNED, 'side');
    // The link itself, of which they go without a word.
    await fabric.ip(1, 'link', 'set', 'side', 'down');
    await expectLearned([], 'side');
    await fabric.ip(1, 'link', 'set', 'side', 'up');
    await addresses(1);
    await expectLearned(LEARNED, 'side');
    expect(ours.speaker.status().peers[0]).toMatchObject({ state: 'Established', since, received: 2 });
  });

  it('that a route leads to goes with that route, and moves to another', async () => {
    await fabric.ip(1, 'link', 'delete', 'side');
    await expectLearned([], 'eth0');
    await fabric.ip(1, 'route', 'add', '10.97.0.0/24', 'via', '10.99.0.3');
    await expectLearned(['10.65.9.0/26'], 'eth0');
    expect(await fabric.ip(1, 'route', 'show', '10.65.9.0/26')).toMatch(/via 10\.99\.0\.3 /);
    await fabric.ip(1, 'route', 'replace', '10.97.0.0/24', 'via', '10.99.0.2');
    await vi.waitFor(async () => {
      expect(await fabric.ip(1, 'route', 'show', '10.65.9.0/26')).toMatch(/via 10\.99\.0\.2 /);
    }, EVENTUALLY);
    await fabric.ip(1, 'route', 'del', '10.97.0.0/24');
    await expectLearned([], 'eth0');
    expect(ours.speaker.status().peers[0]).toMatchObject({
      address: address('10.99.0.2'),
      state: 'Established',
    });
  });
});
