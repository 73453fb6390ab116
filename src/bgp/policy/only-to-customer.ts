/**
 * Route leaks (RFC 9234 §5): OTC (Only to Customer) marks a route that has come down from a provider, or across from a
 * peer or a route server, and must go nowhere but down. What counts is our own role, whether or not the peer told its.
 */
import type { PathAttributes } from '../wire/message.ts';
import type { Role } from '../wire/role.ts';

/** Whether a received route was leaked by the peer (RFC 9234 §5, ingress 1 and 2). */
export function isLeaked(
  { onlyToCustomer }: PathAttributes,
  role: Role | undefined,
  peerAs: number,
): boolean {
  if (onlyToCustomer === undefined) return false;
  if (role === 'provider' || role === 'rs') return true;
  return role === 'peer' && onlyToCustomer !== peerAs;
}

/** Marks what comes from a provider, a peer or a route server (ingress 3). */
export function markedOnImport(
  attributes: PathAttributes,
  role: Role | undefined,
  peerAs: number,
): PathAttributes {
  const fromAbove = role === 'customer' || role === 'peer' || role === 'rs-client';
  if (!fromAbove || attributes.onlyToCustomer !== undefined) return attributes;
  return { ...attributes, onlyToCustomer: peerAs };
}

/** Whether a marked route must not go to the peer: a provider, a peer or a route server (egress 2). */
export function staysDown({ onlyToCustomer }: PathAttributes, role: Role | undefined): boolean {
  return onlyToCustomer !== undefined && (role === 'customer' || role === 'peer' || role === 'rs-client');
}

/** Marks what goes to a customer, a peer or a client of our route server (egress 1). */
export function markedOnExport(
  attributes: PathAttributes,
  role: Role | undefined,
  localAs: number,
): PathAttributes {
  const goesDown = role === 'provider' || role === 'peer' || role === 'rs';
  if (!goesDown || attributes.onlyToCustomer !== undefined) return attributes;
  return { ...attributes, onlyToCustomer: localAs };
}
