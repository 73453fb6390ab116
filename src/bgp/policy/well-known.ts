/**
 * Communities that mean the same everywhere (IANA, BGP Well-known Communities). BLACKHOLE (65535:666, RFC 7999) is passed
 * on like any other: to drop traffic for whoever asks is for an operator to decide, per peer, and nothing here does it.
 */

/** RFC 8326 §2: the route is about to go away. */
export const GRACEFUL_SHUTDOWN = 0xffff0000;
/** RFC 9494 §3.2: the route has outlived its session for long. */
export const LLGR_STALE = 0xffff0006;
/** RFC 9494 §3.3: the route must not outlive its session for long. */
export const NO_LLGR = 0xffff0007;
/** RFC 1997. */
export const NO_EXPORT = 0xffffff01;
/** RFC 1997. */
export const NO_ADVERTISE = 0xffffff02;
/** RFC 1997. */
export const NO_EXPORT_SUBCONFED = 0xffffff03;
