/** Several paths to a prefix in one session (RFC 7911), told to and taken from BIRD, FRR and GoBGP. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr, frrConfig } from './fixture-frr.ts';
import { Gobgp } from './fixture-gobgp.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };
const ROUTES = ['192.0.2.0/24', '2001:db8:1::/48'];
const POOLS = ['192.0.2.0/24', '2001:db8:1::/48'].map((cidr) => ({ cidr: prefix(cidr), exported: true }));
const ROUTER = 2;
const TELLERS = [3, 4];

/** A router at host 2 with sessions to all others, ADD-PATH both ways with us. */
interface Router {
  /** Next hops by which it has the IPv4 prefix from us. */
  nextHops(): Promise<string[]>;
  stop(): Promise<void>;
}

const asOf = (host: number): number => 65_000 + host;

async function bird(namespace: string): Promise<Router> {
  const tellers = TELLERS.map(
    (host) => `
protocol bgp teller${host} {
  local 10.99.0.2 as ${asOf(ROUTER)};
  neighbor 10.99.0.${host} as ${asOf(host)};
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}`,
  );
  const running = await Bird.start({
    namespace,
    config: birdConfig({
      host: ROUTER,
      neighbor: 1,
      asNumber: asOf(ROUTER),
      neighborAs: 64512,
      channel: 'add paths yes; next hop self off; next hop keep on;',
      more: tellers.join('\n'),
    }),
  });
  return {
    nextHops: async () => viaIn(await running.ask('show', 'route', 'protocol', 'margay', ROUTES[0]!)),
    stop: () => running.stop(),
  };
}

async function frr(namespace: string): Promise<Router> {
  const running = await Frr.start({
    namespace,
    config: frrConfig({
      host: ROUTER,
      neighbor: 1,
      asNumber: asOf(ROUTER),
      neighborAs: 64512,
      bgp: TELLERS.map((host) => `neighbor 10.99.0.${host} remote-as ${asOf(host)}`),
      family: ['addpath-tx-all-paths', 'attribute-unchanged next-hop'],
      more: [
        `router bgp ${asOf(ROUTER)}`,
        ' address-family ipv6 unicast',
        ...TELLERS.map((host) => `  neighbor 10.99.0.${host} activate`),
        ' exit-address-family',
      ].join('\n'),
    }),
  });
  return {
    async nextHops() {
      const text = await running.ask(`show bgp ipv4 unicast ${ROUTES[0]}`);
      return [...text.matchAll(/^ {4}(10\.99\.0\.\d+)(?: \(.*\))? from 10\.99\.0\.1 /gm)]
        .map((match) => match[1]!)
        .toSorted();
    },
    stop: () => running.stop(),
  };
}

async function gobgp(namespace: string): Promise<Router> {
  const families = ['ipv4-unicast', 'ipv6-unicast'];
  const neighbor = (host: number, asNumber: number, paths: object) => ({
    config: { 'neighbor-address': `10.99.0.${host}`, 'peer-as': asNumber },
    transport: { config: { 'local-address': '10.99.0.2' } },
    timers: { config: { 'connect-retry': 1 } },
    'afi-safis': families.map((name) => ({ config: { 'afi-safi-name': name }, ...paths })),
  });
  const running = await Gobgp.start({
    namespace,
    routes: [],
    config: {
      global: {
        config: { as: asOf(ROUTER), 'router-id': '10.99.0.2' },
        'apply-policy': {
          config: { 'export-policy-list': ['keep'], 'default-export-policy': 'accept-route' },
        },
      },
      neighbors: [
        neighbor(1, 64512, { 'add-paths': { config: { receive: true, 'send-max': 8 } } }),
        ...TELLERS.map((host) => neighbor(host, asOf(host), {})),
      ],
      'policy-definitions': [
        {
          name: 'keep',
          statements: [
            {
              name: 'keep',
              actions: {
                'route-disposition': 'accept-route',
                'bgp-actions': { 'set-next-hop': 'unchanged' },
              },
            },
          ],
        },
      ],
    },
  });
  return {
    async nextHops() {
      const text = await running.received('10.99.0.1', ROUTES[0]!);
      return [...text.matchAll(/"nexthop":"(10\.99\.0\.\d+)"/g)].map((match) => match[1]!).toSorted();
    },
    stop: () => running.stop(),
  };
}

function viaIn(text: string): string[] {
  return [...text.matchAll(/via (10\.99\.0\.\d+) /g)].map((match) => match[1]!).toSorted();
}

describeKernel('two ways to a prefix in one session', () => {
  let fabric: Fabric;
  let router: Router | undefined;
  let speakers: Map<number, RunningSpeaker>;

  beforeEach(async () => {
    fabric = await makeFabric(4);
    speakers = new Map();
  });
  afterEach(async () => {
    await Promise.all([...speakers.values()].map((speaker) => speaker.stop()));
    await router?.stop();
    fabric.destroy();
    router = undefined;
  });

  /** Hosts 3 and 4 own the prefixes and tell them to one host. */
  async function startTellers(to: number): Promise<void> {
    for (const host of TELLERS) {
      const peer = peerConfig(host, to, { localAsNumber: asOf(host), asNumber: to === 1 ? 64512 : asOf(to) });
      const config = speakerConfig(host, [peer], {
        asNumber: asOf(host),
        blocks: ROUTES.map((route) => prefix(route)),
      });
      speakers.set(host, await startSpeaker(fabric.hosts[host - 1]!, config));
    }
  }

  async function startOurs(fields: Partial<PeerConfig>, others: readonly number[] = []): Promise<void> {
    const peers = [
      peerConfig(1, ROUTER, { asNumber: asOf(ROUTER), ...fields }),
      ...others.map((host) => peerConfig(1, host, { asNumber: asOf(host) })),
    ];
    speakers.set(1, await startSpeaker(fabric.hosts[0]!, speakerConfig(1, peers, { pools: POOLS })));
  }

  it.each([
    ['BIRD', bird],
    ['FRR', frr],
    ['GoBGP', gobgp],
  ])('are both told to %s, and each is withdrawn alone', async (_, start) => {
    router = await start(fabric.hosts[ROUTER - 1]!);
    await startTellers(1);
    await startOurs({ addPath: { send: true, receive: false } }, TELLERS);
    await vi.waitFor(
      async () => expect(await router!.nextHops()).toEqual(['10.99.0.3', '10.99.0.4']),
      EVENTUALLY,
    );
    await speakers.get(3)!.stop();
    speakers.delete(3);
    await vi.waitFor(async () => expect(await router!.nextHops()).toEqual(['10.99.0.4']), EVENTUALLY);
  });

  it.each([
    ['BIRD', bird],
    ['FRR', frr],
    ['GoBGP', gobgp],
  ])('are both taken from %s and share traffic, and each goes alone', async (_, start) => {
    router = await start(fabric.hosts[ROUTER - 1]!);
    await startTellers(ROUTER);
    await startOurs({ addPath: { send: false, receive: true } });
    const kernel = async (...hosts: readonly number[]): Promise<void> => {
      await vi.waitFor(async () => {
        for (const [version, route] of [
          ['-4', ROUTES[0]!],
          ['-6', ROUTES[1]!],
        ] as const) {
          const text = await fabric.ip(1, version, 'route', 'show', route);
          const vias = [...text.matchAll(/via (?:10\.99\.0\.|fd99::)(\d+) /g)].map((match) =>
            Number(match[1]),
          );
          expect(vias.toSorted((a, b) => a - b)).toEqual(hosts);
        }
      }, EVENTUALLY);
    };
    await kernel(3, 4);
    const paths = speakers
      .get(1)!
      .speaker.routes()
      .filter(({ peer }) => peer !== undefined);
    expect(paths).toHaveLength(4);
    await speakers.get(3)!.stop();
    speakers.delete(3);
    await kernel(4);
  });
});
