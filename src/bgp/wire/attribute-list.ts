/**
 * The path attributes field of an UPDATE (RFC 4271 §4.3): attribute after attribute as flags, type code, length of one
 * or two octets, value. What is malformed costs what attribute-fault.ts and the registry's rows say (RFC 7606).
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
import { FAULT_RULES, type FaultKind } from './attribute-fault.ts';
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
const NO_FAULTS: readonly AttributeFault[] = [];
/** Which codes the list being read has had: those marked with its number. Kept over calls, for a set per list costs. */
const seenIn = new Float64Array(256);
let listNumber = 0;
/** Kept over calls likewise; empty between them. */
const scratch = new ByteWriter(1024);
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
  let unknown: UnknownAttribute[] | undefined;
  let partial: number[] | undefined;
  let count = 0;
  listNumber++;
  for (let at = start; at < end;) {
    const flags = bytes[at]!;
    const long = (flags & iana.FLAG_EXTENDED_LENGTH) !== 0;
    const valueAt = at + (long ? LONG_HEADER : SHORT_HEADER);
    if (valueAt > end) {
      report(faults, 0, 'cutOff', 'an attribute header is cut off');
      break;
    }
    const code = bytes[at + 1]!;
    const length = long ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!;
    const next = valueAt + length;
    const codec = attributeCodec(code);
    if (next > end) {
      report(faults, code, 'overrun', `the attribute runs ${next - end} octets past the list`);
      break;
    }
    if (seenIn[code] === listNumber) {
      report(faults, code, 'twice', 'it comes twice');
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
      if ((flags & iana.FLAG_TRANSITIVE) !== 0) {
        unknown ??= [];
        unknown.push({ code, value: bytes.slice(valueAt, next) });
      }
    } else {
      const isRead = readKnown(codec, bytes, at, valueAt, next, draft, wire, faults);
      if (isRead && (flags & iana.FLAG_PARTIAL) !== 0 && (codec.flags & KIND) === KIND) {
        partial ??= [];
        partial.push(code);
      }
    }
    if (seenIn[code] !== listNumber) {
      seenIn[code] = listNumber;
      count++;
    }
    at = next;
  }
  if (unknown !== undefined) draft.attributes.unknown = unknown;
  if (partial !== undefined) draft.attributes.partial = partial;
  mergeFourOctet(draft);
  return { draft, faults: faults.length === 0 ? NO_FAULTS : faults, count };
}

/** Takes note of a fault, or throws if it costs the session. */
function report(faults: AttributeFault[], code: number, kind: FaultKind, what: string): void {
  const { clause, cost, ofPrefixes } = FAULT_RULES[kind];
  const attribute = code === 0 ? 'attribute list' : attributeName(code);
  const reason = `${what} (${clause})`;
  const action = attributeCodec(code)?.action === 'reset' ? ofPrefixes : cost;
  if (action === 'reset') {
    throw new DecodeFault(
      decodeError(iana.ERROR_UPDATE_MESSAGE, iana.UPDATE_MALFORMED_ATTRIBUTE_LIST, `${attribute}: ${reason}`),
    );
  }
  faults.push({ code, attribute, action, reason });
}

/** Reads an attribute into the draft; takes note of what is wrong, and then returns false. */
function readKnown(
  codec: AttributeCodec,
  bytes: Uint8Array,
  at: number,
  valueAt: number,
  next: number,
  draft: AttributeDraft,
  wire: WireOptions,
  faults: AttributeFault[],
): boolean {
  if (codec.internal === true && wire.external) {
    report(faults, codec.code, 'foreign', 'it means nothing from another AS');
    return false;
  }
  if (codec.twoOctet === true && wire.fourOctetAs) {
    report(faults, codec.code, 'foreign', 'it comes from a peer that knows 32-bit AS numbers');
    return false;
  }
  const flags = bytes[at]!;
  if (((flags ^ codec.flags) & KIND) !== 0) {
    report(faults, codec.code, 'flags', `its flags are 0x${flags.toString(16)}`);
    // The prefixes to withdraw may stand in this very attribute.
    if (codec.action !== 'reset') return false;
  }
  const reason = codec.decode(new ByteReader(bytes, valueAt, next), draft, wire);
  if (reason === undefined) return true;
  if (codec.action === 'reset') {
    throw new DecodeFault(
      decodeError(
        iana.ERROR_UPDATE_MESSAGE,
        iana.UPDATE_OPTIONAL_ATTRIBUTE,
        `${codec.name}: ${reason}`,
        bytes.slice(at, next),
      ),
    );
  }
  faults.push({ code: codec.code, attribute: codec.name, action: codec.action, reason });
  return false;
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
  scratch.truncate(0);
  const context = { wire, nextHop };
  for (const codec of ATTRIBUTE_CODECS) {
    if (codec.encode === undefined) continue;
    const at = scratch.reserve(SHORT_HEADER);
    if (!codec.encode(attributes, scratch, context)) {
      scratch.truncate(at);
      continue;
    }
    const partial = attributes.partial?.includes(codec.code) === true ? iana.FLAG_PARTIAL : 0;
    writeHeader(scratch, at, codec.flags | partial, codec.code);
  }
  for (const { code, value } of attributes.unknown ?? []) {
    const at = scratch.reserve(SHORT_HEADER);
    scratch.append(value);
    writeHeader(scratch, at, KIND | iana.FLAG_PARTIAL, code);
  }
  return scratch.copy();
}

/** Fills in the header at `at`, before a value that is written; a long value moves on by one octet. */
function writeHeader(writer: ByteWriter, at: number, flags: number, code: number): void {
  const length = writer.length - at - SHORT_HEADER;
  writer.setU8(at + 1, code);
  if (length <= 0xff) {
    writer.setU8(at, flags);
    writer.setU8(at + 2, length);
    return;
  }
  writer.reserve(LONG_HEADER - SHORT_HEADER);
  writer.bytes().copyWithin(at + LONG_HEADER, at + SHORT_HEADER, at + SHORT_HEADER + length);
  writer.setU8(at, flags | iana.FLAG_EXTENDED_LENGTH);
  writer.setU16(at + 2, length);
}
