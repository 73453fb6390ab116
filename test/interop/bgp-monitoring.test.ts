/** What peers tell, told on: BMP to a station, MRT to files, read by programs of others and by a decoder of our own. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { decodeMessage } from '../../src/bgp/wire/codec.ts';
import { BASIC_WIRE } from '../../src/bgp/wire/message.ts';
import { address } from '../../src/net/address.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type BmpMessage, readBmp } from './bmp-decoder.ts';
import { Bird, birdConfig } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 100 };
const ROUTES = ['192.0.2.0/24', '198.51.100.0/25', '2001:db8:1::/48'];
const PORT = 11019;

/** A monitoring station that keeps what it is told. */
class Station {
  readonly messages: BmpMessage[] = [];
  failure: unknown;
  private constructor(private readonly server: Server) {}

  static listen(namespace: string): Station {
    const server = createServer();
    const station = new Station(server);
    server.on('connection', (socket) => {
      let rest = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        try {
          rest = Buffer.concat([rest, chunk]);
          const { messages, used } = readBmp(rest);
          station.messages.push(...messages);
          rest = rest.subarray(used);
        } catch (error) {
          station.failure ??= error;
        }
      });
    });
    inNamespace(namespace, () => server.listen(PORT));
    return station;
  }

  of(type: BmpMessage['type']): BmpMessage[] {
    expect(this.failure).toBeUndefined();
    return this.messages.filter((message) => message.type === type);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }
}

describeKernel('monitoring of a speaker', () => {
  let fabric: Fabric;
  let bird: Bird;
  let ours: RunningSpeaker | undefined;
  let station: Station | undefined;
  let child: ChildProcess | undefined;
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margay-monitoring-'));
    await chmod(directory, 0o755);
    fabric = await makeFabric(2);
    bird = await Bird.start({
      namespace: fabric.hosts[1]!,
      config: birdConfig({ host: 2, neighbor: 1, asNumber: 65002, neighborAs: 64512, routes: ROUTES }),
    });
  });
  afterEach(async () => {
    await ours?.stop();
    await bird.stop();
    await station?.close();
    if (child !== undefined) await terminate(child);
    ours = undefined;
    station = undefined;
    child = undefined;
    fabric.destroy();
    await rm(directory, { recursive: true, force: true });
  });

  const config = (monitoring: SpeakerConfig['monitoring']): SpeakerConfig =>
    speakerConfig(
      1,
      [
        peerConfig(1, 2, {
          asNumber: 65002,
          type: 'global',
          // Refuses one route: a station sees it all the same.
          filters: ['picky'],
        }),
      ],
      {
        filters: {
          picky: {
            import: [
              { action: 'reject', family: 4, cidr: { prefix: '192.0.2.0/24' as never, operator: 'Equal' } },
            ],
            export: [],
          },
        },
        ...(monitoring === undefined ? {} : { monitoring }),
      },
    );
  const established = (): Promise<void> =>
    vi.waitFor(
      () => expect(ours!.speaker.status().peers[0]).toMatchObject({ state: 'Established', received: 2 }),
      EVENTUALLY,
    );
  const toStation = { bmp: [{ address: address('10.99.0.1'), port: PORT }] };

  it('tells a BMP station of sessions, of routes before policy, of counts and of the end (RFC 7854)', async () => {
    ours = await startSpeaker(fabric.hosts[0]!, config(toStation));
    await established();
    // It comes late: peers are asked to tell all again.
    station = Station.listen(fabric.hosts[0]!);
    const text = (): string =>
      station!
        .of('route-monitoring')
        .map(({ bgp }) => bgp[0]!.toString('hex'))
        .join(' ');
    await vi.waitFor(() => {
      expect(station!.of('initiation')).toHaveLength(1);
      // 192.0.2.0/24, 198.51.100.0/25, 2001:db8:1::/48 as they are in NLRI.
      for (const nlri of ['18c00002', '19c6336400', '3020010db80001']) expect(text()).toContain(nlri);
    }, EVENTUALLY);
    expect(station.of('initiation')[0]!.information!.get(1)).toMatch(/^Margay /);
    const [up] = station.of('peer-up');
    expect(up).toMatchObject({
      peer: { address: '10.99.0.2', as: 65002, id: '10.99.0.2', postPolicy: false, twoOctetAs: false },
      local: { address: '10.99.0.1' },
    });
    expect([up!.local!.port, up!.local!.remotePort]).toContain(179);
    expect(up!.bgp.map((open) => open[18])).toEqual([1, 1]);
    // Each names its sender: we are AS 64512, BIRD is AS 65002.
    expect(up!.bgp.map((open) => open.readUInt16BE(20))).toEqual([64512, 65002]);
    const [statistics] = station.of('statistics');
    expect(statistics!.statistics!.get('7')).toBe(2n);
    expect(statistics!.statistics!.get('9/1/1')).toBe(1n);

    await bird.ask('disable', 'margay');
    await vi.waitFor(() => expect(station!.of('peer-down')).toHaveLength(1), EVENTUALLY);
    const [down] = station.of('peer-down');
    expect(down).toMatchObject({ downReason: 3 });
    // Cease, Administrative Shutdown.
    expect([...down!.bgp[0]!.subarray(18, 21)]).toEqual([3, 6, 2]);
    await bird.ask('enable', 'margay');
    await vi.waitFor(() => expect(station!.of('peer-up')).toHaveLength(2), EVENTUALLY);
    ours.speaker.reconfigure(config(undefined));
    await vi.waitFor(() => expect(station!.of('termination')).toHaveLength(1), EVENTUALLY);
    expect(station.of('termination')[0]!.information!.get(1)).toBe('0000');
  });

  it('tells a BMP station what policy has let in, beside what came, each marked as what it is (RFC 7854 §4.2)', async () => {
    station = Station.listen(fabric.hosts[0]!);
    ours = await startSpeaker(
      fabric.hosts[0]!,
      config({ bmp: [{ address: address('10.99.0.1'), port: PORT, routes: 'both' }] }),
    );
    await established();
    const routes = (postPolicy: boolean) =>
      station!
        .of('route-monitoring')
        .filter(({ peer }) => peer!.postPolicy === postPolicy)
        .flatMap(({ bgp }) => {
          const message = decodeMessage(bgp[0]!, {
            ...BASIC_WIRE,
            fourOctetAs: true,
            external: false,
            extendedMessages: true,
            families: [4, 6],
          });
          if (message.type !== 'update') throw new Error(message.type);
          return [
            ...message.withdrawn.flatMap(({ prefixes }) => prefixes.map((at) => `- ${at}`)),
            ...message.announced.flatMap(({ prefixes }) => prefixes.map((at) => `+ ${at}`)),
          ];
        });
    await vi.waitFor(() => {
      expect([...new Set(routes(false))].toSorted()).toEqual(ROUTES.map((at) => `+ ${at}`));
      expect([...new Set(routes(true))].toSorted()).toEqual([
        '+ 198.51.100.0/25',
        '+ 2001:db8:1::/48',
        '- 192.0.2.0/24',
      ]);
    }, EVENTUALLY);
  });

  it('is understood by pmacct’s BMP daemon', async () => {
    const log = join(directory, 'bmp.log');
    const file = join(directory, 'pmbmpd.conf');
    await writeFile(
      file,
      `daemonize: false\nbmp_daemon_ip: 0.0.0.0\nbmp_daemon_port: ${PORT}\nbmp_daemon_msglog_file: ${log}\n`,
    );
    child = spawnIn('pmbmpd', ['-f', file], { namespace: fabric.hosts[0]!, stdio: 'ignore' });
    ours = await startSpeaker(fabric.hosts[0]!, config(toStation));
    await established();
    await vi.waitFor(async () => {
      const events = (await readFile(log, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(events).toContainEqual(expect.objectContaining({ bmp_msg_type: 'init' }));
      expect(events).toContainEqual(
        expect.objectContaining({
          bmp_msg_type: 'peer_up',
          peer_ip: '10.99.0.2',
          remote_port: expect.anything() as number,
        }),
      );
      for (const prefix of ROUTES) {
        expect(events).toContainEqual(
          expect.objectContaining({
            log_type: 'update',
            ip_prefix: prefix,
            peer_ip: '10.99.0.2',
            as_path: '65002',
          }),
        );
      }
    }, EVENTUALLY);
  });

  it('writes the table and the updates as MRT, which bgpdump reads (RFC 6396)', async () => {
    const updates = join(directory, 'updates.mrt');
    ours = await startSpeaker(fabric.hosts[0]!, config({ mrtUpdates: updates }));
    await established();
    const file = join(directory, 'rib.mrt');
    const dumped = await ours.speaker.look('mrtDump', { file });
    // Two of ours, two from BIRD: one was refused.
    expect(dumped).toMatchObject({ file, prefixes: 4, paths: 4, octets: (await stat(file)).size });
    const table = (await runChecked('bgpdump', ['-m', file])).trim().split('\n');
    const fields = (text: string): string[][] =>
      table.filter((line) => line.includes(text)).map((line) => line.split('|'));
    expect(table).toHaveLength(4);
    const [v4] = fields('198.51.100.0/25');
    expect(v4!.slice(0, 1)).toEqual(['TABLE_DUMP2']);
    expect(v4!.slice(3, 9)).toEqual(['10.99.0.2', '65002', '198.51.100.0/25', '65002', 'IGP', '10.99.0.2']);
    const [v6] = fields('2001:db8:1::/48');
    expect(v6!.slice(3, 9)).toEqual(['10.99.0.2', '65002', '2001:db8:1::/48', '65002', 'IGP', 'fd99::2']);
    expect(fields('10.65.1.0/26')[0]!.slice(3, 6)).toEqual(['0.0.0.0', '64512', '10.65.1.0/26']);

    await bird.ask('disable', 'static4');
    await vi.waitFor(async () => {
      const told = (await runChecked('bgpdump', ['-m', updates])).trim().split('\n');
      expect(told).toContainEqual(
        expect.stringMatching(/^BGP4MP_ET\|[\d.]+\|STATE\|10\.99\.0\.2\|65002\|5\|6$/),
      );
      for (const prefix of ROUTES) {
        expect(told).toContainEqual(
          expect.stringMatching(
            new RegExp(`^BGP4MP_ET\\|[\\d.]+\\|A\\|10\\.99\\.0\\.2\\|65002\\|${prefix}\\|65002\\|`),
          ),
        );
      }
      expect(told).toContainEqual(expect.stringMatching(/\|W\|10\.99\.0\.2\|65002\|192\.0\.2\.0\/24$/));
    }, EVENTUALLY);
  });
});
