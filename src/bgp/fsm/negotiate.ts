/** The OPEN that we send, and what it and the peer's agree on (RFC 4271 §4.2, §6.2; RFC 5492). */
import type { Address, Family } from '../../net/address.ts';
import { ByteWriter } from '../../net/bytes.ts';
import { afiSafi, familyOfAfiSafi } from '../wire/afi-safi.ts';
import { encodeCapability } from '../wire/capability.ts';
import { placeOf } from '../wire/confederation.ts';
import {
  AFI_IPV6,
  ERROR_OPEN_MESSAGE,
  OPEN_BAD_BGP_IDENTIFIER,
  OPEN_BAD_PEER_AS,
  OPEN_ROLE_MISMATCH,
  OPEN_UNACCEPTABLE_HOLD_TIME,
  OPEN_UNSUPPORTED_CAPABILITY,
} from '../wire/iana.ts';
import type {
  AddPathMode,
  Capability,
  NotificationMessage,
  OpenMessage,
  WireOptions,
} from '../wire/message.ts';
import { notification } from '../wire/notification.ts';
import { BGP_VERSION } from '../wire/open.ts';
import { COUNTERPART, ROLE_CODES } from '../wire/role.ts';
import { type SessionConfig, keepaliveTime } from './session.ts';

/** The outcome of the two OPENs of a connection. */
export interface Negotiated {
  readonly wire: WireOptions;
  readonly peerAs: number;
  readonly peerIdentifier: Address;
  /** Seconds; 0: no keepalives, no hold timer. */
  readonly holdTime: number;
  /** Seconds between KEEPALIVEs; 0: none. */
  readonly keepaliveTime: number;
  readonly families: readonly Family[];
  /** None were offered, because the peer refuses them (RFC 5492 §3). */
  readonly withoutCapabilities?: true | undefined;
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
  /** The peer's graceful restart, if both offered it. */
  readonly gracefulRestart?:
    | {
        readonly restarting: boolean;
        /** Both set the N bit (RFC 8538). */
        readonly notification: boolean;
        /** Seconds. */
        readonly restartTime: number;
        /** Families carried that the peer listed; `forwarding`: their forwarding state was preserved. */
        readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
      }
    | undefined;
  /** Long-lived stale time in seconds by family (RFC 9494), if both offered it. */
  readonly longLivedStale: readonly {
    readonly family: Family;
    readonly staleTime: number;
    readonly forwarding: boolean;
  }[];
  /** The peer offered long-lived graceful restart, so that it knows what LLGR_STALE means (RFC 9494 §4.3). */
  readonly knowsLongLived: boolean;
  /** The peer's role (RFC 9234), if it told. */
  readonly peerRole?: number | undefined;
  /** From the peer's FQDN capability. */
  readonly peerHostname?: string | undefined;
}

type Of<Type extends Capability['type']> = Extract<Capability, { type: Type }>;

/** The OPEN of this session. */
export function localOpen(config: SessionConfig): OpenMessage {
  return {
    type: 'open',
    version: BGP_VERSION,
    asNumber: config.localAs,
    holdTime: config.holdTime,
    identifier: config.routerId,
    capabilities: config.withoutCapabilities === true ? [] : localCapabilities(config),
  };
}

function localCapabilities(config: SessionConfig): Capability[] {
  const { families, gracefulRestart, longLivedStaleTime, addPath, role, hostname } = config;
  const capabilities: Capability[] = [
    ...families.map((family) => ({ type: 'multiprotocol', ...afiSafi(family) }) as const),
    { type: 'route-refresh' },
    { type: 'enhanced-route-refresh' },
    { type: 'four-octet-as', asNumber: config.localAs },
  ];
  if (config.extendedNextHop && families.includes(4)) {
    capabilities.push({ type: 'extended-next-hop', families: [{ ...afiSafi(4), nextHopAfi: AFI_IPV6 }] });
  }
  if (config.extendedMessages) capabilities.push({ type: 'extended-message' });
  // RFC 9234 §4.1: a role is one between two ASes.
  const place = placeOf(config.peerAs ?? 0, config.localAs, config.confederation);
  if (role !== undefined && place === 'external') {
    capabilities.push({ type: 'role', role: ROLE_CODES[role.name] });
  }
  if (gracefulRestart !== undefined) {
    const { forwarding } = gracefulRestart;
    capabilities.push({
      type: 'graceful-restart',
      restarting: gracefulRestart.restarting,
      notification: true,
      restartTime: gracefulRestart.restartTime,
      families: families.map((family) => ({ ...afiSafi(family), forwarding: forwarding.includes(family) })),
    });
    if (longLivedStaleTime !== undefined) {
      capabilities.push({
        type: 'long-lived-graceful-restart',
        families: families.map((family) => ({
          ...afiSafi(family),
          forwarding: forwarding.includes(family),
          staleTime: longLivedStaleTime,
        })),
      });
    }
  }
  const mode = addPathMode(addPath);
  if (mode !== undefined) {
    capabilities.push({
      type: 'add-path',
      families: families.map((family) => ({ ...afiSafi(family), mode })),
    });
  }
  if (hostname !== undefined) capabilities.push({ type: 'fqdn', hostname, domain: '' });
  return capabilities;
}

function addPathMode(addPath: SessionConfig['addPath']): AddPathMode | undefined {
  if (addPath?.send === true) return addPath.receive ? 'both' : 'send';
  return addPath?.receive === true ? 'receive' : undefined;
}

/** What both sides agree on, or the NOTIFICATION that refuses the peer's OPEN (RFC 4271 §6.2). */
export function negotiate(config: SessionConfig, theirs: OpenMessage): Negotiated | NotificationMessage {
  // What only one side offers is not used (RFC 5492 §3).
  const open = config.withoutCapabilities === true ? { ...theirs, capabilities: [] } : theirs;
  const refused = refusal(config, open);
  if (refused !== undefined) return refused;
  const families = commonFamilies(config, open);
  const has = (type: Capability['type']): boolean => find(open, type) !== undefined;
  const holdTime = Math.min(config.holdTime, open.holdTime);
  const fqdn = find(open, 'fqdn');
  const place = placeOf(open.asNumber, config.localAs, config.confederation);
  return {
    wire: {
      fourOctetAs: has('four-octet-as'),
      extendedMessages: config.extendedMessages && has('extended-message'),
      external: place === 'external',
      ...(place === 'confederation' ? { confederation: true } : {}),
      families,
      addPathReceive: config.addPath?.receive === true ? addPathFamilies(open, families, 'send') : [],
      addPathSend: config.addPath?.send === true ? addPathFamilies(open, families, 'receive') : [],
      extendedNextHop: config.extendedNextHop && families.includes(4) && offersExtendedNextHop(open),
    },
    peerAs: open.asNumber,
    peerIdentifier: open.identifier,
    holdTime,
    keepaliveTime: keepaliveTime(config, holdTime),
    families,
    ...(config.withoutCapabilities === true ? { withoutCapabilities: true } : {}),
    routeRefresh: has('route-refresh'),
    enhancedRouteRefresh: has('route-refresh') && has('enhanced-route-refresh'),
    gracefulRestart: config.gracefulRestart === undefined ? undefined : peerGracefulRestart(open, families),
    longLivedStale: longLivedStale(config, open, families),
    knowsLongLived: longLivedOffer(open) !== undefined,
    peerRole: find(open, 'role')?.role,
    peerHostname: fqdn === undefined || fqdn.hostname === '' ? undefined : fqdn.hostname,
  };
}

function refusal(config: SessionConfig, open: OpenMessage): NotificationMessage | undefined {
  const refuse = (subcode: number, data?: Uint8Array): NotificationMessage =>
    notification(ERROR_OPEN_MESSAGE, subcode, data);
  // RFC 4271 §6.2; AS 0 never (RFC 7607 §2).
  if (open.asNumber === 0 || (config.peerAs !== undefined && open.asNumber !== config.peerAs)) {
    return refuse(OPEN_BAD_PEER_AS);
  }
  // RFC 6286 §2.2: zero never; equal to ours not within an AS.
  const internal = open.asNumber === config.localAs;
  if (open.identifier === '0.0.0.0' || (internal && open.identifier === config.routerId)) {
    return refuse(OPEN_BAD_BGP_IDENTIFIER);
  }
  if (open.holdTime === 1 || open.holdTime === 2) return refuse(OPEN_UNACCEPTABLE_HOLD_TIME);
  if (commonFamilies(config, open).length === 0) {
    // RFC 5492 §5: the data are the capabilities that we insist on.
    const data = new ByteWriter();
    for (const family of config.families)
      encodeCapability({ type: 'multiprotocol', ...afiSafi(family) }, data);
    return refuse(OPEN_UNSUPPORTED_CAPABILITY, data.copy());
  }
  const external = placeOf(open.asNumber, config.localAs, config.confederation) === 'external';
  if (external && config.role !== undefined && !rolesAgree(config.role, open)) {
    return refuse(OPEN_ROLE_MISMATCH);
  }
  return undefined;
}

/** RFC 9234 §4.2: all roles that the peer tells must be the one that goes with ours; in strict mode it must tell one. */
function rolesAgree({ name, strict }: NonNullable<SessionConfig['role']>, open: OpenMessage): boolean {
  const told = all(open, 'role');
  if (told.length === 0) return !strict;
  return told.every(({ role }) => role === ROLE_CODES[COUNTERPART[name]]);
}

/** The last of a type, which counts where a peer tells several (RFC 4724 §3). */
function find<Type extends Capability['type']>(open: OpenMessage, type: Type): Of<Type> | undefined {
  return all(open, type).at(-1);
}

/** All of a type: those that list families may be several (RFC 5492 §4). */
function all<Type extends Capability['type']>(open: OpenMessage, type: Type): Of<Type>[] {
  return open.capabilities.filter((capability): capability is Of<Type> => capability.type === type);
}

/** Families both offer; a peer that offers none by capability means IPv4 (RFC 4760 §8). */
function commonFamilies(config: SessionConfig, open: OpenMessage): Family[] {
  const offers = all(open, 'multiprotocol');
  const peer = offers.length === 0 ? [4] : offers.map(familyOfAfiSafi);
  return config.families.filter((family) => peer.includes(family));
}

function addPathFamilies(open: OpenMessage, families: readonly Family[], wanted: AddPathMode): Family[] {
  const offered = all(open, 'add-path').flatMap((capability) => capability.families);
  return families.filter((family) =>
    offered.some(
      (entry) => familyOfAfiSafi(entry) === family && (entry.mode === wanted || entry.mode === 'both'),
    ),
  );
}

function offersExtendedNextHop(open: OpenMessage): boolean {
  const offered = all(open, 'extended-next-hop').flatMap((capability) => capability.families);
  return offered.some((entry) => familyOfAfiSafi(entry) === 4 && entry.nextHopAfi === AFI_IPV6);
}

function peerGracefulRestart(open: OpenMessage, families: readonly Family[]): Negotiated['gracefulRestart'] {
  const offered = find(open, 'graceful-restart');
  if (offered === undefined) return undefined;
  return {
    restarting: offered.restarting,
    notification: offered.notification, // ours is always set
    restartTime: offered.restartTime,
    families: families.flatMap((family) => {
      const entry = offered.families.find((candidate) => familyOfAfiSafi(candidate) === family);
      return entry === undefined ? [] : [{ family, forwarding: entry.forwarding }];
    }),
  };
}

/** What the peer tells of long-lived graceful restart; without graceful restart it counts for nothing (RFC 9494 §4.1). */
function longLivedOffer(open: OpenMessage): Of<'long-lived-graceful-restart'> | undefined {
  const restart = find(open, 'graceful-restart');
  return restart === undefined ? undefined : find(open, 'long-lived-graceful-restart');
}

function longLivedStale(
  config: SessionConfig,
  open: OpenMessage,
  families: readonly Family[],
): Negotiated['longLivedStale'] {
  const offered = longLivedOffer(open);
  const both = config.gracefulRestart !== undefined && config.longLivedStaleTime !== undefined;
  if (offered === undefined || !both) return [];
  return families.flatMap((family) => {
    const entry = offered.families.find((candidate) => familyOfAfiSafi(candidate) === family);
    return entry === undefined ? [] : [{ family, staleTime: entry.staleTime, forwarding: entry.forwarding }];
  });
}
