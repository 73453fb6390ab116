/** Between the wire's address family numbers (RFC 4760 §3) and ours. The speaker carries unicast of both families, nothing else. */
import type { Family } from '../../net/address.ts';
import { AFI_IPV4, AFI_IPV6, SAFI_UNICAST } from './iana.ts';
import type { AfiSafi } from './message.ts';

const IPV4_UNICAST: AfiSafi = { afi: AFI_IPV4, safi: SAFI_UNICAST };
const IPV6_UNICAST: AfiSafi = { afi: AFI_IPV6, safi: SAFI_UNICAST };

/** Unicast of the family. */
export function afiSafi(family: Family): AfiSafi {
  return family === 4 ? IPV4_UNICAST : IPV6_UNICAST;
}

/** The family, or undefined for one we do not carry. */
export function familyOfAfiSafi({ afi, safi }: AfiSafi): Family | undefined {
  if (safi !== SAFI_UNICAST) return undefined;
  return afi === AFI_IPV4 ? 4 : afi === AFI_IPV6 ? 6 : undefined;
}
