/** Which features the interoperability matrix asks of which peer, and what a peer does not have. */
import { PEER_NAMES, type PeerName } from './matrix-session.ts';

export const FEATURES = [
  'IPv4',
  'IPv6',
  'IPv4 by IPv6 next hops (RFC 8950)',
  'MD5 (RFC 2385)',
  'GTSM (RFC 5082)',
  'route refresh (RFC 2918), when we ask',
  'route refresh (RFC 2918), when it asks',
  'large communities (RFC 8092)',
  'route reflection (RFC 4456)',
  'several paths (RFC 7911)',
  'extended messages (RFC 8654)',
  'roles (RFC 9234)',
  'BFD (RFC 5880)',
  'long-lived graceful restart (RFC 9494)',
  'graceful restart (RFC 4724)',
  'unnumbered, over an interface',
  'the mesh as calico-node configures it',
] as const;
export type Feature = (typeof FEATURES)[number];

/** What a peer in Debian 12 does not have, and where its own documentation says so. */
const ABSENT: Readonly<Partial<Record<Feature, Readonly<Partial<Record<PeerName, string>>>>>> = {
  'IPv4 by IPv6 next hops (RFC 8950)': {
    OpenBGPD: 'bgpd.conf(5) of 7.7: no extended next hop among the `announce` capabilities',
  },
  'route refresh (RFC 2918), when we ask': {
    ExaBGP: "4.2.21 ends the session with `TypeError: 'RouteRefresh' object is not iterable`, whoever asks",
    OpenBGPD:
      '7.7 logs `route refresh: AID IPv4 unicast not negotiated` and sends nothing; BIRD gets the same',
  },
  'route refresh (RFC 2918), when it asks': {
    GoBGP: '`softresetin` of gobgp 3.10 judges its own adj-RIB-in again; no command sends a ROUTE-REFRESH',
  },
  'extended messages (RFC 8654)': {
    GoBGP: 'docs/sources/configuration.md of 3.10: no such capability',
    OpenBGPD: 'bgpd.conf(5) of 7.7: no extended messages among the `announce` capabilities',
  },
  'roles (RFC 9234)': {
    GoBGP: 'docs/sources/configuration.md of 3.10: no roles',
    ExaBGP: 'exabgp.conf(5) and `capability { }` of 4.2.21: no role',
  },
  'BFD (RFC 5880)': {
    GoBGP: 'docs/sources/configuration.md of 3.10: no BFD',
    ExaBGP: 'exabgp.conf(5) of 4.2.21: no BFD',
    OpenBGPD: 'bgpd.conf(5) of 7.7: no BFD on systems other than OpenBSD',
  },
  'long-lived graceful restart (RFC 9494)': {
    ExaBGP: 'exabgp.conf(5) and `capability { }` of 4.2.21: no such capability',
    OpenBGPD: 'bgpd.conf(5) of 7.7: no such capability',
  },
  'unnumbered, over an interface': {
    BIRD: "User's Guide of 2.0.12, `neighbor`: an address is needed, a link-local one with an interface",
    GoBGP:
      'docs/sources/unnumbered-bgp.md of 3.10: needs neighbours in the cache that something else has put there',
    ExaBGP: 'exabgp.conf(5) of 4.2.21: a neighbor is an address',
    OpenBGPD: 'bgpd.conf(5) of 7.7: a neighbor is an address or a prefix',
  },
  'the mesh as calico-node configures it': {
    FRR: 'calico-node runs BIRD',
    GoBGP: 'calico-node runs BIRD',
    ExaBGP: 'calico-node runs BIRD',
    OpenBGPD: 'calico-node runs BIRD',
  },
  'graceful restart (RFC 4724)': {
    OpenBGPD: 'bgpd.conf(5), `announce restart`: "Currently only the End-of-RIB marker is supported"',
  },
};

/** Why a peer cannot be asked for a feature; undefined if it can. */
export function absence(feature: Feature, peer: PeerName): string | undefined {
  return ABSENT[feature]?.[peer];
}

/** The table of test/interop/README.md. A cell that says yes has a test of its name, which must pass. */
export function matrixTable(): string {
  const notes: string[] = [];
  const cell = (feature: Feature, peer: PeerName): string => {
    const reason = absence(feature, peer);
    if (reason === undefined) return 'yes';
    notes.push(`${notes.length + 1}. ${peer}: ${reason}.`);
    return `n/a (${notes.length})`;
  };
  const rows = FEATURES.map(
    (feature) => `| ${feature} | ${PEER_NAMES.map((peer) => cell(feature, peer)).join(' | ')} |`,
  );
  return [
    `| | ${PEER_NAMES.join(' | ')} |`,
    `|---|${'---|'.repeat(PEER_NAMES.length)}`,
    ...rows,
    '',
    ...notes,
    '',
  ].join('\n');
}
