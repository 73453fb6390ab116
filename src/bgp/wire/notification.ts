/** NOTIFICATION (RFC 4271 §4.5): its making, its words, shutdown communication (RFC 9003), hard reset (RFC 8538). */
import type { Family } from '../../net/address.ts';
import { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { afiSafi, familyOfAfiSafi } from './afi-safi.ts';
import { CEASE_HARD_RESET, ERROR_CEASE } from './iana.ts';
import type { DecodeError, NotificationMessage } from './message.ts';
import { NOTIFICATION_REGISTRY, notificationSubcode } from './notification-registry.ts';

const NO_DATA = new Uint8Array(0);
/** RFC 9003 §2: the length field has eight bits. */
const COMMUNICATION_LENGTH = 255;
/** AFI, SAFI and a number of four octets (RFC 4486 §4). */
const PREFIX_LIMIT_DATA = 7;
/** Octets of unexplained data shown to people. */
const SHOWN_DATA = 32;

export function notification(code: number, subcode = 0, data: Uint8Array = NO_DATA): NotificationMessage {
  return { type: 'notification', code, subcode, data };
}

/** The NOTIFICATION that answers a message which could not be read. */
export function notificationOf(error: DecodeError): NotificationMessage {
  return notification(error.code, error.subcode, error.data);
}

/** A Cease, with a text for the peer's operator where the subcode allows one (RFC 9003 §2); cut at a whole character. */
export function cease(subcode: number, communication?: string): NotificationMessage {
  const carriesText = notificationSubcode(ERROR_CEASE, subcode)?.data === 'text';
  if (communication === undefined || !carriesText) return notification(ERROR_CEASE, subcode);
  const text = new Uint8Array(COMMUNICATION_LENGTH);
  const { written } = new TextEncoder().encodeInto(communication, text);
  const data = new Uint8Array(1 + written);
  data[0] = written;
  data.set(text.subarray(0, written), 1);
  return notification(ERROR_CEASE, subcode, data);
}

/** The data of a Cease for too many prefixes: the family and the limit (RFC 4486 §4). */
export function prefixLimitData(family: Family, limit: number): Uint8Array {
  const { afi, safi } = afiSafi(family);
  const writer = new ByteWriter(PREFIX_LIMIT_DATA);
  writer.u16(afi);
  writer.u8(safi);
  writer.u32(limit);
  return writer.copy();
}

function prefixLimit({ code, subcode, data }: NotificationMessage): string | undefined {
  if (notificationSubcode(code, subcode)?.data !== 'prefix-limit') return undefined;
  if (data.length !== PREFIX_LIMIT_DATA) return undefined;
  const reader = new ByteReader(data);
  const family = familyOfAfiSafi({ afi: reader.u16(), safi: reader.u8() });
  return family === undefined ? undefined : `more than ${reader.u32()} of IPv${family}`;
}

/** Wraps a NOTIFICATION so that the peer does not keep our routes (RFC 8538 §3.1). */
export function hardReset(inner: NotificationMessage): NotificationMessage {
  return notification(ERROR_CEASE, CEASE_HARD_RESET, Uint8Array.of(inner.code, inner.subcode, ...inner.data));
}

export function isHardReset(message: NotificationMessage): boolean {
  return message.code === ERROR_CEASE && message.subcode === CEASE_HARD_RESET;
}

/** The text of RFC 9003, if there is one. */
export function shutdownCommunication({ code, subcode, data }: NotificationMessage): string | undefined {
  if (notificationSubcode(code, subcode)?.data !== 'text' || data.length === 0) return undefined;
  const length = data[0]!;
  if (length === 0 || length + 1 > data.length) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1, 1 + length));
  } catch (error) {
    // RFC 9003 §2: invalid UTF-8 is not interpreted.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** In words: `Cease, Administrative Shutdown: "upgrade at noon"`. */
export function describeNotification(message: NotificationMessage): string {
  const { code, subcode, data } = message;
  const name = NOTIFICATION_REGISTRY[code]?.name ?? `error ${code}`;
  const detail =
    subcode === 0 ? undefined : (notificationSubcode(code, subcode)?.name ?? `subcode ${subcode}`);
  const words = detail === undefined ? name : `${name}, ${detail}`;
  if (isHardReset(message) && data.length >= 2) {
    return `${words}: ${describeNotification(notification(data[0]!, data[1]!, data.subarray(2)))}`;
  }
  const text = shutdownCommunication(message);
  if (text !== undefined) return `${words}: ${JSON.stringify(text)}`;
  if (notificationSubcode(code, subcode)?.data === 'message-type' && data.length === 1) {
    return `${words}: message type ${data[0]}`;
  }
  const limit = prefixLimit(message);
  if (limit !== undefined) return `${words}: ${limit}`;
  return data.length === 0 ? words : `${words} (data ${hex(data)})`;
}

function hex(data: Uint8Array): string {
  const shown = Array.from(data.subarray(0, SHOWN_DATA), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
  return data.length > SHOWN_DATA ? `${shown}…` : shown;
}
