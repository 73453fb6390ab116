/** Which routes outlive their session (RFC 4724 §4.2, RFC 8538 §4). */
import type { Family } from '../../net/address.ts';
import type { NotificationMessage } from '../wire/message.ts';
import { isHardReset } from '../wire/notification.ts';
import type { Negotiated } from './negotiate.ts';

/**
 * The families whose routes are kept as stale, for the restart time or for long (RFC 9494 §4.2). Without a NOTIFICATION (`undefined`: the TCP connection just went)
 * graceful restart applies as such; with one, sent or received, only if both sides set the N bit and it is no hard
 * reset.
 */
export function retainedFamilies(
  { gracefulRestart, longLivedStale }: Negotiated,
  message: NotificationMessage | undefined,
): readonly Family[] {
  if (gracefulRestart === undefined) return [];
  if (message !== undefined && (!gracefulRestart.notification || isHardReset(message))) return [];
  // A family may be listed for the long-lived form alone (RFC 9494 §4.2).
  const families = [...gracefulRestart.families, ...longLivedStale].map(({ family }) => family);
  return [...new Set(families)];
}
