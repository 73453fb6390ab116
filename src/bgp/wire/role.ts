/** BGP roles (RFC 9234 §4.1): which part this speaker has in the relation of two ASes. */
import {
  ROLE_CUSTOMER,
  ROLE_PEER,
  ROLE_PROVIDER,
  ROLE_ROUTE_SERVER,
  ROLE_ROUTE_SERVER_CLIENT,
} from './iana.ts';

export type Role = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer';

export const ROLE_CODES: Readonly<Record<Role, number>> = {
  provider: ROLE_PROVIDER,
  rs: ROLE_ROUTE_SERVER,
  'rs-client': ROLE_ROUTE_SERVER_CLIENT,
  customer: ROLE_CUSTOMER,
  peer: ROLE_PEER,
};

/** The role that the peer of one with this role must have (RFC 9234 §4.2, table 2). */
export const COUNTERPART: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  rs: 'rs-client',
  'rs-client': 'rs',
  customer: 'provider',
  peer: 'peer',
};
