/** The daemons of the interoperability matrix, each with a session to every speaker of ours that it can speak with. */
import { type Family, familyOf } from '../../src/net/address.ts';
import type { Prefix } from '../../src/net/prefix.ts';
import { Bird } from './fixture-bird.ts';
import { Exabgp } from './fixture-exabgp.ts';
import { Frr } from './fixture-frr.ts';
import { Gobgp } from './fixture-gobgp.ts';
import { Openbgpd } from './fixture-openbgpd.ts';
import {
  type MatrixSession,
  LONG_LIVED_TIME,
  PEER_AS,
  SHARED_PREFIX,
  type PeerName,
  hostAddress,
  largeCommunity,
  peerPrefix,
  taggedPrefix,
} from './matrix-session.ts';

export interface MatrixPeer {
  /** In its own words what it has of a prefix from one of our speakers; without the prefix if it has nothing. */
  route(prefix: string, session: MatrixSession): Promise<string>;
  /** What it says of its BFD sessions, if it has any. */
  bfd?(): Promise<string>;
  /** How many paths it has to {@link SHARED_PREFIX} from one of our speakers. */
  paths(session: MatrixSession): Promise<number>;
  /** How many UPDATEs it has had from one of our speakers, by its own count. */
  heard(session: MatrixSession): Promise<number>;
  /** Asks one of our speakers for everything once more (RFC 2918). */
  refresh(session: MatrixSession): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface PeerPlace {
  readonly namespace: string;
  /** Host number in the fabric. */
  readonly host: number;
  readonly sessions: readonly MatrixSession[];
}

const FAMILIES = [4, 6] as const;

const family = (prefix: string): Family => familyOf(prefix as Prefix);
function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`nothing like ${pattern} in: ${text}`);
  return Number(found);
}

function countIn(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

const remote = ({ host, transport }: MatrixSession): string => hostAddress(host, transport);

function birdConfig({ host, sessions }: PeerPlace): string {
  const { global, local1, local2 } = largeCommunity(host);
  const protocols = sessions.map((session) => {
    const { name, asNumber, transport, password, ttlSecurity, extendedMessages, extendedNextHop } = session;
    return `protocol bgp s_${name} {
  local ${hostAddress(host, transport)} as ${PEER_AS};
  neighbor ${remote(session)} as ${asNumber};
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  graceful restart on;
  ${password === undefined ? '' : `password "${password}";`}
  ${ttlSecurity === undefined ? '' : 'ttl security on;'}
  ${extendedMessages === undefined ? '' : 'enable extended messages on;'}
  ${session.role === undefined ? '' : 'local role customer;'}
  ${session.bfd === undefined ? '' : 'bfd on;'}
  ${session.longLived === undefined ? '' : `long lived graceful restart on; long lived stale time ${LONG_LIVED_TIME};`}
  ipv4 { import all; export where source = RTS_STATIC; next hop self; ${session.addPath === undefined ? '' : 'add paths on;'} ${extendedNextHop === undefined ? '' : 'extended next hop on;'} };
  ipv6 { import all; export where source = RTS_STATIC; next hop self; ${session.addPath === undefined ? '' : 'add paths on;'} ${transport === 4 ? `next hop address fd99::${host};` : ''} };
}`;
  });
  return `log stderr all;
router id ${hostAddress(host, 4)};
protocol device { scan time 1; }
protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }
protocol static static4 {
  ipv4;
  route ${peerPrefix(host, 4)} blackhole;
  route ${SHARED_PREFIX} blackhole;
  route ${taggedPrefix(host)} blackhole { bgp_large_community.add((${global}, ${local1}, ${local2})); };
}
protocol static static6 { ipv6; route ${peerPrefix(host, 6)} blackhole; }
${protocols.join('\n')}
`;
}

async function startBird(place: PeerPlace): Promise<MatrixPeer> {
  const bird = await Bird.start({ namespace: place.namespace, config: birdConfig(place) });
  return {
    route: (prefix, { name }) => bird.ask('show', 'route', 'all', prefix, 'protocol', `s_${name}`),
    paths: async ({ name }) =>
      countIn(
        await bird.ask('show', 'route', 'all', SHARED_PREFIX, 'protocol', `s_${name}`),
        /BGP\.next_hop/g,
      ),
    bfd: () => bird.ask('show', 'bfd', 'sessions'),
    heard: async ({ name }) =>
      numberIn(await bird.ask('show', 'protocols', 'all', `s_${name}`), /Import updates: +(\d+)/),
    refresh: async ({ name }) => {
      await bird.ask('reload', 'in', `s_${name}`);
    },
    kill: () => bird.kill(),
    restart: () => bird.restart({ recover: true }),
    stop: () => bird.stop(),
  };
}

function frrConfig({ host, sessions }: PeerPlace): string {
  const { global, local1, local2 } = largeCommunity(host);
  const lines = [
    'log stdout',
    'bgp as-path access-list own permit ^$',
    `route-map TAG permit 10`,
    ` set large-community ${global}:${local1}:${local2}`,
    `router bgp ${PEER_AS}`,
    ` bgp router-id ${hostAddress(host, 4)}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
    ' bgp graceful-restart',
    ' bgp graceful-restart restart-time 60',
    ' bgp graceful-restart preserve-fw-state',
    ` bgp long-lived-graceful-restart stale-time ${LONG_LIVED_TIME}`,
    ...sessions.flatMap((session) => [
      ` neighbor ${remote(session)} remote-as ${session.asNumber}`,
      ` neighbor ${remote(session)} timers connect 2`,
      ...(session.password === undefined
        ? []
        : [` neighbor ${remote(session)} password ${session.password}`]),
      ...(session.ttlSecurity === undefined ? [] : [` neighbor ${remote(session)} ttl-security hops 1`]),
      ...(session.extendedNextHop === undefined
        ? []
        : [` neighbor ${remote(session)} capability extended-nexthop`]),
      ...(session.role === undefined ? [] : [` neighbor ${remote(session)} local-role customer`]),
      ...(session.bfd === undefined ? [] : [` neighbor ${remote(session)} bfd 3 100 100`]),
    ]),
  ];
  for (const which of FAMILIES) {
    lines.push(
      ` address-family ipv${which} unicast`,
      `  network ${peerPrefix(host, which)}`,
      ...(which === 4 ? [`  network ${SHARED_PREFIX}`] : []),
      ...(which === 4 ? [`  network ${taggedPrefix(host)} route-map TAG`] : []),
      ...sessions.flatMap((session) => [
        `  neighbor ${remote(session)} activate`,
        `  neighbor ${remote(session)} filter-list own out`,
        ...(session.addPath === undefined ? [] : [`  neighbor ${remote(session)} addpath-tx-all-paths`]),
      ]),
      ' exit-address-family',
    );
  }
  return `${lines.join('\n')}\n`;
}

async function startFrr(place: PeerPlace): Promise<MatrixPeer> {
  const options = { namespace: place.namespace, config: frrConfig(place), bfd: '' };
  let frr: Frr | undefined = await Frr.start(options);
  return {
    // Of all paths that it has, the one by this session.
    route: async (prefix, session) => {
      const text = await frr!.ask(`show bgp ipv${family(prefix)} unicast ${prefix}`);
      return text.includes(`from ${remote(session)} `) ? text : '';
    },
    paths: async (session) =>
      countIn(
        await frr!.ask(`show bgp ipv4 unicast ${SHARED_PREFIX}`),
        new RegExp(`from ${remote(session).replaceAll('.', '\\.')} `, 'g'),
      ),
    bfd: () => frr!.tell('bfdd', 'show bfd peers brief'),
    heard: async (session) =>
      numberIn(await frr!.ask(`show bgp neighbors ${remote(session)} json`), /"updatesRecv":(\d+)/),
    refresh: async (session) => {
      await frr!.ask(`clear bgp ipv4 unicast ${remote(session)} soft in`);
    },
    kill: async () => {
      await frr!.kill();
      frr = undefined;
    },
    restart: async () => {
      frr = await Frr.start(options);
    },
    stop: async () => frr?.stop(),
  };
}

function gobgpConfig({ host, sessions }: PeerPlace): object {
  return {
    global: { config: { as: PEER_AS, 'router-id': hostAddress(host, 4) } },
    neighbors: sessions.map((session) => ({
      config: {
        'neighbor-address': remote(session),
        'peer-as': session.asNumber,
        ...(session.password === undefined ? {} : { 'auth-password': session.password }),
      },
      transport: { config: { 'local-address': hostAddress(host, session.transport) } },
      timers: { config: { 'connect-retry': 2, 'idle-hold-time-after-reset': 2 } },
      'graceful-restart': {
        config: {
          enabled: true,
          'restart-time': 60,
          'notification-enabled': true,
          'long-lived-enabled': session.longLived === true,
        },
      },
      ...(session.ttlSecurity === undefined
        ? {}
        : { 'ttl-security': { config: { enabled: true, 'ttl-min': 255 } } }),
      'afi-safis': FAMILIES.map((which) => ({
        config: { 'afi-safi-name': `ipv${which}-unicast` },
        'mp-graceful-restart': { config: { enabled: true } },
        ...(session.addPath === undefined
          ? {}
          : { 'add-paths': { config: { receive: true, 'send-max': 8 } } }),
        ...(session.longLived === undefined
          ? {}
          : {
              'long-lived-graceful-restart': { config: { enabled: true, 'restart-time': LONG_LIVED_TIME } },
            }),
      })),
    })),
  };
}

async function startGobgp(place: PeerPlace): Promise<MatrixPeer> {
  const { host, namespace } = place;
  const { global, local1, local2 } = largeCommunity(host);
  const routes = [
    [peerPrefix(host, 4)],
    [SHARED_PREFIX],
    [taggedPrefix(host), 'large-community', `${global}:${local1}:${local2}`],
    // It has no IPv6 address of its own on a session over IPv4.
    [peerPrefix(host, 6), 'nexthop', hostAddress(host, 6)],
  ];
  const gobgp = await Gobgp.start({ namespace, config: gobgpConfig(place), routes });
  return {
    route: (prefix, session) => gobgp.received(remote(session), prefix),
    paths: async (session) => countIn(await gobgp.received(remote(session), SHARED_PREFIX), /"source-id"/g),
    heard: async (session) =>
      numberIn(
        await gobgp.ask('neighbor', remote(session), '-j'),
        /"received":\{[^}]*"update":(?:"|\{"[a-z]*":"?)?(\d+)/,
      ),
    refresh: (session) => gobgp.ask('neighbor', remote(session), 'softresetin').then(() => undefined),
    kill: () => gobgp.kill(),
    restart: () => gobgp.restart(),
    stop: () => gobgp.stop(),
  };
}

function exabgpNeighbor({ host }: PeerPlace, session: MatrixSession): string {
  const { global, local1, local2 } = largeCommunity(host);
  const { transport, asNumber, password, ttlSecurity, extendedNextHop, extendedMessages } = session;
  const nextHop4 = hostAddress(host, extendedNextHop === undefined ? 4 : 6);
  return `neighbor ${remote(session)} {
  router-id ${hostAddress(host, 4)};
  local-address ${hostAddress(host, transport)};
  local-as ${PEER_AS};
  peer-as ${asNumber};
  hold-time 90;
  ${password === undefined ? '' : `md5-password "${password}";`}
  ${ttlSecurity === undefined ? '' : 'outgoing-ttl 255; incoming-ttl 255;'}
  capability {
    asn4 enable;
    route-refresh enable;
    graceful-restart 60;
    ${session.addPath === undefined ? '' : 'add-path send/receive;'}
    extended-message ${extendedMessages === undefined ? 'disable' : 'enable'};
    ${extendedNextHop === undefined ? '' : 'nexthop enable;'}
  }
  family { ipv4 unicast; ipv6 unicast; }
  ${session.addPath === undefined ? '' : 'add-path { ipv4 unicast; ipv6 unicast; }'}
  ${extendedNextHop === undefined ? '' : 'nexthop { ipv4 unicast ipv6; }'}
  api { processes [ watcher ]; receive { parsed; update; } }
  static {
    route ${peerPrefix(host, 4)} next-hop ${nextHop4};
    route ${SHARED_PREFIX} next-hop ${nextHop4};
    route ${taggedPrefix(host)} next-hop ${nextHop4} large-community [ ${global}:${local1}:${local2} ];
    route ${peerPrefix(host, 6)} next-hop ${hostAddress(host, 6)};
  }
}`;
}

async function startExabgp(place: PeerPlace): Promise<MatrixPeer> {
  const exabgp = await Exabgp.start({
    namespace: place.namespace,
    neighbors: place.sessions.map((session) => exabgpNeighbor(place, session)),
  });
  return {
    route: (prefix, session) => exabgp.received(remote(session), prefix),
    paths: (session) => exabgp.pathsFrom(remote(session), SHARED_PREFIX),
    heard: (session) => exabgp.updatesFrom(remote(session)),
    refresh: (session) => exabgp.command(`neighbor ${remote(session)} announce route-refresh ipv4 unicast`),
    kill: () => exabgp.kill(),
    restart: () => exabgp.restart(),
    stop: () => exabgp.stop(),
  };
}

function openbgpdConfig({ host, sessions }: PeerPlace): string {
  const { global, local1, local2 } = largeCommunity(host);
  const neighbors = sessions.map(
    (session) => `neighbor ${remote(session)} {
  descr "${session.name}"
  remote-as ${session.asNumber}
  local-address ${hostAddress(host, session.transport)}
  announce IPv4 unicast
  announce IPv6 unicast
  announce restart yes
  announce enhanced refresh yes
  ${session.addPath === undefined ? '' : 'announce add-path recv yes\n  announce add-path send all'}
  ${session.password === undefined ? '' : `tcp md5sig password "${session.password}"`}
  ${session.ttlSecurity === undefined ? '' : 'ttl-security yes'}
  ${session.role === undefined ? '' : 'announce policy customer'}
}`,
  );
  return `AS ${PEER_AS}
router-id ${hostAddress(host, 4)}
listen on ${hostAddress(host, 4)}
listen on ${hostAddress(host, 6)}
fib-update no
network ${peerPrefix(host, 4)}
network ${SHARED_PREFIX}
network ${taggedPrefix(host)} set large-community ${global}:${local1}:${local2}
network ${peerPrefix(host, 6)}
${neighbors.join('\n')}
allow from any
allow to any
`;
}

async function startOpenbgpd(place: PeerPlace): Promise<MatrixPeer> {
  const bgpd = await Openbgpd.start({ namespace: place.namespace, config: openbgpdConfig(place) });
  return {
    route: (prefix, session) => bgpd.ask('show', 'rib', 'neighbor', remote(session), 'in', 'detail', prefix),
    paths: async (session) =>
      countIn(
        await bgpd.ask('show', 'rib', 'neighbor', remote(session), 'in', 'detail', SHARED_PREFIX),
        /BGP routing table entry/g,
      ),
    heard: async (session) =>
      numberIn(await bgpd.ask('show', 'neighbor', remote(session)), /Updates +\d+ +(\d+)/),
    refresh: (session) => bgpd.ask('neighbor', remote(session), 'refresh').then(() => undefined),
    kill: () => bgpd.kill(),
    restart: () => bgpd.restart(),
    stop: () => bgpd.stop(),
  };
}

/** Starts the daemon of a name. */
export const startPeer: Readonly<Record<PeerName, (place: PeerPlace) => Promise<MatrixPeer>>> = {
  BIRD: startBird,
  FRR: startFrr,
  GoBGP: startGobgp,
  ExaBGP: startExabgp,
  OpenBGPD: startOpenbgpd,
};
