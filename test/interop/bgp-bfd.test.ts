/** BFD (RFC 5880, 5881, 5883) with FRR and BIRD and between speakers of ours, and what BGP makes of it (RFC 5882). */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import type { SpeakerStatus } from '../../src/bgp/status.ts';
import { type Family, address } from '../../src/net/address.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import {
  type RunningSpeaker,
  SpeakerProcess,
  peerConfig,
  speakerConfig,
  startSpeaker,
} from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 20 };
const BFD = { interval: 50, multiplier: 3 };
/** For tests in which a busy machine must not make a path look dead. */
const CALM = { interval: 200, multiplier: 5 };

interface Path {
  readonly family: Family;
  readonly multihop: boolean;
}

/** Addresses of the two ends: those of the link, or such as only routes lead to. */
function endsOf({ family, multihop }: Path): readonly [ours: string, theirs: string] {
  if (multihop) return family === 4 ? ['10.98.0.1', '10.98.0.2'] : ['fd98::1', 'fd98::2'];
  return family === 4 ? ['10.99.0.1', '10.99.0.2'] : ['fd99::1', 'fd99::2'];
}

function birdWithBfd(path: Path): string {
  const [ours, theirs] = endsOf(path);
  const timers = 'min rx interval 50 ms; min tx interval 50 ms; multiplier 3;';
  return `
log stderr all;
router id 10.99.0.2;
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
protocol bfd { interface "*" { ${timers} }; multihop { ${timers} }; }
protocol kernel { learn; ipv4 { import all; }; }
protocol kernel { learn; ipv6 { import all; }; }
protocol static { ipv4; route 10.65.2.0/26 blackhole; }
protocol static { ipv6; route fd65::2:0/122 blackhole; }
protocol bgp margay {
  local ${theirs} as 65002;
  neighbor ${ours} as 64512;
  ${path.multihop ? 'multihop 2;' : 'direct;'}
  bfd on;
  connect delay time 1;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop on; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address fd99::2; };
}
`;
}

function frrWithBfd(path: Path): string {
  const [ours, theirs] = endsOf(path);
  return `
log stdout
router bgp 65002
 bgp router-id 10.99.0.2
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor ${ours} remote-as 64512
 neighbor ${ours} timers connect 1
 neighbor ${ours} update-source ${theirs}
 ${path.multihop ? `neighbor ${ours} ebgp-multihop 2` : ''}
 neighbor ${ours} bfd 3 50 50
 address-family ipv${path.family} unicast
  network ${path.family === 4 ? '10.65.2.0/26' : 'fd65::2:0/122'}
  neighbor ${ours} activate
 exit-address-family
`;
}

describeKernel('BFD', () => {
  let fabric: Fabric;
  let bird: Bird | undefined;
  let frr: Frr | undefined;
  const running: RunningSpeaker[] = [];
  const processes: SpeakerProcess[] = [];

  beforeEach(async () => {
    fabric = await makeFabric(2);
  });
  afterEach(async () => {
    for (const speaker of running.splice(0)) await speaker.stop();
    for (const process of processes.splice(0)) await process.stop();
    await bird?.stop();
    await frr?.stop();
    bird = undefined;
    frr = undefined;
    fabric.destroy();
  });

  async function start(fields: Partial<PeerConfig>): Promise<RunningSpeaker> {
    const config = speakerConfig(1, [peerConfig(1, 2, { asNumber: 65002, bfd: BFD, ...fields })]);
    const speaker = await startSpeaker(fabric.hosts[0]!, config);
    running.push(speaker);
    return speaker;
  }

  function peerOf(speaker: RunningSpeaker): SpeakerStatus['peers'][number] {
    return speaker.speaker.status().peers[0]!;
  }

  async function giveLoopbackAddresses(family: Family): Promise<void> {
    for (const host of [1, 2]) {
      const other = 3 - host;
      const [own, there, by] =
        family === 4
          ? [`10.98.0.${host}/32`, `10.98.0.${other}/32`, `10.99.0.${other}`]
          : [`fd98::${host}/128`, `fd98::${other}/128`, `fd99::${other}`];
      await fabric.ip(host, 'addr', 'add', own, 'dev', 'lo');
      await fabric.ip(host, 'route', 'add', there, 'via', by);
    }
  }

  const learned = (family: Family): Promise<string> =>
    fabric.ip(1, family === 4 ? '-4' : '-6', 'route', 'show', 'proto', '81');

  /** The peer's view of the session. */
  async function theirs(): Promise<string> {
    return bird === undefined
      ? await frr!.tell('bfdd', 'show bfd peers')
      : await bird.ask('show', 'bfd', 'sessions');
  }

  const CASES = (['BIRD', 'FRR'] as const).flatMap((program) =>
    ([4, 6] as const).flatMap((family) =>
      [false, true].map(
        (multihop) =>
          [
            `${program} over IPv${family}${multihop ? ' by routers' : ''}`,
            { program, family, multihop },
          ] as const,
      ),
    ),
  );

  it.each(CASES)(
    'with %s goes up at 50 ms x 3, and takes session and routes down when the path dies',
    async (_, { program, ...path }) => {
      const [ours, remote] = endsOf(path);
      if (path.multihop) await giveLoopbackAddresses(path.family);
      if (program === 'BIRD')
        bird = await Bird.start({ namespace: fabric.hosts[1]!, config: birdWithBfd(path) });
      else frr = await Frr.start({ namespace: fabric.hosts[1]!, config: frrWithBfd(path), bfd: '' });
      const speaker = await start({ address: address(remote), sourceAddress: address(ours) });
      const up = async (): Promise<void> => {
        await vi.waitFor(async () => {
          expect(peerOf(speaker)).toMatchObject({
            state: 'Established',
            bfd: {
              state: 'Up',
              remoteState: 'Up',
              multihop: path.multihop,
              transmitInterval: 50,
              detectionTime: 150,
            },
          });
          expect(await theirs()).toMatch(/\bup\b/i);
          expect(await learned(path.family)).toMatch(
            path.family === 4 ? /10\.65\.2\.0\/26/ : /fd65::2:0\/122/,
          );
        }, EVENTUALLY);
      };
      await up();
      await fabric.setPort(2, 'down');
      await vi.waitFor(async () => {
        expect(peerOf(speaker)).toMatchObject({
          state: 'Idle',
          received: 0,
          bfd: { state: 'Down', diagnostic: 'Control Detection Time Expired' },
        });
        expect(await learned(path.family)).toBe('');
      }, EVENTUALLY);
      expect(peerOf(speaker).info).toMatch(/^Sent: Cease, (Hard Reset: Cease, )?BFD Down$/);
      await fabric.setPort(2, 'up');
      if (path.family === 6)
        await fabric.ip(2, '-6', 'addr', 'replace', 'fd99::2/64', 'dev', 'eth0', 'nodad');
      await up();
    },
  );

  it('that FRR shuts down as an operator leaves the session as it is', async () => {
    const path = { family: 4, multihop: false } as const;
    frr = await Frr.start({ namespace: fabric.hosts[1]!, config: frrWithBfd(path), bfd: '' });
    const speaker = await start({ bfd: CALM });
    await vi.waitFor(() => expect(peerOf(speaker)).toMatchObject({ bfd: { state: 'Up' } }), EVENTUALLY);
    const { since } = peerOf(speaker);
    await frr.tell('bfdd', 'configure', 'bfd', 'peer 10.99.0.1', 'shutdown');
    await vi.waitFor(() => {
      expect(peerOf(speaker).bfd).toMatchObject({ state: 'Down', remoteState: 'AdminDown' });
    }, EVENTUALLY);
    expect(peerOf(speaker)).toMatchObject({ state: 'Established', since });
  });

  it('does not take a restart of the peer for a dead path: its routes stay', async () => {
    const configOf = (host: number) =>
      speakerConfig(host, [peerConfig(host, 3 - host, { passive: host === 1, bfd: BFD })]);
    const speaker = await startSpeaker(fabric.hosts[0]!, configOf(1));
    running.push(speaker);
    for (const end of ['kill', 'stop'] as const) {
      const process = await SpeakerProcess.start(fabric.hosts[1]!, configOf(2));
      await vi.waitFor(() => {
        expect(peerOf(speaker)).toMatchObject({
          state: 'Established',
          received: 2,
          stale: 0,
          bfd: { state: 'Up' },
        });
      }, EVENTUALLY);
      await process[end]();
      await vi.waitFor(() => expect(peerOf(speaker).bfd).toMatchObject({ state: 'Down' }), EVENTUALLY);
      expect(peerOf(speaker)).toMatchObject({ received: 2, stale: 2 });
      expect(await learned(4)).toMatch(/10\.65\.2\.0\/26/);
    }
    processes.push(await SpeakerProcess.start(fabric.hosts[1]!, configOf(2)));
    await vi.waitFor(() => {
      expect(peerOf(speaker)).toMatchObject({
        state: 'Established',
        received: 2,
        stale: 0,
        bfd: { state: 'Up' },
      });
    }, EVENTUALLY);
  });

  it('follows the configuration without a new session: other timers, and none', async () => {
    const configOf = (host: number, bfd: PeerConfig['bfd']) =>
      speakerConfig(host, [
        peerConfig(host, 3 - host, { passive: host === 1, ...(bfd === undefined ? {} : { bfd }) }),
      ]);
    const first = await startSpeaker(fabric.hosts[0]!, configOf(1, CALM));
    const second = await startSpeaker(fabric.hosts[1]!, configOf(2, CALM));
    running.push(first, second);
    const bothAre = async (bfd: object): Promise<void> => {
      await vi.waitFor(() => {
        for (const speaker of running) expect(peerOf(speaker)).toMatchObject({ state: 'Established', bfd });
      }, EVENTUALLY);
    };
    await bothAre({ state: 'Up', transmitInterval: 200, detectionTime: 1000 });
    const { since } = peerOf(first);
    second.speaker.reconfigure(configOf(2, { interval: 300, multiplier: 4 }));
    await vi.waitFor(() => {
      expect(peerOf(first).bfd).toMatchObject({ state: 'Up', transmitInterval: 300, detectionTime: 1200 });
      expect(peerOf(second).bfd).toMatchObject({ state: 'Up', transmitInterval: 300, detectionTime: 1500 });
    }, EVENTUALLY);
    second.speaker.reconfigure(configOf(2, undefined));
    await vi.waitFor(() => {
      expect(peerOf(first).bfd).toMatchObject({
        state: 'Down',
        diagnostic: 'Neighbor Signaled Session Down',
      });
    }, EVENTUALLY);
    expect(peerOf(second).bfd).toBeUndefined();
    expect(peerOf(first)).toMatchObject({ state: 'Established', since });
  });
});
