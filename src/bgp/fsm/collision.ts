/** Connection collision (RFC 4271 §6.8): both sides opened a connection, and both must keep the same one. */
import { type Address, addressToInteger } from '../../net/address.ts';

export interface Speaker {
  readonly asNumber: number;
  readonly identifier: Address;
}

/**
 * Which of our two connections to the peer survives: the one opened by the side with the higher BGP Identifier, and
 * if they are equal, by the one with the higher AS number (RFC 6286 §2.3).
 */
export function resolveCollision(local: Speaker, peer: Speaker): 'outgoing' | 'incoming' {
  const ours = addressToInteger(local.identifier);
  const theirs = addressToInteger(peer.identifier);
  if (ours !== theirs) return ours > theirs ? 'outgoing' : 'incoming';
  return local.asNumber > peer.asNumber ? 'outgoing' : 'incoming';
}
