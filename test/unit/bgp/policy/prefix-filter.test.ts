import { describe, expect, it } from 'vitest';
import { PrefixFilter } from '../../../../src/bgp/policy/prefix-filter.ts';
import { prefix } from '../../../../src/net/prefix.ts';

const filter = new PrefixFilter({
  blocks: [prefix('10.65.1.0/26'), prefix('fd65::1:0/122'), prefix('10.66.3.0/26')],
  pools: [
    { cidr: prefix('10.65.0.0/16'), exported: true },
    { cidr: prefix('10.66.0.0/16'), exported: false },
    { cidr: prefix('10.65.9.0/24'), exported: false },
    { cidr: prefix('fd65::/48'), exported: true },
  ],
});

describe('the export chain of Calico', () => {
  it.each([
    ['10.65.1.0/26', true, 'own-block'],
    ['fd65::1:0/122', true, 'own-block'],
    ['10.65.1.7/32', false, 'inside-own-block'],
    ['10.65.1.32/27', false, 'inside-own-block'],
    ['fd65::1:5/128', false, 'inside-own-block'],
    ['10.65.2.7/32', true, 'exported-pool'],
    ['10.65.0.0/16', true, 'exported-pool'],
    ['fd65::2:5/128', true, 'exported-pool'],
    ['10.66.3.0/26', false, 'pool-not-exported'],
    ['10.66.4.1/32', false, 'pool-not-exported'],
    ['10.65.9.64/26', false, 'pool-not-exported'],
    ['10.64.0.0/15', false, 'not-in-a-pool'],
    ['0.0.0.0/0', false, 'not-in-a-pool'],
    ['::/0', false, 'not-in-a-pool'],
    ['192.0.2.0/24', false, 'not-in-a-pool'],
  ] as const)('gives %s accept=%s by rule %s', (text, accept, rule) => {
    expect(filter.verdict(prefix(text))).toEqual({ accept, rule });
  });
});
