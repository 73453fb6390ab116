/** The looking glass: margayctl asks a speaker over a local socket, and what it says is what BIRD says of the same. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { bgpHandlers } from '../../src/agent/bgp-requests.ts';
import { LocalServer } from '../../src/agent/local-server.ts';
import type { BgpNeighborView, BgpRouteView, BgpWhyView } from '../../src/base/bgp-view.ts';
import { silentLogger } from '../../src/base/log.ts';
import { runCtl } from '../../src/ctl/program.ts';
import { prefix } from '../../src/net/prefix.ts';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 100 };
const SHARED = '10.65.200.0/24';
const OUTSIDE = '192.0.2.0/24';
const UNREACHABLE = '198.51.100.0/24';
const V6 = 'fd65:0:200::/48';
const NEAR = 'Mesh_10_99_0_2';
const FAR = 'Mesh_10_99_0_3';

describeKernel('the looking glass', () => {
  let fabric: Fabric;
  let near: Bird;
  let far: Bird;
  let ours: RunningSpeaker;
  let server: LocalServer;
  let directory: string;

  beforeAll(async () => {
    fabric = await makeFabric(3);
    near = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({
        host: 2,
        neighbor: 1,
        asNumber: 65002,
        neighborAs: 64512,
        routes: [SHARED, OUTSIDE, V6, UNREACHABLE],
        channel: `import all; export filter {
          if source != RTS_STATIC then reject;
          bgp_large_community.add((65002, 1, 2)); bgp_community.add((65002, 7));
          if net = ${UNREACHABLE} then bgp_next_hop = 203.0.113.9;
          accept; };`,
      }).replaceAll('export where source != RTS_DEVICE; next hop self;', 'next hop keep;'),
    });
    far = await Bird.start({
      namespace: fabric.hosts[2]!,
      config: birdConfig({
        host: 3,
        neighbor: 1,
        asNumber: 65003,
        neighborAs: 64512,
        routes: [SHARED],
        channel: 'export filter { if source != RTS_STATIC then reject; bgp_path.prepend(65009); accept; };',
      }).replaceAll('export where source != RTS_DEVICE;', ''),
    });
    ours = await startSpeaker(
      fabric.hosts[0]!,
      speakerConfig(
        1,
        [
          peerConfig(1, 2, { asNumber: 65002, type: 'global' }),
          peerConfig(1, 3, { asNumber: 65003, type: 'global', filters: ['picky'] }),
        ],
        {
          filters: {
            picky: {
              import: [
                { action: 'reject', family: 4, cidr: { prefix: prefix('172.16.0.0/12'), operator: 'In' } },
              ],
              export: [
                { action: 'reject', family: 6 },
                {
                  action: 'accept',
                  family: 4,
                  cidr: { prefix: prefix(SHARED), operator: 'Equal' },
                  edit: { communities: [64513 * 65_536 + 3], largeCommunities: [], prepend: [64512] },
                },
              ],
            },
          },
        },
      ),
    );
    directory = await mkdtemp(join(tmpdir(), 'margay-glass-'));
    const handlers = bgpHandlers({
      look: (name, params) => ours.speaker.look(name, params),
      owner: async () => ({ block: prefix(SHARED), node: 'n2' }),
      servicesWith: () => [],
    });
    server = await LocalServer.listen(join(directory, 'n1.sock'), new Map(handlers), silentLogger());
    await vi.waitFor(() => {
      expect(ours.speaker.status().peers).toMatchObject([
        { state: 'Established', received: 4 },
        { state: 'Established', received: 1 },
      ]);
      expect(ours.speaker.status().kernel).toMatchObject({ installed: 3, unresolved: 1 });
    }, EVENTUALLY);
  });
  afterAll(async () => {
    await server.close();
    await ours.stop();
    await near.stop();
    await far.stop();
    await rm(directory, { recursive: true, force: true });
    fabric.destroy();
  });

  async function ctl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    let out = '';
    let err = '';
    const code = await runCtl([...args, '--run-dir', directory, '--node', 'n1'], {
      variables: {},
      write: (text) => (out += text),
      writeError: (text) => (err += text),
    });
    return { code, out, err };
  }
  const json = async <Document>(...args: string[]): Promise<Document> =>
    JSON.parse((await ctl(...args, '-o', 'json')).out) as Document;

  it('lists peers with their counters, as text, JSON and YAML', async () => {
    const { neighbors, schema } = await json<{ schema: string; neighbors: BgpNeighborView[] }>(
      'bgp',
      'summary',
    );
    expect(schema).toBe('margay-bgp/v1');
    expect(neighbors).toMatchObject([
      { name: NEAR, state: 'Established', received: 4, timesEstablished: 1, filters: [] },
      { name: FAR, state: 'Established', received: 1, filters: ['picky'] },
    ]);
    const [peer] = neighbors;
    expect(peer!.messagesReceived.open).toBe(1);
    expect(peer!.messagesReceived.update).toBeGreaterThan(2);
    const theirs = await near.ask('show', 'protocols', 'all', 'margay');
    expect(theirs).toMatch(new RegExp(`Neighbor ID: +${ours.speaker.status().routerId}`));
    expect(peer!.session).toMatchObject({ identifier: '10.99.0.2', holdTime: 90 });
    expect((await ctl('bgp', 'summary')).out).toMatch(
      new RegExp(`${NEAR} +10\\.99\\.0\\.2 +65002 +Established`),
    );
    expect((await ctl('bgp', 'summary', '-o', 'yaml')).out).toMatch(/^schema: margay-bgp\/v1\nneighbors:\n/);
    expect((await ctl('bgp', 'neighbor', '10.99.0.3')).out).toMatch(/filters +picky/);
  });

  it('lists routes with all that they carry, by prefix and by peer', async () => {
    const all = await json<{ routes: BgpRouteView[] }>('bgp', 'routes');
    // Two of ours, four from the one, one from the other.
    expect(all.routes).toHaveLength(7);
    const { routes } = await json<{ routes: BgpRouteView[] }>('bgp', 'route', SHARED);
    expect(routes.toSorted((a, b) => a.asPath.length - b.asPath.length)).toMatchObject([
      {
        prefix: SHARED,
        peer: NEAR,
        nextHop: '10.99.0.2',
        asPath: '65002',
        communities: ['65002:7'],
        largeCommunities: ['65002:1:2'],
        best: true,
      },
      { prefix: SHARED, peer: FAR, nextHop: '10.99.0.3', asPath: '65003 65009', best: false },
    ]);
    expect((await json<{ routes: BgpRouteView[] }>('bgp', 'recv', FAR)).routes).toMatchObject([
      { prefix: SHARED },
    ]);
    expect((await ctl('bgp', 'routes', '--family', '6', '--best')).out).toMatch(
      new RegExp(`\\* +${V6} +fd99::2`),
    );
  });

  it('gives a table in pages that miss nothing', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ours.speaker.look('routes', {
        limit: 1,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.routes.map(({ prefix: text, peer }) => `${text} ${peer}`));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(7);
  });

  it('lists what a peer is told, as the peer has it', async () => {
    const { routes } = await json<{ routes: BgpRouteView[] }>('bgp', 'adv', FAR);
    expect(routes.map(({ prefix: text }) => text).toSorted()).toEqual(['10.65.1.0/26', SHARED]);
    const shared = routes.find(({ prefix: text }) => text === SHARED)!;
    expect(shared).toMatchObject({ asPath: '64512 64512 65002', communities: ['65002:7', '64513:3'] });
    const theirs = await far.ask('show', 'route', 'all', SHARED, 'protocol', 'margay');
    expect(theirs).toMatch(/BGP\.as_path: 64512 64512 65002/);
    expect(theirs).toMatch(/BGP\.community: \(64513,3\) \(65002,7\)|BGP\.community: \(65002,7\) \(64513,3\)/);
  });

  it('says why an address is reached as it is', async () => {
    const why = await json<BgpWhyView>('route', 'why', '10.65.200.9');
    expect(why).toMatchObject({
      schema: 'margay-bgp/v1',
      prefix: SHARED,
      owner: { node: 'n2' },
      decidedBy: 'as-path-length',
      candidates: [
        { peer: NEAR, best: true },
        { peer: FAR, best: false },
      ],
      kernel: { state: 'installed' },
      exports: [
        { peer: NEAR, told: false, rule: 'comes-from-this-peer' },
        { peer: FAR, told: true, rule: 'filter picky export rule 2' },
      ],
    });
    expect(why.kernel!.nextHops).toHaveLength(1);
    expect(why.kernel!.nextHops[0]).toBe('via 10.99.0.2 dev eth0');
    const { out, code } = await ctl('route', 'why', '10.65.200.9');
    expect(code).toBe(0);
    expect(out).toMatch(/in block 10\.65\.200\.0\/24 of node n2/);
    expect(out).toMatch(/the first was chosen: the shortest AS path/);
    expect(out).toMatch(/Kernel: installed \(via 10\.99\.0\.2 dev eth0\)/);
  });

  it('names the rule that keeps a route from a peer, and what keeps it from the kernel', async () => {
    expect(await json<BgpWhyView>('route', 'why', '192.0.2.1')).toMatchObject({
      decidedBy: 'only',
      exports: [
        { peer: NEAR, told: false },
        { peer: FAR, told: false, rule: 'not-in-a-pool' },
      ],
    });
    expect(await json<BgpWhyView>('route', 'why', 'fd65:0:200::1')).toMatchObject({
      exports: [
        { peer: NEAR, told: false },
        { peer: FAR, told: false, rule: 'filter picky export rule 1' },
      ],
    });
    expect(await json<BgpWhyView>('route', 'why', '198.51.100.1')).toMatchObject({
      kernel: { state: 'unresolved', reason: expect.stringContaining('203.0.113.9') as string },
    });
    expect(await json<BgpWhyView>('route', 'why', '10.65.1.5')).toMatchObject({
      prefix: '10.65.1.0/26',
      kernel: { state: 'unwanted' },
      exports: [
        { peer: NEAR, told: true, rule: 'own-block' },
        { peer: FAR, told: true, rule: 'own-block' },
      ],
    });
    const unknown = await ctl('route', 'why', '203.0.113.1');
    expect(unknown.code).toBe(1);
    expect(unknown.out).toMatch(/BGP knows no route to it/);
  });

  it('tries filters on routes that need not exist', async () => {
    const rejected = await ctl('bgp', 'filters', 'test', FAR, '172.16.1.0/24');
    expect(rejected).toMatchObject({ code: 1, out: 'rejected: filter picky import rule 1\n' });
    const accepted = await ctl('bgp', 'filters', 'test', FAR, SHARED, '--direction', 'export');
    expect(accepted.code).toBe(0);
    expect(accepted.out).toBe(
      'accepted: filter picky export rule 2\nadds community 64513:3\nprepends AS 64512\n',
    );
    expect((await ctl('bgp', 'filters', 'test', '10.9.9.9', SHARED)).code).toBe(2);
  });

  it('writes the table as MRT where it is told to', async () => {
    const file = join(directory, 'rib.mrt');
    expect((await ctl('bgp', 'mrt', 'dump', file)).out).toMatch(
      new RegExp(`^${file}: 7 paths of 6 prefixes, \\d+ octets\n$`),
    );
    expect((await runChecked('bgpdump', ['-m', file])).trim().split('\n')).toHaveLength(7);
  });

  it('has routes told again without a flap, and begins sessions anew', async () => {
    const view = async (): Promise<BgpNeighborView> => (await ours.speaker.look('neighbors', undefined))[0]!;
    const before = await view();
    await ctl('bgp', 'clear', NEAR, '--soft', 'in');
    await vi.waitFor(async () => {
      const { messagesSent, messagesReceived } = await view();
      expect(messagesSent['route-refresh']).toBe(before.messagesSent['route-refresh'] + 2);
      expect(messagesReceived.update).toBeGreaterThan(before.messagesReceived.update);
    }, EVENTUALLY);
    const updates = (await view()).messagesSent.update;
    await ctl('bgp', 'clear', NEAR, '--soft', 'out');
    await vi.waitFor(
      async () => expect((await view()).messagesSent.update).toBeGreaterThan(updates),
      EVENTUALLY,
    );
    expect(await view()).toMatchObject({ timesEstablished: 1, since: before.since });
    await ctl('bgp', 'clear', NEAR);
    await vi.waitFor(
      async () => expect(await view()).toMatchObject({ state: 'Established', timesEstablished: 2 }),
      EVENTUALLY,
    );
    await vi.waitFor(() => expect(near.log).toMatch(/Received: Administrative reset/), EVENTUALLY);
  });

  it('holds a session down with a word, whatever is configured, until it is let up', async () => {
    const view = async (): Promise<BgpNeighborView> => (await ours.speaker.look('neighbors', undefined))[1]!;
    const { out } = await ctl('bgp', 'down', FAR, '--reason', 'fibre works');
    expect(out).toBe(`${FAR}: Idle; Held down by an operator\n`);
    await vi.waitFor(() => expect(far.log).toMatch(/Administrative shutdown.*fibre works/), EVENTUALLY);
    expect(await view()).toMatchObject({ state: 'Idle', heldDown: true, received: 0 });
    ours.speaker.reconfigure(
      speakerConfig(1, [
        peerConfig(1, 2, { asNumber: 65002, type: 'global' }),
        peerConfig(1, 3, { asNumber: 65003, type: 'global' }),
      ]),
    );
    expect(await view()).toMatchObject({ state: 'Idle', heldDown: true });
    await ctl('bgp', 'up', '10.99.0.3');
    await vi.waitFor(
      async () => expect(await view()).toMatchObject({ state: 'Established', received: 1 }),
      EVENTUALLY,
    );
  });

  it('says which peers there are when one is named that there is not', async () => {
    await expect(ctl('bgp', 'recv', '10.9.9.9')).rejects.toThrow(/there is no peer 10\.9\.9\.9/);
  });
});
