/**
 * UPDATE as received (RFC 4271 §4.3).
 *
 *     withdrawn length 2 | withdrawn | attributes' length 2 | attributes | NLRI up to the end
 *
 * {@link parseUpdate} leaves prefixes as bytes, for a table that takes them so; {@link updateValues} makes values.
 */
import { FAULT_RULES } from './attribute-fault.ts';
import { attributeName } from './attribute.ts';
import { decodeRecord } from './attribute-record.ts';
import { countNlri, decodeNlri, type NlriBytes } from './nlri.ts';
import { type OrdinaryAttributes, readOrdinary } from './ordinary-attributes.ts';
import { type DecodedAttributes, decodeAttributes } from './attribute-list.ts';
import { DecodeFault, catchDecodeError, decodeError } from './decode-error.ts';
import { HEADER_LENGTH } from './header.ts';
import * as iana from './iana.ts';
import type {
  AttributeFault,
  DecodeError,
  NextHop,
  PathAttributes,
  ReceivedUpdate,
  WireOptions,
} from './message.ts';
import { type Family, familyOf } from '../../net/address.ts';
import { nextHopFault } from './next-hop.ts';

/** Prefixes and the route that they are announced with. */
export interface AnnouncedBytes {
  readonly nlri: NlriBytes;
  readonly route: ReceivedRoute;
}

export type ReceivedRoute =
  | { readonly type: 'values'; readonly attributes: PathAttributes; readonly nextHop: NextHop }
  /** An ordinary one as a record (attribute-record.ts): `bytes[start..end)`, until the next UPDATE is read. */
  | { readonly type: 'record'; readonly bytes: Uint8Array; readonly start: number; readonly end: number };

/** An UPDATE with its prefixes as bytes. */
export interface ParsedUpdate {
  readonly type: 'update';
  readonly withdrawn: readonly NlriBytes[];
  readonly announced: readonly AnnouncedBytes[];
  /** Announced in malformed wise: to be handled as if withdrawn (RFC 7606 §2). */
  readonly treatAsWithdraw: readonly NlriBytes[];
  readonly faults: readonly AttributeFault[];
  /** The whole message, if there are faults. */
  readonly octets?: Uint8Array;
  readonly endOfRib: Family | undefined;
}

const SHORT = decodeError(
  iana.ERROR_UPDATE_MESSAGE,
  iana.UPDATE_MALFORMED_ATTRIBUTE_LIST,
  'the lengths in the UPDATE do not fit its own (RFC 7606 §3)',
);

const NOTHING_MISSING: readonly AttributeFault[] = [];

/** An UPDATE with its prefixes as values. */
export function updateValues(parsed: ParsedUpdate): ReceivedUpdate {
  const announced = parsed.announced.map(({ nlri, route }) => ({ nlri, ...routeValues(route) }));
  const attributes = announced[0]?.attributes;
  return {
    type: 'update',
    withdrawn: parsed.withdrawn.map(decodeNlri),
    announced: announced.map(({ nlri, nextHop }) => ({ ...decodeNlri(nlri), nextHop })),
    treatAsWithdraw: parsed.treatAsWithdraw.map(decodeNlri),
    faults: parsed.faults,
    ...(attributes === undefined ? {} : { attributes }),
    ...(parsed.endOfRib === undefined ? {} : { endOfRib: parsed.endOfRib }),
  };
}

/** A received route as values. */
export function routeValues(route: ReceivedRoute): {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop;
} {
  if (route.type === 'values') return route;
  const { attributes, nextHop } = decodeRecord(route.bytes.slice(route.start, route.end));
  // Nothing is announced without one.
  return { attributes, nextHop: nextHop! };
}

/** Reads a whole UPDATE and leaves its prefixes in place: they are views into `message`. */
export function parseUpdate(message: Uint8Array, wire: WireOptions): ParsedUpdate | DecodeError {
  return catchDecodeError(() => readUpdate(message, wire), SHORT);
}

function readUpdate(message: Uint8Array, wire: WireOptions): ParsedUpdate {
  const end = message.length;
  const withdrawnAt = HEADER_LENGTH + 2;
  const withdrawnEnd = withdrawnAt + word(message, HEADER_LENGTH);
  if (withdrawnEnd + 2 > end) throw new DecodeFault(SHORT);
  const attributesAt = withdrawnEnd + 2;
  const attributesEnd = attributesAt + word(message, withdrawnEnd);
  if (attributesEnd > end) throw new DecodeFault(SHORT);

  const withdrawn = classic(message, withdrawnAt, withdrawnEnd, wire, 'withdrawn routes');
  const nlri = classic(message, attributesEnd, end, wire, 'NLRI');
  const ordinary = readOrdinary(message, attributesAt, attributesEnd, wire, nlri !== undefined);
  if (ordinary !== undefined) return ordinaryUpdate(ordinary, withdrawn, nlri, wire);
  const decoded = decodeAttributes(message, attributesAt, attributesEnd, wire);
  const { draft } = decoded;

  const carriesIPv4 = wire.families.includes(4);
  const gone: NlriBytes[] = [];
  if (withdrawn !== undefined && carriesIPv4) gone.push(withdrawn);
  if (draft.unreach !== undefined && draft.unreach.start < draft.unreach.end) gone.push(draft.unreach);

  const reachable: { nlri: NlriBytes; nextHop: NextHop | undefined }[] = [];
  if (nlri !== undefined) reachable.push({ nlri, nextHop: draft.nextHop });
  if (draft.reach !== undefined && draft.reach.nlri.start < draft.reach.nlri.end) reachable.push(draft.reach);

  const absent = reachable.length === 0 ? NOTHING_MISSING : missing(decoded, nlri !== undefined, wire);
  const faults = absent.length === 0 ? decoded.faults : [...decoded.faults, ...absent];
  const withdraw = faults.length === 0 ? undefined : faults.find((fault) => fault.action === 'withdraw');
  const onlyWithdraws =
    decoded.count === 1 && faults.every(({ code }) => code === iana.ATTRIBUTE_MP_UNREACH_NLRI);
  if (withdraw !== undefined && reachable.length === 0 && draft.otherFamily === undefined && !onlyWithdraws) {
    // RFC 7606 §5.2: the prefixes it was meant for cannot be known.
    throw new DecodeFault(
      decodeError(
        iana.ERROR_UPDATE_MESSAGE,
        iana.UPDATE_MALFORMED_ATTRIBUTE_LIST,
        `${withdraw.attribute}: ${withdraw.reason}, and no prefix to withdraw (RFC 7606 §5.2)`,
      ),
    );
  }
  const announced: AnnouncedBytes[] = [];
  const attributes = draft.attributes as PathAttributes;
  const treatAsWithdraw: NlriBytes[] = [];
  for (const { nlri: prefixes, nextHop } of reachable) {
    if (!wire.families.includes(prefixes.family)) continue;
    if (withdraw !== undefined) treatAsWithdraw.push(prefixes);
    else if (nextHop !== undefined)
      announced.push({ nlri: prefixes, route: { type: 'values', attributes, nextHop } });
  }
  return {
    type: 'update',
    withdrawn: gone,
    announced,
    treatAsWithdraw,
    faults,
    ...(faults.length === 0 ? {} : { octets: message }),
    endOfRib: withdrawn === undefined && nlri === undefined ? endOfRib(decoded, carriesIPv4) : undefined,
  };
}

function ordinaryUpdate(
  { bytes, start, end, reach, unreach }: OrdinaryAttributes,
  withdrawn: NlriBytes | undefined,
  classicNlri: NlriBytes | undefined,
  wire: WireOptions,
): ParsedUpdate {
  const gone: NlriBytes[] = [];
  if (withdrawn !== undefined && wire.families.includes(4)) gone.push(withdrawn);
  if (unreach !== undefined) gone.push(unreach);
  const nlri = classicNlri ?? reach;
  const announced: AnnouncedBytes[] = [];
  if (nlri !== undefined && wire.families.includes(nlri.family)) {
    announced.push({ nlri, route: { type: 'record', bytes, start, end } });
  }
  return {
    type: 'update',
    withdrawn: gone,
    announced,
    treatAsWithdraw: [],
    faults: NOTHING_MISSING,
    endOfRib: undefined,
  };
}

function word(message: Uint8Array, at: number): number {
  return (message[at]! << 8) | message[at + 1]!;
}

/** The IPv4 prefixes of a field of the message proper; undefined if there are none. */
function classic(
  message: Uint8Array,
  start: number,
  end: number,
  wire: WireOptions,
  field: string,
): NlriBytes | undefined {
  if (start === end) return undefined;
  const nlri: NlriBytes = { family: 4, addPath: wire.addPathReceive.includes(4), bytes: message, start, end };
  if (countNlri(nlri) >= 0) return nlri;
  throw new DecodeFault(
    decodeError(
      iana.ERROR_UPDATE_MESSAGE,
      iana.UPDATE_INVALID_NETWORK_FIELD,
      `the prefixes in ${field} cannot be read (RFC 7606 §5.3)`,
    ),
  );
}

/** Well-known mandatory attributes that a route cannot do without (RFC 7606 §3 d), and impossible next hops. */
function missing(
  { draft, faults }: DecodedAttributes,
  classicNlri: boolean,
  wire: WireOptions,
): readonly AttributeFault[] {
  const { origin, asPath } = draft.attributes;
  // Beside MP_REACH_NLRI alone NEXT_HOP is not looked at (RFC 4760 §3): some send 0.0.0.0 there.
  const classicFault = classicNlri && draft.nextHop !== undefined ? nextHopFault(draft.nextHop) : undefined;
  const reachFault = draft.reach === undefined ? undefined : reachFaultOf(draft.reach, wire);
  const complete =
    origin !== undefined && asPath !== undefined && (!classicNlri || draft.nextHop !== undefined);
  if (complete && classicFault === undefined && reachFault === undefined) return NOTHING_MISSING;
  const found: AttributeFault[] = [];
  const refuse = (code: number, reason: string | undefined): void => {
    if (reason !== undefined)
      found.push({ code, attribute: attributeName(code), action: 'withdraw', reason });
  };
  const need = (code: number, present: boolean): void => {
    if (present || faults.some((fault) => fault.code === code)) return;
    refuse(code, `it is missing (${FAULT_RULES.missing.clause})`);
  };
  need(iana.ATTRIBUTE_ORIGIN, origin !== undefined);
  need(iana.ATTRIBUTE_AS_PATH, asPath !== undefined);
  if (classicNlri) need(iana.ATTRIBUTE_NEXT_HOP, draft.nextHop !== undefined);
  refuse(iana.ATTRIBUTE_NEXT_HOP, classicFault);
  refuse(iana.ATTRIBUTE_MP_REACH_NLRI, reachFault);
  return found;
}

/**
 * What is wrong with the next hop of MP_REACH_NLRI. An IPv6 address for IPv4 prefixes that was not agreed on costs the
 * routes and not the session: its length says where the prefixes begin (RFC 8950 §3), so they can be withdrawn, and
 * nothing asks for more (RFC 7606 §2); RFC 7606 §7.11 is about lengths that no next hop of the family has.
 */
function reachFaultOf(
  { nlri, nextHop }: NonNullable<DecodedAttributes['draft']['reach']>,
  { extendedNextHop }: WireOptions,
): string | undefined {
  if (nlri.family === 4 && !extendedNextHop && familyOf(nextHop.address) === 6) {
    return `next hop ${nextHop.address} of IPv4 prefixes is IPv6, which was not agreed on (RFC 8950 §4)`;
  }
  return nextHopFault(nextHop);
}

/** RFC 4724 §2: an empty UPDATE, or one whose only attribute is an empty MP_UNREACH_NLRI. */
function endOfRib({ draft, count }: DecodedAttributes, carriesIPv4: boolean): Family | undefined {
  if (count === 0) return carriesIPv4 ? 4 : undefined;
  const { unreach } = draft;
  return count === 1 && unreach !== undefined && unreach.start === unreach.end ? unreach.family : undefined;
}
