/** Our speakers among themselves, in real network namespaces. */
import { once } from 'node:events';
import { type Server, Socket, createServer } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import type { PeerStatus } from '../../src/bgp/status.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { tcpListenSocket, tcpSocket } from '../../src/sys/socket.ts';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };

/** The same session over IPv6. */
function peerOver6(host: number, other: number, fields: Partial<PeerConfig> = {}): PeerConfig {
  return peerConfig(host, other, {
    name: `Mesh_fd99__${other}`,
    address: address(`fd99::${other}`),
    sourceAddress: address(`fd99::${host}`),
    ...fields,
  });
}

describeKernel('speakers among themselves', () => {
  let fabric: Fabric;
  const running: (RunningSpeaker | undefined)[] = [];
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker?.stop();
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
    fabric.destroy();
  });

  async function start(host: number, config: SpeakerConfig): Promise<RunningSpeaker> {
    return (running[host] = await startSpeaker(fabric.hosts[host - 1]!, config));
  }

  function peer(host: number, index = 0): PeerStatus {
    return running[host]!.speaker.status().peers[index]!;
  }

  async function established(...hosts: number[]): Promise<void> {
    await vi.waitFor(() => {
      for (const host of hosts) {
        for (const entry of running[host]!.speaker.status().peers) expect(entry.state).toBe('Established');
      }
    }, EVENTUALLY);
  }

  /** `ip route show` of one destination. */
  function route(host: number, destination: string): Promise<string> {
    return fabric.ip(host, destination.includes(':') ? '-6' : '-4', 'route', 'show', destination);
  }

  async function hasRoute(host: number, destination: string, via: string): Promise<void> {
    await vi.waitFor(async () => {
      expect(await route(host, destination)).toMatch(new RegExp(`via ${via} dev eth0 proto 81 metric 1024`));
    }, EVENTUALLY);
  }

  async function hasNoRoute(host: number, destination: string): Promise<void> {
    await vi.waitFor(async () => expect(await route(host, destination)).toBe(''), EVENTUALLY);
  }

  it('learn all blocks of a full mesh of three, both families', async () => {
    fabric = await makeFabric(3);
    for (const host of [1, 2, 3]) {
      const others = [1, 2, 3].filter((other) => other !== host);
      // Calico lets the lower address connect.
      const peers = others.map((other) => peerConfig(host, other, { passive: other > host }));
      await start(host, speakerConfig(host, peers));
    }
    for (const host of [1, 2, 3]) {
      for (const other of [1, 2, 3].filter((candidate) => candidate !== host)) {
        await hasRoute(host, `10.65.${other}.0/26`, `10.99.0.${other}`);
        await hasRoute(host, `fd65::${other}:0/122`, `fd99::${other}`);
      }
      expect(running[host]!.speaker.status()).toMatchObject({ state: 'running', kernel: { installed: 4 } });
    }
  });

  it('keep exactly one session when both connect at once (RFC 4271 §6.8)', async () => {
    fabric = await makeFabric(2);
    await Promise.all([
      start(1, speakerConfig(1, [peerConfig(1, 2)])),
      start(2, speakerConfig(2, [peerConfig(2, 1)])),
    ]);
    await established(1, 2);
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    await hasRoute(2, '10.65.1.0/26', '10.99.0.1');
    await vi.waitFor(async () => expect(await connections(1)).toBe(1), EVENTUALLY);
  });

  async function connections(host: number): Promise<number> {
    const text = await runChecked('ss', ['-Htn', 'state', 'established'], {
      namespace: fabric.hosts[host - 1]!,
    });
    return text.split('\n').filter((line) => /:179\b/.test(line)).length;
  }

  it('touch only what a new configuration changes', async () => {
    fabric = await makeFabric(3);
    const two = peerConfig(1, 2);
    const config = speakerConfig(1, [two]);
    await start(1, config);
    await start(2, speakerConfig(2, [peerConfig(2, 1, { passive: true })]));
    await start(3, speakerConfig(3, [peerConfig(3, 1, { passive: true })]));
    await hasRoute(2, '10.65.1.0/26', '10.99.0.1');
    const { since } = peer(1);

    running[1]!.speaker.reconfigure({ ...config, peers: [two, peerConfig(1, 3)] });
    await hasRoute(3, 'fd65::1:0/122', 'fd99::1');

    const block = prefix('10.65.101.0/26');
    const more = { ...config, peers: [two, peerConfig(1, 3)], blocks: [...config.blocks, block] };
    running[1]!.speaker.reconfigure(more);
    await hasRoute(2, block, '10.99.0.1');
    running[1]!.speaker.reconfigure({ ...more, outsideWorkloads: [prefix('10.65.2.9/32')] });
    await hasRoute(3, '10.65.2.9', '10.99.0.1');
    running[1]!.speaker.reconfigure({
      ...more,
      pools: more.pools.map(({ cidr }) => ({ cidr, exported: false })),
    });
    await hasNoRoute(2, block);
    await hasNoRoute(2, 'fd65::1:0/122');
    running[1]!.speaker.reconfigure(more);
    await hasRoute(2, 'fd65::1:0/122', 'fd99::1');

    running[1]!.speaker.reconfigure({ ...more, kernel: { ...more.kernel, metric: { 4: 900, 6: 900 } } });
    await vi.waitFor(async () => {
      expect((await route(1, '10.65.2.0/26')).trim()).toMatch(
        /^10\.65\.2\.0\/26 via 10\.99\.0\.2 dev eth0 proto 81 metric 900$/,
      );
    }, EVENTUALLY);

    expect(peer(1)).toMatchObject({ state: 'Established', since });
    running[1]!.speaker.reconfigure({ ...config, peers: [peerConfig(1, 3)] });
    await hasNoRoute(1, '10.65.2.0/26');
    await vi.waitFor(
      () => expect(peer(2).info).toMatch(/Received: Cease, (Peer De-configured|Hard Reset)/),
      EVENTUALLY,
    );
    await hasNoRoute(2, '10.65.1.0/26');
  });

  it('carry both families over one IPv6 session, with the IPv4 address of the node as next hop', async () => {
    fabric = await makeFabric(2);
    await start(2, speakerConfig(2, [peerOver6(2, 1, { passive: true })]));
    await start(1, speakerConfig(1, [peerOver6(1, 2)]));
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    await hasRoute(1, 'fd65::2:0/122', 'fd99::2');
    await hasRoute(2, '10.65.1.0/26', '10.99.0.1');
  });

  it('carry each family in its own session where there is one each', async () => {
    fabric = await makeFabric(2);
    for (const [host, other] of [
      [2, 1],
      [1, 2],
    ] as const) {
      const passive = host === 2;
      const peers = [
        peerConfig(host, other, { families: [4], passive }),
        peerOver6(host, other, { families: [6], passive }),
      ];
      await start(host, speakerConfig(host, peers));
    }
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    await hasRoute(1, 'fd65::2:0/122', 'fd99::2');
    expect([peer(1, 0).received, peer(1, 1).received]).toEqual([1, 1]);
  });

  it('need no IPv4 address at all, and listen on one address if told so (design D15)', async () => {
    fabric = await makeFabric(2);
    for (const [host, other] of [
      [2, 1],
      [1, 2],
    ] as const) {
      await fabric.ip(host, '-4', 'addr', 'flush', 'dev', 'eth0');
      const own = address(`fd99::${host}`);
      const config = speakerConfig(host, [peerOver6(host, other, { passive: host === 2 })], {
        nodeAddresses: { 6: own },
        listen: { port: 1790, addresses: [own] },
      });
      await start(host, { ...config, peers: config.peers.map((entry) => ({ ...entry, port: 1790 })) });
    }
    await hasRoute(1, 'fd65::2:0/122', 'fd99::2');
    // IPv4 blocks, too, by an IPv6 next hop (RFC 8950).
    expect(peer(1)).toMatchObject({ received: 2, advertised: 2 });
    await hasRoute(1, '10.65.2.0/26', 'inet6 fd99::2');
  });

  it('say what to do about a taken port, route on without it, and take it when it is free', async () => {
    fabric = await makeFabric(2);
    const server = createServer();
    const fd = tcpListenSocket({ namespace: fabric.hosts[0]!, address: address('0.0.0.0'), port: 179 });
    server.listen({ fd });
    await once(server, 'listening');
    servers.push(server);
    await start(2, speakerConfig(2, [peerConfig(2, 1, { passive: true })]));
    await start(1, speakerConfig(1, [peerConfig(1, 2)]));
    await vi.waitFor(() => {
      expect(running[1]!.speaker.status()).toMatchObject({
        state: 'failed',
        problem: expect.stringMatching(
          /^cannot listen for BGP on port 179: another program does\n {2}fix: Stop/,
        ),
      });
    }, EVENTUALLY);
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    server.close();
    await vi.waitFor(() => expect(running[1]!.speaker.status().state).toBe('running'), EVENTUALLY);
    expect(peer(1).state).toBe('Established');
  });

  it('reject strangers with Cease, Connection Rejected (RFC 4486)', async () => {
    fabric = await makeFabric(2);
    await start(1, speakerConfig(1, []));
    const socket = new Socket({ fd: tcpSocket({ family: 4, namespace: fabric.hosts[1]! }) });
    sockets.push(socket);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.connect({ host: '10.99.0.1', port: 179 });
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString('hex')).toBe(`${'ff'.repeat(16)}0015030605`);
  });

  it('meet only with the same TCP MD5 key, and change it within a session (RFC 2385)', async () => {
    fabric = await makeFabric(2);
    const config = (host: number, other: number, password?: string): SpeakerConfig =>
      speakerConfig(host, [
        peerConfig(host, other, { passive: host === 2, ...(password === undefined ? {} : { password }) }),
      ]);
    await start(2, config(2, 1, 'margay'));
    await start(1, config(1, 2, 'another'));
    await vi.waitFor(() => expect(peer(1).info).not.toBe(''), EVENTUALLY);
    expect(peer(1).state).not.toBe('Established');
    running[1]!.speaker.reconfigure(config(1, 2, 'margay'));
    await established(1, 2);
    const { since } = peer(1);
    running[2]!.speaker.reconfigure(config(2, 1, 'changed'));
    running[1]!.speaker.reconfigure(config(1, 2, 'changed'));
    // What is told over the session with the new key arrives, and it is the session from before.
    const more = config(2, 1, 'changed');
    running[2]!.speaker.reconfigure({ ...more, blocks: [...more.blocks, prefix('10.65.102.0/26')] });
    await hasRoute(1, '10.65.102.0/26', '10.99.0.2');
    expect(peer(1)).toMatchObject({ state: 'Established', since });
  });

  it('meet under ttlSecurity (RFC 5082), and not with a peer that sends with an ordinary hop limit', async () => {
    fabric = await makeFabric(2);
    const secured: Partial<PeerConfig> = { ttlSecurity: 1 };
    await start(2, speakerConfig(2, [peerConfig(2, 1, { passive: true, ...secured })]));
    await start(1, speakerConfig(1, [peerConfig(1, 2)]));
    await vi.waitFor(async () => {
      const counters = await runChecked('nstat', ['-asz', 'TcpExtTCPMinTTLDrop'], {
        namespace: fabric.hosts[1]!,
      });
      expect(counters).toMatch(/TcpExtTCPMinTTLDrop +[1-9]/);
    }, EVENTUALLY);
    expect(peer(1).state).not.toBe('Established');
    running[1]!.speaker.reconfigure(speakerConfig(1, [peerConfig(1, 2, secured)]));
    await established(1, 2);
  });

  it('pass routes on through a reflector with the next hop of the origin (RFC 4456)', async () => {
    fabric = await makeFabric(3);
    const clusterId = address('1.0.0.1');
    await start(
      2,
      speakerConfig(
        2,
        [1, 3].map((other) => peerConfig(2, other, { reflectorClient: true, passive: true })),
        { clusterId },
      ),
    );
    for (const host of [1, 3]) await start(host, speakerConfig(host, [peerConfig(host, 2)]));
    await hasRoute(1, '10.65.3.0/26', '10.99.0.3');
    await hasRoute(3, 'fd65::1:0/122', 'fd99::1');
    // A non-client learns from a client, but two non-clients learn nothing of one another.
    running[2]!.speaker.reconfigure(
      speakerConfig(
        2,
        [1, 3].map((other) => peerConfig(2, other, { reflectorClient: other === 1, passive: true })),
        { clusterId },
      ),
    );
    await hasRoute(1, '10.65.3.0/26', '10.99.0.3');
    running[2]!.speaker.reconfigure(
      speakerConfig(
        2,
        [1, 3].map((other) => peerConfig(2, other, { passive: true })),
        { clusterId },
      ),
    );
    await hasNoRoute(1, '10.65.3.0/26');
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
  });

  it('route by the gateway of a next hop that is not on the link', async () => {
    fabric = await makeFabric(3);
    const far = address('10.98.0.3');
    await fabric.ip(3, 'addr', 'add', `${far}/32`, 'dev', 'lo');
    await fabric.ip(1, 'route', 'add', far, 'via', '10.99.0.2');
    await fabric.ip(2, 'route', 'add', far, 'via', '10.99.0.3');
    await start(3, speakerConfig(3, [peerConfig(3, 1, { sourceAddress: far, passive: true })]));
    await start(1, speakerConfig(1, [peerConfig(1, 3, { address: far })]));
    await hasRoute(1, '10.65.3.0/26', '10.99.0.2');
    await fabric.ip(1, 'route', 'replace', far, 'via', '10.99.0.3');
    await hasRoute(1, '10.65.3.0/26', '10.99.0.3');
    await fabric.ip(1, 'route', 'replace', 'blackhole', far);
    await hasNoRoute(1, '10.65.3.0/26');
    expect(running[1]!.speaker.status().kernel.unresolved).toBeGreaterThan(0);
    await fabric.ip(1, 'route', 'replace', far, 'via', '10.99.0.2');
    await hasRoute(1, '10.65.3.0/26', '10.99.0.2');
  });

  it('reach a peer by the gateway that is configured for it, and what it announces, too', async () => {
    fabric = await makeFabric(3);
    const far = address('10.98.0.3');
    await fabric.ip(3, 'addr', 'add', `${far}/32`, 'dev', 'lo');
    await fabric.ip(2, 'route', 'add', far, 'via', '10.99.0.3');
    // Where routing alone would send it.
    await fabric.ip(1, 'route', 'add', 'default', 'via', '10.99.0.99');
    await start(3, speakerConfig(3, [peerConfig(3, 1, { sourceAddress: far })]));
    const config = (reachableBy: string): SpeakerConfig =>
      speakerConfig(1, [peerConfig(1, 3, { address: far, reachableBy: address(reachableBy) })]);
    await start(1, config('10.99.0.2'));
    await hasRoute(1, far, '10.99.0.2');
    await hasRoute(1, '10.65.3.0/26', '10.99.0.2');
    const { since } = peer(1);
    running[1]!.speaker.reconfigure(config('10.99.0.3'));
    await hasRoute(1, far, '10.99.0.3');
    await hasRoute(1, '10.65.3.0/26', '10.99.0.3');
    expect(peer(1)).toMatchObject({ state: 'Established', since });
    running[1]!.speaker.reconfigure(speakerConfig(1, []));
    await hasNoRoute(1, far);
  });

  it('leave the routes of others alone, and put back their own', async () => {
    fabric = await makeFabric(3);
    await fabric.ip(
      1,
      'route',
      'add',
      '10.65.2.0/26',
      'via',
      '10.99.0.3',
      'metric',
      '1024',
      'proto',
      'static',
    );
    await start(2, speakerConfig(2, [peerConfig(2, 1, { passive: true })]));
    await start(1, speakerConfig(1, [peerConfig(1, 2)]));
    await hasRoute(1, 'fd65::2:0/122', 'fd99::2');
    expect(await route(1, '10.65.2.0/26')).toMatch(
      /^10\.65\.2\.0\/26 via 10\.99\.0\.3 dev eth0 proto static metric 1024 *\n$/,
    );
    expect(running[1]!.speaker.status().kernel.problems).toEqual([
      '10.65.2.0/26: a route of another program has the same metric',
    ]);
    await fabric.ip(1, 'route', 'del', '10.65.2.0/26', 'proto', 'static');
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    for (const destination of ['10.65.2.0/26', 'fd65::2:0/122']) {
      const family = destination.includes(':') ? '-6' : '-4';
      await fabric.ip(1, family, 'route', 'del', destination, 'proto', '81');
      await hasRoute(1, destination, family === '-6' ? 'fd99::2' : '10.99.0.2');
    }
    expect(running[1]!.speaker.status().kernel).toMatchObject({ installed: 2, problems: [] });
  });

  it('route again after the link was down', async () => {
    fabric = await makeFabric(2);
    await start(2, speakerConfig(2, [peerConfig(2, 1, { passive: true })]));
    await start(1, speakerConfig(1, [peerConfig(1, 2)]));
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
    await fabric.ip(1, 'link', 'set', 'eth0', 'down');
    await vi.waitFor(() => expect(running[1]!.speaker.status().kernel.unresolved).toBe(2), EVENTUALLY);
    await fabric.ip(1, 'link', 'set', 'eth0', 'up');
    await hasRoute(1, '10.65.2.0/26', '10.99.0.2');
  });
});
