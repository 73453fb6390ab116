/** Bytes to messages and back: one row per message type. */
import { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { decodeError } from './decode-error.ts';
import { HEADER_LENGTH, badLength, beginMessage, endMessage, maximumLength, messageType } from './header.ts';
import * as iana from './iana.ts';
import type {
  DecodeError,
  Message,
  ReceivedMessage,
  ReceivedUpdate,
  RouteRefreshMessage,
  WireOptions,
} from './message.ts';
import { notification } from './notification.ts';
import { decodeOpen, writeOpen } from './open.ts';
import { type ParsedUpdate, parseUpdate, updateValues } from './update.ts';
import { writeUpdate } from './update-writer.ts';

/** A message as it comes in: the prefixes of an UPDATE stay bytes. */
export type IncomingMessage = Exclude<ReceivedMessage, ReceivedUpdate> | ParsedUpdate;

type Decoder = (message: Uint8Array, wire: WireOptions) => IncomingMessage | DecodeError;

const DECODERS: Readonly<Record<number, Decoder>> = {
  [iana.MESSAGE_OPEN]: decodeOpen,
  [iana.MESSAGE_UPDATE]: parseUpdate,
  [iana.MESSAGE_NOTIFICATION]: (message) =>
    notification(message[HEADER_LENGTH]!, message[HEADER_LENGTH + 1]!, message.slice(HEADER_LENGTH + 2)),
  [iana.MESSAGE_KEEPALIVE]: () => ({ type: 'keepalive' }),
  [iana.MESSAGE_ROUTE_REFRESH]: decodeRouteRefresh,
};

/** Kept over calls: a buffer for every message costs more than the message. */
const scratch = new ByteWriter(4096);

const REFRESH_SUBTYPES = { request: iana.REFRESH_REQUEST, begin: iana.REFRESH_BEGIN, end: iana.REFRESH_END };

/**
 * Reads a whole message, header included, as {@link MessageFramer} yields it. Never throws. What it gives of an UPDATE
 * are views into the message.
 */
export function readMessage(message: Uint8Array, wire: WireOptions): IncomingMessage | DecodeError {
  const type = messageType(message);
  const decode = DECODERS[type];
  if (decode !== undefined) return decode(message, wire);
  return decodeError(
    iana.ERROR_MESSAGE_HEADER,
    iana.HEADER_BAD_MESSAGE_TYPE,
    `no message has type ${type}`,
    Uint8Array.of(type),
  );
}

/** {@link readMessage} with an UPDATE as values. */
export function decodeMessage(message: Uint8Array, wire: WireOptions): ReceivedMessage | DecodeError {
  const read = readMessage(message, wire);
  return read.type === 'update' ? updateValues(read) : read;
}

/** A message as bytes; an UPDATE may become several messages, one after the other. */
export function encodeMessage(message: Message, wire: WireOptions): Uint8Array {
  const writer = scratch;
  writer.truncate(0);
  switch (message.type) {
    case 'update':
      writeUpdate(writer, message, wire);
      break;
    case 'open':
      framed(writer, iana.MESSAGE_OPEN, () => writeOpen(writer, message));
      break;
    case 'notification':
      framed(writer, iana.MESSAGE_NOTIFICATION, () => {
        writer.u8(message.code);
        writer.u8(message.subcode);
        // The octets of a message that was too long do not all fit into the answer.
        const room = maximumLength(wire) - HEADER_LENGTH - 2;
        writer.append(message.data.subarray(0, room));
      });
      break;
    case 'keepalive':
      framed(writer, iana.MESSAGE_KEEPALIVE, () => undefined);
      break;
    case 'route-refresh':
      framed(writer, iana.MESSAGE_ROUTE_REFRESH, () => {
        writer.u16(message.afi);
        writer.u8(message.subtype === 'unknown' ? iana.REFRESH_REQUEST : REFRESH_SUBTYPES[message.subtype]);
        writer.u8(message.safi);
      });
      break;
  }
  return writer.copy();
}

function framed(writer: ByteWriter, type: number, body: () => void): void {
  const start = beginMessage(writer, type);
  body();
  endMessage(writer, start);
}

/** AFI 2 | subtype 1 | SAFI 1 (RFC 7313 §3.2; the subtype was reserved in RFC 2918 §3). */
function decodeRouteRefresh(message: Uint8Array): RouteRefreshMessage | DecodeError {
  const reader = new ByteReader(message, HEADER_LENGTH);
  const afi = reader.u16();
  const code = reader.u8();
  const subtype =
    code === iana.REFRESH_REQUEST
      ? 'request'
      : code === iana.REFRESH_BEGIN
        ? 'begin'
        : code === iana.REFRESH_END
          ? 'end'
          : 'unknown';
  // RFC 7313 §5: the markers have a fixed length; a request may carry filters that we did not ask for.
  if ((subtype === 'begin' || subtype === 'end') && reader.remaining !== 1) {
    return decodeError(
      iana.ERROR_ROUTE_REFRESH_MESSAGE,
      iana.REFRESH_INVALID_MESSAGE_LENGTH,
      `a ROUTE-REFRESH marker has ${message.length} octets`,
      message.slice(),
    );
  }
  if (reader.remaining === 0) return badLength(message, 0);
  return { type: 'route-refresh', afi, safi: reader.u8(), subtype };
}
