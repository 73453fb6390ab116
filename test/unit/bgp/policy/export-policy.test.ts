import { describe, expect, it } from 'vitest';
import type { FilterChain } from '../../../../src/bgp/policy/bgp-filter.ts';
import { ExportPolicy } from '../../../../src/bgp/policy/export-policy.ts';
import { localPrefOfMetric } from '../../../../src/bgp/policy/preference.ts';
import { PrefixFilter } from '../../../../src/bgp/policy/prefix-filter.ts';
import { UNCHANGED } from '../../../../src/bgp/policy/route-edit.ts';
import { formatPrefixBits, prefixBits } from '../../../../src/net/prefix-bits.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { path, source } from '../rib/make.ts';
import { NO_FACTS } from './make.ts';

const prefixes = new PrefixFilter({
  ...NO_FACTS,
  blocks: [prefix('10.65.1.0/26')],
  pools: [{ cidr: prefix('10.65.0.0/16'), exported: true }],
});
const interior = source('10.0.0.3', { external: false });
const own = path(undefined, { asPath: [] });
const normalMetric = { 4: 1024, 6: 1024 };

function policy(filters?: FilterChain): ExportPolicy {
  return new ExportPolicy({ prefixes, filters, normalMetric });
}

describe('what a peer is told', () => {
  const moving = prefixBits(prefix('10.65.1.7/32'));

  it.each([
    ['as good as ordinary routes', path(interior, { localPref: localPrefOfMetric(1024) }), false],
    ['better than those', path(interior, { localPref: localPrefOfMetric(1023) }), true],
    ['without LOCAL_PREF', path(interior), false],
    ['our own', own, false],
  ])('is a single address of an own block only if elevated: %s', (_, from, accept) => {
    expect(policy().judge(moving, from)).toMatchObject({ accept, rule: 'inside-own-block' });
  });

  it('is up to the filters first, and to the built-in chain where they say nothing', () => {
    const filters: FilterChain = (subject) => {
      const at = formatPrefixBits(subject.prefix);
      return at === '10.65.1.0/26' || at === '0.0.0.0/0'
        ? { accept: at === '0.0.0.0/0', rule: 'filter', edit: UNCHANGED }
        : undefined;
    };
    const verdict = (text: string) => policy(filters).judge(prefixBits(prefix(text)), own);
    expect(verdict('10.65.1.0/26')).toMatchObject({ accept: false, rule: 'filter' });
    expect(verdict('0.0.0.0/0')).toMatchObject({ accept: true, rule: 'filter' });
    expect(verdict('10.65.2.0/26')).toMatchObject({ accept: true, rule: 'exported-pool' });
    expect(verdict('192.0.2.0/24')).toMatchObject({ accept: false, rule: 'not-in-a-pool' });
  });

  it('gives filters the metric that LOCAL_PREF stands for, of own routes the ordinary one', () => {
    const seen: unknown[] = [];
    const filters: FilterChain = ({ metric, learned }) => void seen.push([metric, learned]);
    policy(filters).judge(moving, own);
    policy(filters).judge(moving, path(interior, { localPref: localPrefOfMetric(512) }));
    policy(filters).judge(moving, path(interior));
    expect(seen).toEqual([
      [1024, false],
      [512, true],
      [2_147_483_547, true],
    ]);
  });
});
