/** Interoperability, feature by feature, with the daemons of others: the table is in README.md beside this file. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import type { RouteStatus, SpeakerStatus } from '../../src/bgp/status.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { Bird } from './fixture-bird.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { Frr } from './fixture-frr.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';
import { type MatrixPeer, startPeer } from './matrix-peers.ts';
import {
  CALICO_HOST,
  FIRST_PEER_HOST,
  LONG_LIVED_TIME,
  MESH_HOST,
  type MatrixSession,
  PEER_AS,
  PEER_NAMES,
  type PeerName,
  SESSIONS,
  hostAddress,
  largeCommunity,
  ownPrefix,
  peerPrefix,
  taggedPrefix,
} from './matrix-session.ts';
import { type Feature, absence, matrixTable } from './matrix-table.ts';

const EVENTUALLY = { timeout: 30_000, interval: 200 };
/** Attributes of the route that only an extended message holds. */
const MANY_COMMUNITIES = 1100; // 4,400 octets

const peerHost = (name: PeerName): number => FIRST_PEER_HOST + PEER_NAMES.indexOf(name);

/** Which peers a speaker of ours has: those that know what its sessions are for. */
function peersOf(session: MatrixSession): readonly PeerName[] {
  const feature: Feature | undefined = session.extendedNextHop
    ? 'IPv4 by IPv6 next hops (RFC 8950)'
    : session.role
      ? 'roles (RFC 9234)'
      : session.bfd
        ? 'BFD (RFC 5880)'
        : session.longLived
          ? 'long-lived graceful restart (RFC 9494)'
          : undefined;
  return PEER_NAMES.filter((name) => feature === undefined || absence(feature, name) === undefined);
}

function configOf(session: MatrixSession, filtered: boolean): SpeakerConfig {
  const { host, asNumber, transport, password, ttlSecurity, role } = session;
  const peers = peersOf(session).map((name) =>
    peerConfig(host, peerHost(name), {
      name,
      type: 'global',
      address: address(hostAddress(peerHost(name), transport)),
      sourceAddress: address(hostAddress(host, transport)),
      asNumber: PEER_AS,
      localAsNumber: asNumber,
      reflectorClient: asNumber === PEER_AS,
      filters: filtered ? ['tagged'] : [],
      ...(password === undefined ? {} : { password }),
      ...(ttlSecurity === undefined ? {} : { ttlSecurity: 1 }),
      ...(session.addPath === undefined ? {} : { addPath: { send: true, receive: true } }),
      ...(session.bfd === undefined ? {} : { bfd: { interval: 100, multiplier: 3 } }),
      ...(session.longLived === undefined ? {} : { llgr: LONG_LIVED_TIME }),
      ...(role === undefined ? {} : { role: { name: 'provider', strict: true } }),
    }),
  );
  const tagged = PEER_NAMES.map((name) => ({
    action: 'reject' as const,
    family: 4 as const,
    community: largeCommunity(peerHost(name)),
  }));
  return speakerConfig(host, peers, {
    asNumber,
    ...(asNumber === PEER_AS ? { clusterId: address('10.99.9.9') } : {}),
    ...(session.name === 'nexthop' ? { nodeAddresses: { 6: address(hostAddress(host, 6)) } } : {}),
    filters: { tagged: { import: tagged, export: [] } },
    advertisements:
      session.name === 'extended'
        ? [
            {
              cidr: prefix(ownPrefix(host, 4)),
              communities: Array.from({ length: MANY_COMMUNITIES }, (_, index) => (64512 << 16) + index),
              largeCommunities: [],
            },
          ]
        : [
            {
              cidr: prefix(ownPrefix(host, 4)),
              communities: [],
              largeCommunities: [{ global: 64512, local1: 10, local2: host }],
            },
          ],
  });
}

/** FRR finds its peer on eth0, and is found there. */
const UNNUMBERED = `log stdout
router bgp ${PEER_AS}
 bgp router-id 10.99.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth0 interface remote-as 64512
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network ${peerPrefix(2, 4)}
 exit-address-family
`;

/** A node of the mesh that is ours: a session for each family, as BIRD of calico-node has two daemons. */
function meshConfig(): SpeakerConfig {
  const peer = (family: 4 | 6) =>
    peerConfig(MESH_HOST, CALICO_HOST, {
      name: `Mesh_${hostAddress(CALICO_HOST, family).replaceAll(/[.:]/g, '_')}`,
      address: address(hostAddress(CALICO_HOST, family)),
      sourceAddress: address(hostAddress(MESH_HOST, family)),
      families: [family],
      restartTime: 120,
    });
  return speakerConfig(MESH_HOST, [peer(4), peer(6)]);
}

/** What calico-node's template makes of a mesh peer, in the words of BIRD 2 (Calico's is 1.6, a daemon a family). */
function calicoBirdConfig(family: 4 | 6): string {
  const pool = family === 4 ? '10.65.0.0/16' : 'fd65::/32';
  const block = ownPrefix(CALICO_HOST, family);
  return `log stderr all;
router id ${hostAddress(CALICO_HOST, 4)};
function calico_export_to_bgp_peers() {
  if ( net ~ ${pool} ) then accept;
}
filter calico_export {
  if ( net = ${block} ) then accept;
  if ( net ~ [ ${block}+ ] ) then reject;
  calico_export_to_bgp_peers();
  reject;
}
protocol static {
  ipv${family};
  route ${block} blackhole;
}
protocol kernel {
  learn; persist; scan time 2; graceful restart; merge paths on;
  ipv${family} { import all; export where source = RTS_BGP; };
}
protocol device { scan time 2; }
protocol direct { ipv${family}; interface -"cali*", -"kube-ipvs*", "*"; }
template bgp bgp_template {
  local as 64512;
  multihop;
  graceful restart on;
  connect delay time 2;
  connect retry time 5;
  error wait time 5, 30;
  ipv${family} { gateway recursive; import all; export filter calico_export; add paths on; };
}
protocol bgp Mesh_margay from bgp_template {
  neighbor ${hostAddress(MESH_HOST, family)} as 64512;
  source address ${hostAddress(CALICO_HOST, family)};
}
`;
}

describeKernel('the interoperability matrix', () => {
  const sessions = Object.values(SESSIONS);
  const ours = new Map<string, RunningSpeaker>();
  const peers = new Map<PeerName, MatrixPeer>();
  const calico: Bird[] = [];
  let fabric: Fabric;

  beforeAll(async () => {
    fabric = await makeFabric(FIRST_PEER_HOST + PEER_NAMES.length - 1);
    const started = await Promise.allSettled(
      PEER_NAMES.map(async (name) => {
        const host = peerHost(name);
        const place = {
          namespace: fabric.hosts[host - 1]!,
          host,
          sessions: sessions.filter((session) => peersOf(session).includes(name)),
        };
        peers.set(name, await startPeer[name](place));
      }),
    );
    // All have come to an end by now, so that what did start is stopped in any case.
    for (const outcome of started) if (outcome.status === 'rejected') throw outcome.reason;
    for (const session of sessions) {
      const speaker = await startSpeaker(
        fabric.hosts[session.host - 1]!,
        configOf(session, session.name === 'plain'),
      );
      ours.set(session.name, speaker);
    }
  });
  afterAll(async () => {
    for (const speaker of ours.values()) await speaker.stop();
    for (const peer of peers.values()) await peer.stop();
    for (const bird of calico) await bird.stop();
    fabric.destroy();
  });

  const status = (session: MatrixSession, name: PeerName): SpeakerStatus['peers'][number] =>
    ours
      .get(session.name)!
      .speaker.status()
      .peers.find((peer) => peer.name === name)!;
  const route = (session: MatrixSession, name: PeerName, wanted: string): RouteStatus | undefined =>
    ours
      .get(session.name)!
      .speaker.routes()
      .find((candidate) => candidate.prefix === wanted && candidate.peer === name);
  const up = (session: MatrixSession, name: PeerName): Promise<void> =>
    vi.waitFor(() => {
      const peer = status(session, name);
      expect(peer, `${session.name}: ${peer.info}`).toMatchObject({ state: 'Established' });
    }, EVENTUALLY);
  /** We have a route of the peer's, and it has one of ours that its own tool shows with all of these words. */
  const exchanged = async (
    session: MatrixSession,
    name: PeerName,
    family: 4 | 6,
    nextHop: string,
    words: readonly (string | RegExp)[],
  ): Promise<void> => {
    await up(session, name);
    const theirs = peerPrefix(peerHost(name), family);
    await vi.waitFor(() => expect(route(session, name, theirs)).toMatchObject({ nextHop }), EVENTUALLY);
    const own = ownPrefix(session.host, family);
    await vi.waitFor(async () => {
      const text = await peers.get(name)!.route(own, session);
      for (const word of [own, ...words]) expect(text).toMatch(word);
    }, EVENTUALLY);
  };

  const cells: Readonly<Record<Feature, (name: PeerName) => Promise<void>>> = {
    IPv4: (name) =>
      exchanged(SESSIONS.plain, name, 4, hostAddress(peerHost(name), 4), [hostAddress(1, 4), '64512']),
    IPv6: (name) =>
      exchanged(SESSIONS.six, name, 6, hostAddress(peerHost(name), 6), [hostAddress(SESSIONS.six.host, 6)]),
    'IPv4 by IPv6 next hops (RFC 8950)': async (name) => {
      const via = hostAddress(peerHost(name), 6);
      await exchanged(SESSIONS.nexthop, name, 4, via, [hostAddress(SESSIONS.nexthop.host, 6)]);
      await vi.waitFor(async () => {
        const routes = await fabric.ip(
          SESSIONS.nexthop.host,
          '-4',
          'route',
          'show',
          peerPrefix(peerHost(name), 4),
        );
        expect(routes).toMatch(`via inet6 ${via}`);
      }, EVENTUALLY);
    },
    'MD5 (RFC 2385)': (name) => exchanged(SESSIONS.md5, name, 4, hostAddress(peerHost(name), 4), []),
    'GTSM (RFC 5082)': (name) => exchanged(SESSIONS.gtsm, name, 4, hostAddress(peerHost(name), 4), []),
    'large communities (RFC 8092)': async (name) => {
      const words = [/64512[:,] *10 ?[:,] ?1\b|"ASN":64512,"LocalData1":10,"LocalData2":1\b/];
      await exchanged(SESSIONS.plain, name, 4, hostAddress(peerHost(name), 4), words);
      // What carries the peer's own large community is refused here, and was not on another session.
      const tagged = taggedPrefix(peerHost(name));
      await vi.waitFor(() => expect(route(SESSIONS.md5, name, tagged)).toBeDefined(), EVENTUALLY);
      expect(route(SESSIONS.plain, name, tagged)).toBeUndefined();
    },
    'route refresh (RFC 2918), when we ask': async (name) => {
      await up(SESSIONS.plain, name);
      const { since } = status(SESSIONS.plain, name);
      const { speaker } = ours.get('plain')!;
      const tagged = taggedPrefix(peerHost(name));
      speaker.reconfigure(configOf(SESSIONS.plain, false));
      await vi.waitFor(() => expect(route(SESSIONS.plain, name, tagged)).toBeDefined(), EVENTUALLY);
      speaker.reconfigure(configOf(SESSIONS.plain, true));
      await vi.waitFor(() => expect(route(SESSIONS.plain, name, tagged)).toBeUndefined(), EVENTUALLY);
      expect(status(SESSIONS.plain, name).since).toBe(since);
    },
    'route refresh (RFC 2918), when it asks': async (name) => {
      const peer = peers.get(name)!;
      await exchanged(SESSIONS.gtsm, name, 4, hostAddress(peerHost(name), 4), []);
      const { since } = status(SESSIONS.gtsm, name);
      const heard = await peer.heard(SESSIONS.gtsm);
      await peer.refresh(SESSIONS.gtsm);
      await vi.waitFor(async () => {
        expect(await peer.heard(SESSIONS.gtsm)).toBeGreaterThan(heard);
      }, EVENTUALLY);
      expect(status(SESSIONS.gtsm, name).since).toBe(since);
    },
    'route reflection (RFC 4456)': async (name) => {
      const from = name === 'BIRD' ? 'FRR' : 'BIRD';
      await up(SESSIONS.reflector, name);
      await vi.waitFor(async () => {
        const text = await peers.get(name)!.route(peerPrefix(peerHost(from), 4), SESSIONS.reflector);
        expect(text).toMatch('10.99.9.9');
        expect(text).toMatch(hostAddress(peerHost(from), 4));
      }, EVENTUALLY);
    },
    'several paths (RFC 7911)': async (name) => {
      await up(SESSIONS.paths, name);
      const views = await ours.get('paths')!.speaker.look('neighbors', undefined);
      const { capabilities } = views.find((view) => view.name === name)!.session!;
      expect(capabilities.filter((text) => text.startsWith('paths '))).toEqual([
        'paths received for IPv4 and IPv6',
        'paths sent for IPv4 and IPv6',
      ]);
      // All but its own, which four others tell.
      await vi.waitFor(async () => {
        expect(await peers.get(name)!.paths(SESSIONS.paths)).toBe(PEER_NAMES.length - 1);
      }, EVENTUALLY);
    },
    'extended messages (RFC 8654)': (name) =>
      // FRR shows no more than fits in its own line; that the route is there at all is the proof.
      exchanged(SESSIONS.extended, name, 4, hostAddress(peerHost(name), 4), [/64512[:,] *600\b/]),
    'roles (RFC 9234)': (name) => exchanged(SESSIONS.role, name, 4, hostAddress(peerHost(name), 4), []),
    'BFD (RFC 5880)': async (name) => {
      await exchanged(SESSIONS.bfd, name, 4, hostAddress(peerHost(name), 4), []);
      await vi.waitFor(async () => {
        expect(status(SESSIONS.bfd, name).bfd).toMatchObject({
          state: 'Up',
          remoteState: 'Up',
          detectionTime: 300,
        });
        const theirs = (await peers.get(name)!.bfd!()).split('\n');
        expect(theirs.find((line) => line.includes(hostAddress(SESSIONS.bfd.host, 4)))).toMatch(/\bup\b/i);
      }, EVENTUALLY);
    },
    'long-lived graceful restart (RFC 9494)': async (name) => {
      await exchanged(SESSIONS.longLived, name, 4, hostAddress(peerHost(name), 4), []);
      const views = await ours.get('longLived')!.speaker.look('neighbors', undefined);
      const { session } = views.find((view) => view.name === name)!;
      for (const family of [4, 6]) {
        expect(session!.capabilities).toContain(
          `long-lived graceful restart IPv${family} ${LONG_LIVED_TIME} s`,
        );
      }
    },
    'unnumbered, over an interface': async () => {
      const link = await makeFabric(2);
      let router: Frr | undefined;
      let speaker: RunningSpeaker | undefined;
      try {
        for (const host of [1, 2]) {
          await link.ip(host, 'addr', 'flush', 'dev', 'eth0');
          await link.ip(host, 'addr', 'replace', `fe80::a:${host}/64`, 'dev', 'eth0', 'nodad');
        }
        router = await Frr.start({ namespace: link.hosts[1]!, config: UNNUMBERED });
        const { sourceAddress: _none, ...peer } = peerConfig(1, 2, {
          address: address('::'),
          interface: 'eth0',
          asNumber: PEER_AS,
        });
        speaker = await startSpeaker(link.hosts[0]!, speakerConfig(1, [peer]));
        await vi.waitFor(async () => {
          const kernel = await link.ip(1, '-4', 'route', 'show', peerPrefix(2, 4));
          expect(kernel).toMatch('via inet6 fe80::a:2 dev eth0');
          expect(await router!.ask(`show bgp ipv4 unicast ${ownPrefix(1, 4)}`)).toMatch('fe80::a:1');
        }, EVENTUALLY);
      } finally {
        await speaker?.stop();
        await router?.stop();
        link.destroy();
      }
    },
    'the mesh as calico-node configures it': async () => {
      const speaker = await startSpeaker(fabric.hosts[MESH_HOST - 1]!, meshConfig());
      ours.set('mesh', speaker);
      const birds = await Promise.all(
        ([4, 6] as const).map((family) =>
          Bird.start({ namespace: fabric.hosts[CALICO_HOST - 1]!, config: calicoBirdConfig(family) }),
        ),
      );
      calico.push(...birds);
      await vi.waitFor(async () => {
        expect(speaker.speaker.status().peers).toMatchObject([
          { state: 'Established', families: [4] },
          { state: 'Established', families: [6] },
        ]);
        for (const family of [4, 6] as const) {
          const flag = `-${family}`;
          const [own, theirs] = [ownPrefix(MESH_HOST, family), ownPrefix(CALICO_HOST, family)];
          const [us, them] = [hostAddress(MESH_HOST, family), hostAddress(CALICO_HOST, family)];
          expect(await fabric.ip(MESH_HOST, flag, 'route', 'show', theirs)).toMatch(`via ${them}`);
          expect(await fabric.ip(CALICO_HOST, flag, 'route', 'show', own)).toMatch(`via ${us}`);
        }
      }, EVENTUALLY);
      // BIRD dies and comes back as calico-node starts it: no route is lost on either side meanwhile.
      for (const bird of birds) await bird.kill();
      expect(await fabric.ip(MESH_HOST, '-4', 'route', 'show', ownPrefix(CALICO_HOST, 4))).not.toBe('');
      expect(await fabric.ip(CALICO_HOST, '-4', 'route', 'show', ownPrefix(MESH_HOST, 4))).not.toBe('');
      for (const bird of birds) await bird.restart({ recover: true });
      await vi.waitFor(() => {
        expect(speaker.speaker.status().peers).toMatchObject([
          { state: 'Established', stale: 0, received: 1 },
          { state: 'Established', stale: 0, received: 1 },
        ]);
      }, EVENTUALLY);
    },
    'graceful restart (RFC 4724)': async (name) => {
      const peer = peers.get(name)!;
      const theirs = peerPrefix(peerHost(name), 4);
      await exchanged(SESSIONS.md5, name, 4, hostAddress(peerHost(name), 4), []);
      await peer.kill();
      await vi.waitFor(() => expect(status(SESSIONS.md5, name).state).not.toBe('Established'), EVENTUALLY);
      expect(status(SESSIONS.md5, name).stale).toBeGreaterThan(0);
      expect(route(SESSIONS.md5, name, theirs)).toMatchObject({ stale: true });
      await peer.restart();
      await up(SESSIONS.md5, name);
      await vi.waitFor(() => {
        expect(status(SESSIONS.md5, name)).toMatchObject({ stale: 0 });
        expect(route(SESSIONS.md5, name, theirs)).toMatchObject({ stale: false });
      }, EVENTUALLY);
    },
  };

  for (const [feature, check] of Object.entries(cells) as [Feature, (name: PeerName) => Promise<void>][]) {
    for (const name of PEER_NAMES) {
      if (absence(feature, name) === undefined) it(`${name}: ${feature}`, () => check(name));
    }
  }
});

describe('the table of the matrix', () => {
  it('stands in README.md as it is tested', () => {
    const table = matrixTable();
    console.log(table);
    expect(readFileSync(new URL('README.md', import.meta.url), 'utf8')).toContain(table);
  });
});
