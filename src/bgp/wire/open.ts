/**
 * OPEN (RFC 4271 §4.2) with optional parameters in the short and the extended form (RFC 9072).
 *
 *     version 1 | my AS 2 | hold time 2 | BGP identifier 4 | parameters' length 1 | parameters
 *     extended:  ...       parameters' length 255 | type 255 | parameters' length 2 | parameters (lengths of 2)
 */
import { addressBytes, formatAddress } from '../../net/address.ts';
import { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { decodeCapabilities, encodeCapability } from './capability.ts';
import { DecodeFault, catchDecodeError, decodeError } from './decode-error.ts';
import { HEADER_LENGTH } from './header.ts';
import {
  AS_TRANS,
  ERROR_OPEN_MESSAGE,
  OPEN_UNSPECIFIC,
  OPEN_UNSUPPORTED_PARAMETER,
  OPEN_UNSUPPORTED_VERSION,
  PARAMETER_CAPABILITIES,
  PARAMETER_EXTENDED_LENGTH,
} from './iana.ts';
import type { Capability, DecodeError, OpenMessage } from './message.ts';

export const BGP_VERSION = 4;

/** Reads a whole OPEN. Whether its contents are acceptable is for the state machine to say. */
export function decodeOpen(message: Uint8Array): OpenMessage | DecodeError {
  return catchDecodeError(
    () => readOpen(new ByteReader(message, HEADER_LENGTH)),
    // RFC 4271 §6.2: a malformed parameter that is recognised is error 2/0.
    decodeError(ERROR_OPEN_MESSAGE, OPEN_UNSPECIFIC, 'an optional parameter runs past the end of the OPEN'),
  );
}

function readOpen(reader: ByteReader): OpenMessage {
  const version = reader.u8();
  if (version !== BGP_VERSION) {
    // RFC 4271 §6.2: the data field is the largest version we support below the peer's.
    throw new DecodeFault(
      decodeError(
        ERROR_OPEN_MESSAGE,
        OPEN_UNSUPPORTED_VERSION,
        `the peer speaks BGP version ${version}`,
        Uint8Array.of(0, BGP_VERSION),
      ),
    );
  }
  const shortAs = reader.u16();
  const holdTime = reader.u16();
  const identifier = formatAddress(reader.view(4));
  const capabilities = readParameters(reader);
  const fourOctet = capabilities.find((capability) => capability.type === 'four-octet-as');
  const asNumber = fourOctet?.asNumber ?? shortAs;
  return { type: 'open', version, asNumber, holdTime, identifier, capabilities };
}

function readParameters(reader: ByteReader): Capability[] {
  let length = reader.u8();
  // RFC 9072 §2: a first parameter of type 255 means the extended form, whatever the short length says.
  const extended =
    length > 0 && reader.remaining > 0 && reader.bytes[reader.offset] === PARAMETER_EXTENDED_LENGTH;
  if (extended) {
    reader.skip(1);
    length = reader.u16();
  }
  const parameters = reader.sub(length);
  if (reader.remaining > 0) {
    throw new DecodeFault(
      decodeError(ERROR_OPEN_MESSAGE, OPEN_UNSPECIFIC, 'octets follow the optional parameters'),
    );
  }
  const capabilities: Capability[] = [];
  while (parameters.remaining > 0) {
    const type = parameters.u8();
    const value = parameters.sub(extended ? parameters.u16() : parameters.u8());
    if (type !== PARAMETER_CAPABILITIES) {
      throw new DecodeFault(
        decodeError(
          ERROR_OPEN_MESSAGE,
          OPEN_UNSUPPORTED_PARAMETER,
          `optional parameter ${type} is not supported`,
        ),
      );
    }
    capabilities.push(...decodeCapabilities(value));
  }
  return capabilities;
}

/** Appends the body of an OPEN. All capabilities go into one parameter. */
export function writeOpen(writer: ByteWriter, open: OpenMessage): void {
  writer.u8(open.version);
  writer.u16(open.asNumber > 0xffff ? AS_TRANS : open.asNumber);
  writer.u16(open.holdTime);
  writer.append(addressBytes(open.identifier));
  const value = new ByteWriter();
  for (const capability of open.capabilities) encodeCapability(capability, value);
  if (value.length === 0) {
    writer.u8(0);
  } else if (value.length + 2 < PARAMETER_EXTENDED_LENGTH) {
    writer.u8(value.length + 2);
    writer.u8(PARAMETER_CAPABILITIES);
    writer.u8(value.length);
  } else {
    writer.u8(PARAMETER_EXTENDED_LENGTH);
    writer.u8(PARAMETER_EXTENDED_LENGTH);
    writer.u16(value.length + 3);
    writer.u8(PARAMETER_CAPABILITIES);
    writer.u16(value.length);
  }
  writer.append(value.bytes());
}
