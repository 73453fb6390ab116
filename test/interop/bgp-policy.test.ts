/** Export and import policy as BIRD sees it. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import type { BgpFilter, CidrMatch, FilterRule } from '../../src/bgp/policy/bgp-filter.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const UPSTREAM = 65002;
const THEIRS = ['192.0.2.0/24', '198.51.100.0/25', '2001:db8:1::/48'];

function rule(fields: Partial<FilterRule>): FilterRule {
  return { action: 'accept', family: 4, ...fields };
}

function within(text: string): CidrMatch {
  return { prefix: prefix(text), operator: 'In' };
}

describeKernel('policy towards BIRD', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let ours: RunningSpeaker | undefined;

  beforeEach(async () => {
    fabric = await makeFabric(2);
  });
  afterEach(async () => {
    await ours?.stop();
    await bird?.stop();
    fabric.destroy();
    ours = undefined;
    bird = undefined;
  });

  async function start(asNumber: number, config: SpeakerConfig): Promise<void> {
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ host: 2, neighbor: 1, asNumber, neighborAs: 64512, routes: THEIRS }),
    });
    ours = await startSpeaker(fabric.hosts[0]!, config);
  }

  function config(
    asNumber: number,
    fields: Partial<SpeakerConfig> = {},
    filters: string[] = [],
  ): SpeakerConfig {
    return speakerConfig(1, [peerConfig(1, 2, { asNumber, filters })], fields);
  }

  function received(): Promise<string> {
    return bird!.ask('show', 'route', 'all', 'protocol', 'margay');
  }

  /** Waits until BIRD has exactly these of our prefixes. */
  async function has(...prefixes: string[]): Promise<void> {
    await vi.waitFor(async () => {
      const found = (await received()).match(/^\S+(?= +unicast)/gm) ?? [];
      expect(found.toSorted()).toEqual(prefixes.toSorted());
    }, EVENTUALLY);
  }

  /** Waits until we have exactly these of BIRD's prefixes. */
  async function learned(...prefixes: string[]): Promise<void> {
    await vi.waitFor(() => {
      const found = ours!.speaker.routes().filter(({ peer }) => peer !== undefined);
      expect(found.map((route) => route.prefix).toSorted()).toEqual(prefixes.toSorted());
    }, EVENTUALLY);
  }

  it('tells communities by range, and LOCAL_PREF by metric (iBGP)', async () => {
    const own = config(64512, {
      outsideWorkloads: [prefix('10.65.9.7/32')],
      advertisements: [
        {
          cidr: prefix('10.65.0.0/16'),
          communities: [64512 * 65536 + 100],
          largeCommunities: [{ global: 4_200_000_000, local1: 1, local2: 2 }],
        },
        { cidr: prefix('10.65.9.0/24'), communities: [64512 * 65536 + 200], largeCommunities: [] },
      ],
    });
    await start(64512, own);
    await has('10.65.1.0/26', '10.65.9.7/32', 'fd65::1:0/122');
    const [, block, borrowed, ipv6] = (await received()).split(/^(?=\S+ +unicast)/m);
    expect(block).toMatch(/BGP\.community: \(64512,100\)$/m);
    expect(block).toMatch(/BGP\.large_community: \(4200000000, 1, 2\)$/m);
    expect(block).toMatch(/BGP\.local_pref: 2147482623$/m);
    expect(borrowed).toMatch(/BGP\.community: \(64512,100\) \(64512,200\)$/m);
    expect(ipv6).not.toMatch(/community/);

    const { since } = ours!.speaker.status().peers[0]!;
    ours!.speaker.reconfigure({ ...own, advertisements: [] });
    await vi.waitFor(async () => expect(await received()).not.toMatch(/community/), EVENTUALLY);
    expect(ours!.speaker.status().peers[0]).toMatchObject({ state: 'Established', since });
  });

  it('tells ranges of service addresses, and keeps what others say of them out of the kernel', async () => {
    const services = [
      { cidr: prefix('10.96.0.0/16'), kind: 'cluster', advertised: true },
      { cidr: prefix('192.0.2.0/24'), kind: 'load-balancer', advertised: false },
    ] as const;
    await start(UPSTREAM, config(UPSTREAM, { services }));
    await has('10.65.1.0/26', 'fd65::1:0/122', '10.96.0.0/16');
    await learned(...THEIRS);
    const kernel = async () => (await fabric.ip(1, 'route', 'show', 'proto', '81')).match(/^\S+/gm) ?? [];
    await vi.waitFor(async () => expect(await kernel()).toEqual(['198.51.100.0/25']), EVENTUALLY);
    ours!.speaker.reconfigure(config(UPSTREAM));
    await has('10.65.1.0/26', 'fd65::1:0/122');
    await vi.waitFor(
      async () => expect(await kernel()).toEqual(['192.0.2.0/24', '198.51.100.0/25']),
      EVENTUALLY,
    );
  });

  it('filters and changes what leaves and what comes, and follows a change of filters without a flap', async () => {
    const strict: BgpFilter = {
      import: [
        rule({
          cidr: within('192.0.2.0/24'),
          edit: { communities: [7], largeCommunities: [], prepend: [], localPref: 300 },
        }),
        rule({ action: 'reject' }),
      ],
      export: [
        rule({
          cidr: within('10.65.1.0/26'),
          edit: { communities: [64512 * 65536 + 5], largeCommunities: [], prepend: [65100, 65101] },
        }),
        rule({ action: 'reject', family: 6 }),
      ],
    };
    await start(UPSTREAM, config(UPSTREAM, { filters: { strict } }, ['strict']));
    await has('10.65.1.0/26');
    const block = await received();
    expect(block).toMatch(/BGP\.as_path: 64512 65100 65101$/m);
    expect(block).toMatch(/BGP\.community: \(64512,5\)$/m);
    await learned('192.0.2.0/24', '2001:db8:1::/48');
    expect(ours!.speaker.routes().find((route) => route.prefix === '192.0.2.0/24')).toMatchObject({
      localPreference: 300,
    });

    const { since } = ours!.speaker.status().peers[0]!;
    const loose: BgpFilter = { import: [rule({ action: 'reject', family: 6 })], export: [] };
    ours!.speaker.reconfigure(config(UPSTREAM, { filters: { strict: loose } }, ['strict']));
    await has('10.65.1.0/26', 'fd65::1:0/122');
    await learned('192.0.2.0/24', '198.51.100.0/25');
    // A name that nobody defined closes the session's both directions.
    ours!.speaker.reconfigure(config(UPSTREAM, {}, ['strict']));
    await has();
    await learned();
    ours!.speaker.reconfigure(config(UPSTREAM));
    await has('10.65.1.0/26', 'fd65::1:0/122');
    await learned(...THEIRS);
    expect(ours!.speaker.status().peers[0]).toMatchObject({ state: 'Established', since });
  });

  it('never tells what it learned from an upstream, nor addresses inside its own block', async () => {
    await start(UPSTREAM, config(UPSTREAM, { clusterId: address('1.0.0.1') }));
    await has('10.65.1.0/26', 'fd65::1:0/122');
    await learned(...THEIRS);
    expect(ours!.speaker.status().peers[0]!.advertised).toBe(2);
  });
});
