/** What two OPENs agree on. */
import type { Address, Family } from '../../net/address.ts';
import type { WireOptions } from '../wire/message.ts';

/** The outcome of the two OPENs of a connection. */
export interface Negotiated {
  readonly wire: WireOptions;
  readonly peerAs: number;
  readonly peerIdentifier: Address;
  /** Seconds; 0: no keepalives, no hold timer. */
  readonly holdTime: number;
  /** Seconds between KEEPALIVEs; 0: none. */
  readonly keepaliveTime: number;
  readonly families: readonly Family[];
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
  /** The peer's graceful restart, if both offered it. */
  readonly gracefulRestart?:
    | {
        readonly restarting: boolean;
        /** Both set the N bit (RFC 8538). */
        readonly notification: boolean;
        /** Seconds. */
        readonly restartTime: number;
        /** Families the peer listed; `forwarding`: their forwarding state was preserved. */
        readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
      }
    | undefined;
  /** Long-lived stale time in seconds by family (RFC 9494), if both offered it. */
  readonly longLivedStale: readonly {
    readonly family: Family;
    readonly staleTime: number;
    readonly forwarding: boolean;
  }[];
  /** The peer's role (RFC 9234), if it told. */
  readonly peerRole?: number | undefined;
  /** From the peer's FQDN capability. */
  readonly peerHostname?: string | undefined;
}
