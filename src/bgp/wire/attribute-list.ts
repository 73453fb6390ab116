/**
 * The path attributes field of an UPDATE (RFC 4271 §4.3): attribute after attribute as flags, type code, length of one
 * or two octets, value. What is malformed is judged by RFC 7606 and by the registry's rows.
 */
import { type Address } from '../../net/address.ts';
import { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { mergeAs4Path } from './as-path.ts';
import {
  ATTRIBUTE_CODECS,
  type AttributeCodec,
  type AttributeDraft,
  attributeCodec,
  attributeName,
} from './attribute.ts';
import { DecodeFault, decodeError } from './decode-error.ts';
import * as iana from './iana.ts';
import type { AttributeFault, PathAttributes, UnknownAttribute, WireOptions } from './message.ts';

/** An attribute list as read; the session survives its faults. */
export interface DecodedAttributes {
  readonly draft: AttributeDraft;
  readonly faults: readonly AttributeFault[];
  /** How many attributes there were. */
  readonly count: number;
}

const SHORT_HEADER = 3;
const LONG_HEADER = 4;
const KIND = iana.FLAG_OPTIONAL | iana.FLAG_TRANSITIVE;

/** Reads `bytes[start..end)`. Throws a {@link DecodeFault} where RFC 7606 still asks for a session reset. */
export function decodeAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  wire: WireOptions,
): DecodedAttributes {
  const draft: AttributeDraft = { attributes: {} };
  const faults: AttributeFault[] = [];
  const unknown: UnknownAttribute[] = [];
  const partial: number[] = [];
  const seen = new Set<number>();
  const fault = (code: number, action: 'withdraw' | 'discard', reason: string): void => {
    faults.push({ code, attribute: code === 0 ? 'attribute list' : attributeName(code), action, reason });
  };
  for (let at = start; at < end;) {
    const flags = bytes[at]!;
    const long = (flags & iana.FLAG_EXTENDED_LENGTH) !== 0;
    const valueAt = at + (long ? LONG_HEADER : SHORT_HEADER);
    if (valueAt > end) {
      fault(0, 'withdraw', 'an attribute header is cut off (RFC 7606 §4)');
      break;
    }
    const code = bytes[at + 1]!;
    const length = long ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!;
    const next = valueAt + length;
    if (next > end) {
      fault(code, 'withdraw', `the attribute runs ${next - end} octets past the list (RFC 7606 §4)`);
      break;
    }
    const codec = attributeCodec(code);
    if (seen.has(code)) {
      // RFC 7606 §3 g: only the first counts; twice MP_REACH_NLRI or MP_UNREACH_NLRI ends the session.
      if (codec?.action === 'reset') {
        throw new DecodeFault(
          decodeError(
            iana.ERROR_UPDATE_MESSAGE,
            iana.UPDATE_MALFORMED_ATTRIBUTE_LIST,
            `${codec.name} comes twice (RFC 7606 §3 g)`,
          ),
        );
      }
      fault(code, 'discard', 'it comes twice, the first counts (RFC 7606 §3 g)');
    } else if (codec === undefined) {
      if ((flags & iana.FLAG_OPTIONAL) === 0) {
        throw new DecodeFault(
          decodeError(
            iana.ERROR_UPDATE_MESSAGE,
            iana.UPDATE_UNRECOGNIZED_WELL_KNOWN,
            `attribute ${code} claims to be well-known (RFC 4271 §6.3)`,
            bytes.slice(at, next),
          ),
        );
      }
      // RFC 4271 §5: unknown and not transitive is quietly ignored.
      if ((flags & iana.FLAG_TRANSITIVE) !== 0) unknown.push({ code, value: bytes.slice(valueAt, next) });
    } else {
      readKnown(codec, bytes, { at, valueAt, next, flags }, draft, wire, fault);
      if ((flags & iana.FLAG_PARTIAL) !== 0 && (codec.flags & KIND) === KIND) partial.push(code);
    }
    seen.add(code);
    at = next;
  }
  if (unknown.length > 0) draft.attributes.unknown = unknown;
  if (partial.length > 0) draft.attributes.partial = partial;
  mergeFourOctet(draft);
  return { draft, faults, count: seen.size };
}

function readKnown(
  codec: AttributeCodec,
  bytes: Uint8Array,
  span: { readonly at: number; readonly valueAt: number; readonly next: number; readonly flags: number },
  draft: AttributeDraft,
  wire: WireOptions,
  fault: (code: number, action: 'withdraw' | 'discard', reason: string) => void,
): void {
  if (codec.internal === true && wire.external) {
    fault(codec.code, 'discard', 'it means nothing from another AS (RFC 7606 §7)');
    return;
  }
  const flagsWrong = ((span.flags ^ codec.flags) & KIND) !== 0;
  if (flagsWrong) {
    fault(codec.code, 'withdraw', `its flags are 0x${span.flags.toString(16)} (RFC 7606 §3 c)`);
    // The prefixes to withdraw may stand in this very attribute.
    if (codec.action !== 'reset') return;
  }
  const reason = codec.decode(new ByteReader(bytes, span.valueAt, span.next), draft, wire);
  if (reason === undefined) return;
  if (codec.action === 'reset') {
    throw new DecodeFault(
      decodeError(
        iana.ERROR_UPDATE_MESSAGE,
        iana.UPDATE_OPTIONAL_ATTRIBUTE,
        `${codec.name}: ${reason}`,
        bytes.slice(span.at, span.next),
      ),
    );
  }
  fault(codec.code, codec.action, reason);
}

/** RFC 6793 §4.2.3. */
function mergeFourOctet(draft: AttributeDraft): void {
  const { attributes, as4Path, as4Aggregator } = draft;
  // An AGGREGATOR other than AS_TRANS was set by a two-octet speaker after the AS4 attributes: both are out of date.
  if (
    attributes.aggregator !== undefined &&
    attributes.aggregator.asNumber !== iana.AS_TRANS &&
    as4Aggregator
  )
    return;
  if (attributes.aggregator !== undefined && as4Aggregator !== undefined)
    attributes.aggregator = as4Aggregator;
  if (attributes.asPath !== undefined && as4Path !== undefined) {
    attributes.asPath = mergeAs4Path(attributes.asPath, as4Path);
  }
}

/**
 * The attribute list of a route as bytes, in the order of type codes, without MP_REACH_NLRI. `nextHop` is the IPv4
 * address for NEXT_HOP, if the prefixes go into the NLRI field.
 */
export function encodeAttributes(
  attributes: PathAttributes,
  nextHop: Address | undefined,
  wire: WireOptions,
): Uint8Array {
  const writer = new ByteWriter();
  const value = new ByteWriter();
  for (const codec of ATTRIBUTE_CODECS) {
    value.truncate(0);
    if (codec.encode?.(attributes, value, { wire, nextHop }) !== true) continue;
    const partial = attributes.partial?.includes(codec.code) === true ? iana.FLAG_PARTIAL : 0;
    writeAttribute(writer, codec.flags | partial, codec.code, value.bytes());
  }
  for (const { code, value: bytes } of attributes.unknown ?? []) {
    writeAttribute(writer, KIND | iana.FLAG_PARTIAL, code, bytes);
  }
  return writer.copy();
}

function writeAttribute(writer: ByteWriter, flags: number, code: number, value: Uint8Array): void {
  if (value.length > 0xff) {
    writer.u8(flags | iana.FLAG_EXTENDED_LENGTH);
    writer.u8(code);
    writer.u16(value.length);
  } else {
    writer.u8(flags);
    writer.u8(code);
    writer.u8(value.length);
  }
  writer.append(value);
}
