/**
 * Every number from an IANA registry that the BGP rooms use, each with the RFC that assigns it. Names are the
 * registry's. Registries: "Border Gateway Protocol (BGP) Parameters", "BGP Capability Codes", "Address Family
 * Numbers", "Subsequent Address Family Identifiers".
 */

/** BGP Message Types. */
export const MESSAGE_OPEN = 1; // RFC 4271
export const MESSAGE_UPDATE = 2; // RFC 4271
export const MESSAGE_NOTIFICATION = 3; // RFC 4271
export const MESSAGE_KEEPALIVE = 4; // RFC 4271
export const MESSAGE_ROUTE_REFRESH = 5; // RFC 2918

/** Address Family Numbers and Subsequent Address Family Identifiers (RFC 4760). */
export const AFI_IPV4 = 1;
export const AFI_IPV6 = 2;
export const SAFI_UNICAST = 1;

/** BGP OPEN Optional Parameter Types. */
export const PARAMETER_CAPABILITIES = 2; // RFC 5492
export const PARAMETER_EXTENDED_LENGTH = 255; // RFC 9072

/** BGP Capability Codes. */
export const CAPABILITY_MULTIPROTOCOL = 1; // RFC 4760
export const CAPABILITY_ROUTE_REFRESH = 2; // RFC 2918
export const CAPABILITY_EXTENDED_NEXT_HOP = 5; // RFC 8950
export const CAPABILITY_EXTENDED_MESSAGE = 6; // RFC 8654
export const CAPABILITY_ROLE = 9; // RFC 9234
export const CAPABILITY_GRACEFUL_RESTART = 64; // RFC 4724
export const CAPABILITY_FOUR_OCTET_AS = 65; // RFC 6793
export const CAPABILITY_ADD_PATH = 69; // RFC 7911
export const CAPABILITY_ENHANCED_ROUTE_REFRESH = 70; // RFC 7313
export const CAPABILITY_LONG_LIVED_GRACEFUL_RESTART = 71; // RFC 9494
export const CAPABILITY_FQDN = 73; // draft-walton-bgp-hostname-capability

/** BGP Path Attributes. */
export const ATTRIBUTE_ORIGIN = 1; // RFC 4271
export const ATTRIBUTE_AS_PATH = 2; // RFC 4271
export const ATTRIBUTE_NEXT_HOP = 3; // RFC 4271
export const ATTRIBUTE_MULTI_EXIT_DISC = 4; // RFC 4271
export const ATTRIBUTE_LOCAL_PREF = 5; // RFC 4271
export const ATTRIBUTE_ATOMIC_AGGREGATE = 6; // RFC 4271
export const ATTRIBUTE_AGGREGATOR = 7; // RFC 4271
export const ATTRIBUTE_COMMUNITIES = 8; // RFC 1997
export const ATTRIBUTE_ORIGINATOR_ID = 9; // RFC 4456
export const ATTRIBUTE_CLUSTER_LIST = 10; // RFC 4456
export const ATTRIBUTE_MP_REACH_NLRI = 14; // RFC 4760
export const ATTRIBUTE_MP_UNREACH_NLRI = 15; // RFC 4760
export const ATTRIBUTE_EXTENDED_COMMUNITIES = 16; // RFC 4360
export const ATTRIBUTE_AS4_PATH = 17; // RFC 6793
export const ATTRIBUTE_AS4_AGGREGATOR = 18; // RFC 6793
export const ATTRIBUTE_IPV6_EXTENDED_COMMUNITIES = 25; // RFC 5701
export const ATTRIBUTE_AIGP = 26; // RFC 7311
export const ATTRIBUTE_LARGE_COMMUNITY = 32; // RFC 8092
export const ATTRIBUTE_ONLY_TO_CUSTOMER = 35; // RFC 9234

/** Attribute Flags (RFC 4271 §4.3). */
export const FLAG_OPTIONAL = 0x80;
export const FLAG_TRANSITIVE = 0x40;
export const FLAG_PARTIAL = 0x20;
export const FLAG_EXTENDED_LENGTH = 0x10;

/** BGP AIGP Attribute Types. */
export const AIGP_TLV = 1; // RFC 7311

/** Special-purpose AS numbers. */
export const AS_TRANS = 23456; // RFC 6793

/** BGP Error (Notification) Codes. */
export const ERROR_MESSAGE_HEADER = 1; // RFC 4271
export const ERROR_OPEN_MESSAGE = 2; // RFC 4271
export const ERROR_UPDATE_MESSAGE = 3; // RFC 4271
export const ERROR_HOLD_TIMER_EXPIRED = 4; // RFC 4271
export const ERROR_FINITE_STATE_MACHINE = 5; // RFC 4271
export const ERROR_CEASE = 6; // RFC 4271
export const ERROR_ROUTE_REFRESH_MESSAGE = 7; // RFC 7313
export const ERROR_SEND_HOLD_TIMER_EXPIRED = 8; // RFC 9687

/** Message Header Error subcodes. */
export const HEADER_CONNECTION_NOT_SYNCHRONIZED = 1; // RFC 4271
export const HEADER_BAD_MESSAGE_LENGTH = 2; // RFC 4271
export const HEADER_BAD_MESSAGE_TYPE = 3; // RFC 4271

/** OPEN Message Error subcodes. */
export const OPEN_UNSPECIFIC = 0; // RFC 4271
export const OPEN_UNSUPPORTED_VERSION = 1; // RFC 4271
export const OPEN_BAD_PEER_AS = 2; // RFC 4271
export const OPEN_BAD_BGP_IDENTIFIER = 3; // RFC 4271
export const OPEN_UNSUPPORTED_PARAMETER = 4; // RFC 4271
export const OPEN_AUTHENTICATION_FAILURE = 5; // deprecated by RFC 4271
export const OPEN_UNACCEPTABLE_HOLD_TIME = 6; // RFC 4271
export const OPEN_UNSUPPORTED_CAPABILITY = 7; // RFC 5492
export const OPEN_ROLE_MISMATCH = 11; // RFC 9234

/** UPDATE Message Error subcodes. */
export const UPDATE_MALFORMED_ATTRIBUTE_LIST = 1; // RFC 4271
export const UPDATE_UNRECOGNIZED_WELL_KNOWN = 2; // RFC 4271
export const UPDATE_MISSING_WELL_KNOWN = 3; // RFC 4271
export const UPDATE_ATTRIBUTE_FLAGS = 4; // RFC 4271
export const UPDATE_ATTRIBUTE_LENGTH = 5; // RFC 4271
export const UPDATE_INVALID_ORIGIN = 6; // RFC 4271
export const UPDATE_AS_ROUTING_LOOP = 7; // deprecated by RFC 4271
export const UPDATE_INVALID_NEXT_HOP = 8; // RFC 4271
export const UPDATE_OPTIONAL_ATTRIBUTE = 9; // RFC 4271
export const UPDATE_INVALID_NETWORK_FIELD = 10; // RFC 4271
export const UPDATE_MALFORMED_AS_PATH = 11; // RFC 4271

/** BGP Finite State Machine Error subcodes. */
export const FSM_UNEXPECTED_IN_OPEN_SENT = 1; // RFC 6608
export const FSM_UNEXPECTED_IN_OPEN_CONFIRM = 2; // RFC 6608
export const FSM_UNEXPECTED_IN_ESTABLISHED = 3; // RFC 6608

/** BGP Cease NOTIFICATION message subcodes. */
export const CEASE_MAXIMUM_PREFIXES = 1; // RFC 4486
export const CEASE_ADMINISTRATIVE_SHUTDOWN = 2; // RFC 4486, RFC 9003
export const CEASE_PEER_DECONFIGURED = 3; // RFC 4486
export const CEASE_ADMINISTRATIVE_RESET = 4; // RFC 4486, RFC 9003
export const CEASE_CONNECTION_REJECTED = 5; // RFC 4486
export const CEASE_OTHER_CONFIGURATION_CHANGE = 6; // RFC 4486
export const CEASE_CONNECTION_COLLISION = 7; // RFC 4486
export const CEASE_OUT_OF_RESOURCES = 8; // RFC 4486
export const CEASE_HARD_RESET = 9; // RFC 8538
export const CEASE_BFD_DOWN = 10; // RFC 9384

/** BGP ROUTE-REFRESH Message Error subcodes. */
export const REFRESH_INVALID_MESSAGE_LENGTH = 1; // RFC 7313

/** ROUTE-REFRESH subtypes. */
export const REFRESH_REQUEST = 0; // RFC 2918
export const REFRESH_BEGIN = 1; // RFC 7313
export const REFRESH_END = 2; // RFC 7313

/** BGP Roles. */
export const ROLE_PROVIDER = 0; // RFC 9234
export const ROLE_ROUTE_SERVER = 1; // RFC 9234
export const ROLE_ROUTE_SERVER_CLIENT = 2; // RFC 9234
export const ROLE_CUSTOMER = 3; // RFC 9234
export const ROLE_PEER = 4; // RFC 9234
