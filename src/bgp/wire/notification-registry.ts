/**
 * Every code and subcode of a NOTIFICATION: its name in the registry "BGP Error (Notification) Codes", what its data
 * field holds, and whether we ever send it.
 */
import * as iana from './iana.ts';

/** What the data field holds. */
export type NotificationData =
  | 'none'
  /** The length field of the message, two octets (RFC 4271 §6.1). */
  | 'length'
  /** The type of the message, one octet (RFC 4271 §6.1, RFC 6608 §4). */
  | 'message-type'
  /** The version that we speak, two octets (RFC 4271 §6.2). */
  | 'version'
  /** The capabilities that we insist on (RFC 5492 §5). */
  | 'capabilities'
  /** The attribute with its flags, code and length (RFC 4271 §6.3). */
  | 'attribute'
  /** AFI, SAFI and limit; may be missing (RFC 4486 §4). */
  | 'prefix-limit'
  /** A text of up to 255 octets with its length before it; may be missing (RFC 9003 §2). */
  | 'text'
  /** Code, subcode and data of another NOTIFICATION (RFC 8538 §3.1). */
  | 'notification'
  /** The whole message (RFC 7313 §5), cut to what fits. */
  | 'message';

export interface NotificationSubcode {
  readonly name: string;
  readonly data: NotificationData;
  /** Why we never send it; left out: we do. */
  readonly neverSent?: string;
}

export interface NotificationCode {
  readonly name: string;
  /** What it says without a subcode (0); left out: we never send it so. */
  readonly unspecific?: NotificationData;
  readonly subcodes: Readonly<Record<number, NotificationSubcode>>;
}

const TREAT_AS_WITHDRAW = 'the routes go, and the session stays (RFC 7606 §3, §7)';

export const NOTIFICATION_REGISTRY: Readonly<Record<number, NotificationCode>> = {
  [iana.ERROR_MESSAGE_HEADER]: {
    name: 'Message Header Error',
    subcodes: {
      [iana.HEADER_CONNECTION_NOT_SYNCHRONIZED]: { name: 'Connection Not Synchronized', data: 'none' },
      [iana.HEADER_BAD_MESSAGE_LENGTH]: { name: 'Bad Message Length', data: 'length' },
      [iana.HEADER_BAD_MESSAGE_TYPE]: { name: 'Bad Message Type', data: 'message-type' },
    },
  },
  [iana.ERROR_OPEN_MESSAGE]: {
    name: 'OPEN Message Error',
    unspecific: 'none',
    subcodes: {
      [iana.OPEN_UNSUPPORTED_VERSION]: { name: 'Unsupported Version Number', data: 'version' },
      [iana.OPEN_BAD_PEER_AS]: { name: 'Bad Peer AS', data: 'none' },
      [iana.OPEN_BAD_BGP_IDENTIFIER]: { name: 'Bad BGP Identifier', data: 'none' },
      [iana.OPEN_UNSUPPORTED_PARAMETER]: { name: 'Unsupported Optional Parameter', data: 'none' },
      [iana.OPEN_AUTHENTICATION_FAILURE]: {
        name: 'Authentication Failure',
        data: 'none',
        neverSent: 'deprecated (RFC 4271 Appendix A)',
      },
      [iana.OPEN_UNACCEPTABLE_HOLD_TIME]: { name: 'Unacceptable Hold Time', data: 'none' },
      [iana.OPEN_UNSUPPORTED_CAPABILITY]: { name: 'Unsupported Capability', data: 'capabilities' },
      [iana.OPEN_ROLE_MISMATCH]: { name: 'Role Mismatch', data: 'none' },
    },
  },
  [iana.ERROR_UPDATE_MESSAGE]: {
    name: 'UPDATE Message Error',
    subcodes: {
      [iana.UPDATE_MALFORMED_ATTRIBUTE_LIST]: { name: 'Malformed Attribute List', data: 'none' },
      [iana.UPDATE_UNRECOGNIZED_WELL_KNOWN]: { name: 'Unrecognized Well-known Attribute', data: 'attribute' },
      [iana.UPDATE_MISSING_WELL_KNOWN]: {
        name: 'Missing Well-known Attribute',
        data: 'none',
        neverSent: TREAT_AS_WITHDRAW,
      },
      [iana.UPDATE_ATTRIBUTE_FLAGS]: {
        name: 'Attribute Flags Error',
        data: 'attribute',
        neverSent: TREAT_AS_WITHDRAW,
      },
      [iana.UPDATE_ATTRIBUTE_LENGTH]: {
        name: 'Attribute Length Error',
        data: 'attribute',
        neverSent: TREAT_AS_WITHDRAW,
      },
      [iana.UPDATE_INVALID_ORIGIN]: {
        name: 'Invalid ORIGIN Attribute',
        data: 'attribute',
        neverSent: TREAT_AS_WITHDRAW,
      },
      [iana.UPDATE_AS_ROUTING_LOOP]: {
        name: 'AS Routing Loop',
        data: 'none',
        neverSent: 'deprecated (RFC 4271 Appendix A)',
      },
      [iana.UPDATE_INVALID_NEXT_HOP]: {
        name: 'Invalid NEXT_HOP Attribute',
        data: 'attribute',
        neverSent: TREAT_AS_WITHDRAW,
      },
      [iana.UPDATE_OPTIONAL_ATTRIBUTE]: { name: 'Optional Attribute Error', data: 'attribute' },
      [iana.UPDATE_INVALID_NETWORK_FIELD]: { name: 'Invalid Network Field', data: 'none' },
      [iana.UPDATE_MALFORMED_AS_PATH]: {
        name: 'Malformed AS_PATH',
        data: 'none',
        neverSent: TREAT_AS_WITHDRAW,
      },
    },
  },
  [iana.ERROR_HOLD_TIMER_EXPIRED]: { name: 'Hold Timer Expired', unspecific: 'none', subcodes: {} },
  [iana.ERROR_FINITE_STATE_MACHINE]: {
    name: 'Finite State Machine Error',
    subcodes: {
      [iana.FSM_UNEXPECTED_IN_OPEN_SENT]: {
        name: 'Receive Unexpected Message in OpenSent State',
        data: 'message-type',
      },
      [iana.FSM_UNEXPECTED_IN_OPEN_CONFIRM]: {
        name: 'Receive Unexpected Message in OpenConfirm State',
        data: 'message-type',
      },
      [iana.FSM_UNEXPECTED_IN_ESTABLISHED]: {
        name: 'Receive Unexpected Message in Established State',
        data: 'message-type',
      },
    },
  },
  [iana.ERROR_CEASE]: {
    name: 'Cease',
    subcodes: {
      [iana.CEASE_MAXIMUM_PREFIXES]: { name: 'Maximum Number of Prefixes Reached', data: 'prefix-limit' },
      [iana.CEASE_ADMINISTRATIVE_SHUTDOWN]: { name: 'Administrative Shutdown', data: 'text' },
      [iana.CEASE_PEER_DECONFIGURED]: { name: 'Peer De-configured', data: 'none' },
      [iana.CEASE_ADMINISTRATIVE_RESET]: { name: 'Administrative Reset', data: 'text' },
      [iana.CEASE_CONNECTION_REJECTED]: { name: 'Connection Rejected', data: 'none' },
      [iana.CEASE_OTHER_CONFIGURATION_CHANGE]: { name: 'Other Configuration Change', data: 'none' },
      [iana.CEASE_CONNECTION_COLLISION]: { name: 'Connection Collision Resolution', data: 'none' },
      [iana.CEASE_OUT_OF_RESOURCES]: {
        name: 'Out of Resources',
        data: 'none',
        neverSent: 'what a peer may use is bounded as it comes in, not by ending its session',
      },
      [iana.CEASE_HARD_RESET]: { name: 'Hard Reset', data: 'notification' },
      [iana.CEASE_BFD_DOWN]: { name: 'BFD Down', data: 'none' },
    },
  },
  [iana.ERROR_ROUTE_REFRESH_MESSAGE]: {
    name: 'ROUTE-REFRESH Message Error',
    subcodes: { [iana.REFRESH_INVALID_MESSAGE_LENGTH]: { name: 'Invalid Message Length', data: 'message' } },
  },
  [iana.ERROR_SEND_HOLD_TIMER_EXPIRED]: { name: 'Send Hold Timer Expired', unspecific: 'none', subcodes: {} },
};

/** What is known of a code and subcode; undefined if nothing is. */
export function notificationSubcode(code: number, subcode: number): NotificationSubcode | undefined {
  return NOTIFICATION_REGISTRY[code]?.subcodes[subcode];
}
