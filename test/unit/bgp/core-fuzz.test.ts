/** A short run of `npm run fuzz -- bgp --target core`, and the proof that it would find what it looks for. */
import { describe, expect, it } from 'vitest';
import { ROUND, fuzzCore } from '../../fuzz/bgp-core.ts';
import { BgpFuzzer } from '../../fuzz/bgp-fuzz.ts';
import type { Telling } from './telling.ts';

/** Milliseconds, for a machine that has much else to do. */
const TIMEOUT = 60_000;
const fuzzer = new BgpFuzzer();
const make = (seed: number) => fuzzer.make(seed);

describe('a core under damaged messages', () => {
  it(
    'stays whole, tells what policy wants, and forgets who has gone',
    () => {
      const report = fuzzCore({ seed: 1, messages: 2 * ROUND, make });
      expect(report.finding?.detail ?? '').toBe('');
      expect(report.messages).toBe(2 * ROUND);
      expect(report.updates).toBeGreaterThan(ROUND);
      expect(report.sessionsEnded).toBeGreaterThan(100);
      expect(report.told).toBeGreaterThan(ROUND);
    },
    TIMEOUT,
  );

  it.each<[string, (core: Telling) => void, RegExp]>([
    [
      'routes that outlive their session',
      ({ rib }) => (rib.families[4].drop = () => undefined),
      /outlived their session/,
    ],
    [
      'a prefix that peers are not told of',
      ({ groups }) => {
        const mark = groups.mark.bind(groups);
        groups.mark = (family, prefix) => {
          if (prefix % 8 !== 3) mark(family, prefix);
        };
      },
      /does not hold/,
    ],
    [
      'attributes that nobody lets go of',
      ({ rib }) => {
        const release = rib.attributes.release.bind(rib.attributes);
        let calls = 0;
        rib.attributes.release = (id) => {
          if (++calls % 100 !== 0) release(id);
        };
      },
      /kept for nothing/,
    ],
    [
      'a throw in the middle of an update',
      ({ rib }) => {
        rib.families[6].unlearn = () => {
          throw new RangeError('planted');
        };
      },
      /planted/,
    ],
  ])(
    'is found to have %s',
    (_, plant, detail) => {
      const { finding } = fuzzCore({ seed: 1, messages: 4 * ROUND, make, plant });
      expect(finding?.detail).toMatch(detail);
    },
    TIMEOUT,
  );
});
