/** `POST /drain` and `POST /undrain` of the local socket. */
import { type Clock, pause } from '../base/clock.ts';
import type { DrainConfig } from '../bgp/config.ts';
import type { BgpStatus } from '../model/agent-status.ts';
import { LocalRequestError } from './local-server.ts';

/** Seconds that peers have to find other ways, if the caller names none. */
const DEFAULT_DELAY = 5;
const LONGEST_DELAY = 600;
/** RFC 9003 §2. */
const COMMUNICATION_LIMIT = 255;
const POLL = 50;
/** Milliseconds that the speaker may take beyond the delay. */
const PATIENCE = 8_000;

/** Reads `delay` (seconds) and `communication`; throws a LocalRequestError that says what is wrong. */
export function drainConfig(query: URLSearchParams): DrainConfig {
  const delay = Number(query.get('delay') ?? DEFAULT_DELAY);
  if (!(delay >= 0 && delay <= LONGEST_DELAY)) {
    throw new LocalRequestError(400, `delay must be a number of seconds from 0 to ${LONGEST_DELAY}`);
  }
  const communication = query.get('communication') ?? '';
  if (Buffer.byteLength(communication) > COMMUNICATION_LIMIT) {
    throw new LocalRequestError(400, `communication has more than ${COMMUNICATION_LIMIT} octets (RFC 9003)`);
  }
  return { delay, communication };
}

/**
 * Resolves with the state once it is the wanted one, which takes `delay` seconds; rejects with 503 if BGP does not run
 * or `signal` aborts, with 408 if it takes much longer.
 */
export async function awaitDrain(
  status: () => Promise<BgpStatus>,
  wanted: NonNullable<BgpStatus['drain']>,
  delay: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly drain: string }> {
  const deadline = clock.now() + delay * 1000 + PATIENCE;
  for (;;) {
    const { state, problem, drain } = await status();
    if (drain === undefined) {
      throw new LocalRequestError(503, `BGP does not run: ${problem ?? state}`);
    }
    if (drain === wanted) return { drain };
    if (signal.aborted) throw new LocalRequestError(503, 'the agent is stopping');
    if (clock.now() > deadline) throw new LocalRequestError(408, `the BGP speaker is still ${drain}`);
    await pause(clock, POLL, signal);
  }
}
