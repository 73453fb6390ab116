/** One peer for people: what is configured, what the two OPENs agreed on, what was counted. */
import type { BgpNeighborView, BgpSessionView } from '../base/bgp-view.ts';
import type { PeerConfig } from './config.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { Peer } from './peer.ts';
import type { PeerStatus } from './status.ts';

export interface NeighborFacts {
  readonly config: PeerConfig;
  readonly peer: Peer;
  /** While the session is up. */
  readonly negotiated: Negotiated | undefined;
  readonly status: PeerStatus;
  readonly heldDown: boolean;
  readonly timesEstablished: number;
}

export function neighborView(facts: NeighborFacts): BgpNeighborView {
  const { config, peer, negotiated, status, heldDown, timesEstablished } = facts;
  const { localAddress } = peer;
  return {
    ...status,
    ...(localAddress === undefined ? {} : { localAddress }),
    localAsNumber: config.localAsNumber,
    heldDown,
    timesEstablished,
    reflectorClient: config.reflectorClient,
    passive: config.passive,
    password: config.password !== undefined,
    ...(config.ttlSecurity === undefined ? {} : { ttlSecurity: config.ttlSecurity }),
    nextHopMode: config.nextHopMode,
    filters: config.filters,
    ...(negotiated === undefined ? {} : { session: sessionView(negotiated) }),
    messagesReceived: peer.counts.received.view(),
    messagesSent: peer.counts.sent.view(),
  };
}

function sessionView(negotiated: Negotiated): BgpSessionView {
  const { peerIdentifier, holdTime, keepaliveTime } = negotiated;
  return { identifier: peerIdentifier, holdTime, keepaliveTime, capabilities: capabilitiesOf(negotiated) };
}

function capabilitiesOf(negotiated: Negotiated): string[] {
  const { wire, gracefulRestart, longLivedStale } = negotiated;
  const families = (list: readonly number[]): string => list.map((family) => `IPv${family}`).join(' and ');
  return [
    ...(negotiated.withoutCapabilities === true
      ? ['none, because the peer refuses them (RFC 5492 §3): IPv4 unicast only']
      : []),
    ...(wire.fourOctetAs ? ['four-octet AS'] : []),
    ...(negotiated.routeRefresh ? ['route refresh'] : []),
    ...(negotiated.enhancedRouteRefresh ? ['enhanced route refresh'] : []),
    ...(wire.extendedMessages ? ['extended messages'] : []),
    ...(wire.extendedNextHop ? ['IPv6 next hops for IPv4'] : []),
    ...(wire.addPathReceive.length > 0 ? [`paths received for ${families(wire.addPathReceive)}`] : []),
    ...(wire.addPathSend.length > 0 ? [`paths sent for ${families(wire.addPathSend)}`] : []),
    ...(gracefulRestart === undefined ? [] : [`graceful restart ${gracefulRestart.restartTime} s`]),
    ...longLivedStale.map(
      ({ family, staleTime }) => `long-lived graceful restart IPv${family} ${staleTime} s`,
    ),
    ...(negotiated.peerHostname === undefined ? [] : [`host name ${negotiated.peerHostname}`]),
  ];
}
