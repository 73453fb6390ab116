/** A speaker that works on a full table keeps its sessions: keepalives leave and hold timers are served in between. */
import { afterAll, describe, expect, it } from 'vitest';
import { measure } from '../bench/bgp/rig.ts';
import { removeBundle } from '../bench/bgp/speakers.ts';

const PREFIXES = 1_000_000;
const SHORTEST_HOLD_TIME = 3;

afterAll(removeBundle);

describe('while 1,000,000 routes of as many attribute sets are worked on', () => {
  it('sessions with a hold time of three seconds stay up, and a receiver that has stopped reading delays nobody', async () => {
    // Rejects when a session ends, which a hold timer that expires does (RFC 4271 §6.5).
    const { announced } = await measure('ours', {
      prefixes: PREFIXES,
      loads: [
        {
          sessions: [
            {
              asNumber: 65_001,
              feed: { first: 0, count: PREFIXES, mix: { kind: 'sets-of', size: 1 } },
              expect: 0,
            },
          ],
        },
        {
          sessions: [
            { asNumber: 65_002, expect: PREFIXES, holdTime: SHORTEST_HOLD_TIME },
            { asNumber: 65_003, expect: 0, stuck: true },
          ],
        },
      ],
    });
    expect(announced).toBeGreaterThanOrEqual(PREFIXES);
  }, 600_000);
});
