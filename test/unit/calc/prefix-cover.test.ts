import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixCover } from '../../../src/calc/prefix-cover.ts';
import { type Prefix, prefix, prefixContains } from '../../../src/net/prefix.ts';

function watchedCover() {
  const visible = new Set<Prefix>();
  const log: string[] = [];
  const cover = new PrefixCover({
    appeared(item) {
      expect(visible.has(item)).toBe(false);
      visible.add(item);
      log.push(`+${item}`);
    },
    vanished(item) {
      expect(visible.delete(item)).toBe(true);
      log.push(`-${item}`);
    },
  });
  return { cover, visible, log };
}

describe('PrefixCover', () => {
  it('hides what a larger prefix covers and shows it again when the cover goes', () => {
    const { cover, visible, log } = watchedCover();
    cover.add(prefix('10.1.2.3'));
    cover.add(prefix('10.1.0.0/16'));
    cover.add(prefix('10.0.0.0/8'));
    cover.add(prefix('10.9.0.1'));
    expect([...visible]).toEqual(['10.0.0.0/8']);
    log.length = 0;
    cover.remove(prefix('10.0.0.0/8'));
    expect(log).toEqual(['-10.0.0.0/8', '+10.1.0.0/16', '+10.9.0.1/32']);
    cover.remove(prefix('10.1.0.0/16'));
    expect([...visible].toSorted()).toEqual(['10.1.2.3/32', '10.9.0.1/32']);
  });

  it('keeps a prefix until its last reference goes', () => {
    const { cover, visible } = watchedCover();
    cover.add(prefix('fd00::/64'));
    cover.add(prefix('fd00::/64'));
    cover.remove(prefix('fd00::/64'));
    expect([...visible]).toEqual(['fd00::/64']);
    cover.remove(prefix('fd00::/64'));
    expect([...visible]).toEqual([]);
  });

  it('keeps the families apart', () => {
    const { cover, visible } = watchedCover();
    cover.add(prefix('::/0'));
    cover.add(prefix('0.0.0.0/0'));
    cover.add(prefix('10.0.0.1'));
    cover.add(prefix('fd00::1'));
    expect([...visible].toSorted()).toEqual(['0.0.0.0/0', '::/0']);
  });

  it('refuses to remove what is not there', () => {
    expect(() => watchedCover().cover.remove(prefix('10.0.0.1'))).toThrow('10.0.0.1/32 is not in the cover');
  });

  it('shows exactly the prefixes that no other covers, whatever the order of changes', () => {
    // Few distinct bits, so that prefixes often cover one another.
    const four = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 8, 9, 24, 25, 26, 29, 30, 31, 32))
      .map(([octet, length]) => prefix(`10.0.0.${octet}/${length}`));
    const six = fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(0, 64, 124, 125, 126, 127, 128))
      .map(([group, length]) => prefix(`fd00::${group.toString(16)}/${length}`));
    const change = fc.record({ add: fc.boolean(), item: fc.oneof(four, six) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const { cover, visible } = watchedCover();
        const counts = new Map<Prefix, number>();
        for (const { add, item } of changes) {
          const count = counts.get(item) ?? 0;
          if (add) {
            cover.add(item);
            counts.set(item, count + 1);
          } else if (count > 0) {
            cover.remove(item);
            if (count === 1) counts.delete(item);
            else counts.set(item, count - 1);
          }
          const all = [...counts.keys()];
          const expected = all.filter(
            (one) => !all.some((other) => other !== one && prefixContains(other, one)),
          );
          expect([...visible].toSorted()).toEqual(expected.toSorted());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('holds 100,000 members and lets a cover come and go', () => {
    const { cover, visible } = watchedCover();
    for (let index = 0; index < 100_000; index++) {
      cover.add(prefix(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`));
    }
    expect(visible.size).toBe(100_000);
    cover.add(prefix('10.0.0.0/16'));
    expect(visible.size).toBe(100_000 - 65_536 + 1);
    cover.remove(prefix('10.0.0.0/16'));
    expect(visible.size).toBe(100_000);
  });
});
