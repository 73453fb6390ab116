import { describe, expect, it } from 'vitest';
import {
  type FilterDirection,
  type FilterRule,
  type FilterSubject,
  type NamedFilter,
  compileFilters,
} from '../../../../src/bgp/policy/bgp-filter.ts';
import { UNCHANGED, editAttributes } from '../../../../src/bgp/policy/route-edit.ts';
import type { PathAttributes } from '../../../../src/bgp/wire/message.ts';
import { prefixBits } from '../../../../src/net/prefix-bits.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { attributes } from '../rib/make.ts';

function subject(text: string, fields: Partial<PathAttributes> = {}, learned = true): FilterSubject {
  return { prefix: prefixBits(prefix(text)), attributes: attributes(fields), learned, metric: 1024 };
}

function rule(fields: Partial<FilterRule>): FilterRule {
  return { action: 'accept', family: 4, ...fields };
}

function filter(name: string, ...rules: FilterRule[]): NamedFilter {
  return { name, rules: { import: rules, export: rules } };
}

/** Whether a rule with these conditions alone matches. */
function matches(conditions: Partial<FilterRule>, at: FilterSubject, external = true): boolean {
  const chain = compileFilters([filter('one', rule(conditions))], 'export', external);
  return chain?.(at) !== undefined;
}

const sequence = (...asNumbers: number[]) => ({ type: 'sequence', asNumbers }) as const;
const confederation = (...asNumbers: number[]) => ({ type: 'confederation-sequence', asNumbers }) as const;

describe('a rule of a BGPFilter matches', () => {
  const cidr = prefix('10.1.0.0/16');
  it.each([
    ['Equal', ['10.1.0.0/16'], ['10.1.0.0/17', '10.0.0.0/8', '10.2.0.0/16']],
    ['NotEqual', ['10.1.0.0/17', '10.0.0.0/8', '10.2.0.0/16'], ['10.1.0.0/16']],
    ['In', ['10.1.0.0/16', '10.1.2.3/32'], ['10.0.0.0/8', '10.2.0.0/16', '0.0.0.0/0']],
    ['NotIn', ['10.0.0.0/8', '10.2.0.0/16', '0.0.0.0/0'], ['10.1.0.0/16', '10.1.2.3/32']],
  ] as const)('cidr with %s', (operator, inside, outside) => {
    for (const text of inside)
      expect(matches({ cidr: { prefix: cidr, operator } }, subject(text))).toBe(true);
    for (const text of outside) {
      expect(matches({ cidr: { prefix: cidr, operator } }, subject(text))).toBe(false);
    }
  });

  it('prefixLength as the set of all prefixes within cidr of those lengths, bounds included', () => {
    const lengths = { min: 24, max: 28 };
    const rows = [
      ['10.1.0.0/24', true],
      ['10.1.0.0/28', true],
      ['10.1.0.0/23', false],
      ['10.1.0.0/29', false],
      ['10.2.0.0/24', false],
    ] as const;
    for (const [text, inside] of rows) {
      expect(matches({ cidr: { prefix: cidr, operator: 'In', lengths } }, subject(text))).toBe(inside);
      expect(matches({ cidr: { prefix: cidr, operator: 'NotIn', lengths } }, subject(text))).toBe(!inside);
    }
  });

  it('only prefixes of its own family', () => {
    expect(matches({ family: 6 }, subject('10.1.0.0/16'))).toBe(false);
    expect(matches({ family: 6 }, subject('fd00::/64'))).toBe(true);
    expect(matches({ family: 4 }, subject('fd00::/64'))).toBe(false);
  });

  it('source RemotePeers what peers have told', () => {
    expect(matches({ learned: true }, subject('10.1.0.0/16'))).toBe(true);
    expect(matches({ learned: true }, subject('10.1.0.0/16', {}, false))).toBe(false);
  });

  it.each([
    ['eBGP', true, true],
    ['eBGP', false, false],
    ['iBGP', true, false],
    ['iBGP', false, true],
  ] as const)('peerType %s in a session that is external: %s', (peerType, external, expected) => {
    expect(matches({ peerType }, subject('10.1.0.0/16'), external)).toBe(expected);
  });

  it('a community among others, standard and large', () => {
    const large = { global: 1, local1: 2, local2: 3 };
    const held = subject('10.1.0.0/16', { communities: [5, 7], largeCommunities: [{ ...large }] });
    expect(matches({ community: 7 }, held)).toBe(true);
    expect(matches({ community: 8 }, held)).toBe(false);
    expect(matches({ community: large }, held)).toBe(true);
    expect(matches({ community: { ...large, local2: 4 } }, held)).toBe(false);
    expect(matches({ community: 7 }, subject('10.1.0.0/16'))).toBe(false);
    expect(matches({ community: large }, subject('10.1.0.0/16'))).toBe(false);
  });

  it.each([
    ['the whole path', [sequence(1, 2)], [1, 2], true],
    ['its beginning', [sequence(1, 2, 3)], [1, 2], true],
    ['across segments', [sequence(1), sequence(2, 3)], [1, 2], true],
    ['not what is longer than the path', [sequence(1)], [1, 2], false],
    ['not the middle', [sequence(9, 1, 2)], [1, 2], false],
    ['without what members of our confederation have added', [confederation(9), sequence(1)], [1], true],
    ['not a set', [{ type: 'set', asNumbers: [1] }], [1], false],
    ['nothing of an empty path', [], [1], false],
  ] as const)('asPathPrefix: %s', (_, asPath, asPathPrefix, expected) => {
    expect(matches({ asPathPrefix }, subject('10.1.0.0/16', { asPath }))).toBe(expected);
  });

  it('priority by the metric', () => {
    expect(matches({ metric: 1024 }, subject('10.1.0.0/16'))).toBe(true);
    expect(matches({ metric: 512 }, subject('10.1.0.0/16'))).toBe(false);
  });

  it('only if all its conditions hold', () => {
    const both = { learned: true, metric: 512 } as const;
    expect(matches(both, subject('10.1.0.0/16'))).toBe(false);
    expect(matches({}, subject('10.1.0.0/16'))).toBe(true);
  });
});

describe('the filters of a peer', () => {
  const accepting = rule({ cidr: { prefix: prefix('10.1.0.0/16'), operator: 'In' } });
  const rejecting = rule({ action: 'reject', cidr: { prefix: prefix('10.0.0.0/8'), operator: 'In' } });

  it('run in order, and the first rule that matches decides', () => {
    const chain = compileFilters([filter('a', accepting), filter('b', rejecting, rule({}))], 'import', true)!;
    expect(chain(subject('10.1.2.0/24'))).toEqual({
      accept: true,
      rule: 'filter a import rule 1',
      edit: UNCHANGED,
    });
    expect(chain(subject('10.2.0.0/24'))).toMatchObject({ accept: false, rule: 'filter b import rule 1' });
    expect(chain(subject('192.0.2.0/24'))).toMatchObject({ accept: true, rule: 'filter b import rule 2' });
    expect(chain(subject('2001:db8::/32'))).toBeUndefined();
  });

  it('are nothing if there are none', () => {
    expect(compileFilters([], 'import', true)).toBeUndefined();
  });

  it.each(['import', 'export'] satisfies FilterDirection[])(
    'let nothing pass in %s if one is missing, but for what an earlier one accepts',
    (direction) => {
      const missing = { name: 'gone', rules: undefined };
      const chain = compileFilters(
        [filter('a', accepting), missing, filter('b', rule({}))],
        direction,
        false,
      )!;
      expect(chain(subject('10.1.2.0/24'))).toMatchObject({ accept: true });
      for (const text of ['10.2.0.0/24', '2001:db8::/32']) {
        expect(chain(subject(text))).toEqual({
          accept: false,
          rule: 'filter gone does not exist',
          edit: UNCHANGED,
        });
      }
    },
  );
});

describe('operations', () => {
  it('add communities once, prepend in the order that is written, and set LOCAL_PREF', () => {
    const large = { global: 1, local1: 2, local2: 3 };
    const edit = { communities: [5, 6], largeCommunities: [large], prepend: [65001, 65002], localPref: 7 };
    const before = attributes({ communities: [5], largeCommunities: [large], asPath: [sequence(9)] });
    expect(editAttributes(before, edit)).toEqual({
      ...before,
      communities: [5, 6],
      largeCommunities: [large],
      asPath: [sequence(65001, 65002, 9)],
      localPref: 7,
    });
    expect(editAttributes(before, UNCHANGED)).toBe(before);
  });
});
