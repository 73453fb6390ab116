/** Each attribute of the registry, with each fault that any attribute can have, from each kind of peer (RFC 7606). */
import { describe, expect, it } from 'vitest';
import { FAULT_RULES, type FaultCost, type FaultKind } from '../../../../src/bgp/wire/attribute-fault.ts';
import { ATTRIBUTE_CODECS, type AttributeCodec } from '../../../../src/bgp/wire/attribute.ts';
import { decodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { hex, update } from './bytes.ts';

const FOUR_OCTET: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };

interface Session {
  readonly wire: WireOptions;
  readonly asPath: string;
}

const SESSIONS: Readonly<Record<string, Session>> = {
  'a peer of our AS': { wire: { ...FOUR_OCTET, external: false }, asPath: '02010000fde9' },
  'a peer of another AS': { wire: { ...FOUR_OCTET, external: true }, asPath: '02010000fde9' },
  'a peer of another member AS': {
    wire: { ...FOUR_OCTET, external: false, confederation: true },
    asPath: '03010000fde9',
  },
  'a peer that knows 16 bits': {
    wire: { ...FOUR_OCTET, external: false, fourOctetAs: false },
    asPath: '0201fde9',
  },
};

const ORIGIN = '40010100';
const NEXT_HOP = '4003040a000001';
const NLRI = '100a01';

/** A well-formed value of each attribute but AS_PATH, none of which has one octet more or less. */
const VALUES: Readonly<Record<string, string>> = {
  ORIGIN: '00',
  NEXT_HOP: '0a000001',
  MULTI_EXIT_DISC: '00000001',
  LOCAL_PREF: '00000064',
  ATOMIC_AGGREGATE: '',
  COMMUNITIES: 'fc000001',
  ORIGINATOR_ID: '0a000001',
  CLUSTER_LIST: '0a000001',
  MP_REACH_NLRI: '0002011020010db8000000000000000000000001002020010db8',
  MP_UNREACH_NLRI: '0002012020010db8',
  EXTENDED_COMMUNITIES: '0002fde900000001',
  IPV6_EXTENDED_COMMUNITIES: '000220010db80000000000000000000000010064',
  AS4_PATH: '02010000fde9',
  AS4_AGGREGATOR: '0000fde90a000001',
  AIGP: '01000b0000000000000001',
  LARGE_COMMUNITY: '000000010000000200000003',
  OTC: '0000fde9',
};

const octet = (value: number): string => value.toString(16).padStart(2, '0');

function attribute({ code }: AttributeCodec, flags: number, value: string, length?: string): string {
  return `${octet(flags)}${octet(code)}${length ?? octet(hex(value).length)}${value}`;
}

/** What a route needs, without the attribute that is tried. */
function others({ code }: AttributeCodec, { asPath }: Session): string {
  const asPathAttribute = `4002${octet(hex(asPath).length)}${asPath}`;
  return [ORIGIN, asPathAttribute, NEXT_HOP].filter((_, index) => index + 1 !== code).join('');
}

function valueOf({ name }: AttributeCodec, { wire, asPath }: Session): string {
  if (name === 'AS_PATH') return asPath;
  if (name === 'AGGREGATOR') return wire.fourOctetAs ? '0000fde90a000001' : 'fde90a000001';
  return VALUES[name]!;
}

/** What the message costs: the session, its routes, or something of them; undefined if nothing is wrong. */
function costOf(attributes: string, { wire }: Session): FaultCost | undefined {
  const result = decodeMessage(update('', attributes, NLRI), wire);
  if (result.type === 'error') return 'reset';
  if (result.type !== 'update') throw new Error('no UPDATE');
  const classic: unknown = expect.arrayContaining([
    expect.objectContaining({ family: 4, prefixes: ['10.1.0.0/16'] }),
  ]);
  if (result.faults.some(({ action }) => action === 'withdraw')) {
    expect(result).toMatchObject({ announced: [], treatAsWithdraw: classic });
    return 'withdraw';
  }
  expect(result).toMatchObject({ announced: classic, treatAsWithdraw: [] });
  return result.faults.length > 0 ? 'discard' : undefined;
}

/** What the tables say of a fault. */
function wanted(row: AttributeCodec, { wire }: Session, kind: FaultKind | 'value'): FaultCost {
  const cost = (of: FaultKind): FaultCost => FAULT_RULES[of][row.action === 'reset' ? 'ofPrefixes' : 'cost'];
  // What cannot be passed over cannot be judged by what it is.
  if (kind === 'overrun') return cost(kind);
  const isForeign = (row.internal === true && wire.external) || (row.twoOctet === true && wire.fourOctetAs);
  if (isForeign) return cost('foreign');
  return kind === 'value' ? row.action : cost(kind);
}

for (const [from, session] of Object.entries(SESSIONS)) {
  describe(`an attribute from ${from}`, () => {
    const rows = ATTRIBUTE_CODECS.map((row) => [row.name, row] as const);

    it.each(rows)('%s: is taken as it should be, or means nothing', (_, row) => {
      const isForeign =
        (row.internal === true && session.wire.external) ||
        (row.twoOctet === true && session.wire.fourOctetAs);
      const cost = costOf(others(row, session) + attribute(row, row.flags, valueOf(row, session)), session);
      expect(cost).toBe(isForeign ? 'discard' : undefined);
    });

    it.each(rows)('%s: either bit of its kind is wrong (RFC 7606 §3 c)', (_, row) => {
      for (const wrong of [row.flags ^ 0x80, row.flags ^ 0x40, row.flags ^ 0xc0]) {
        const list = others(row, session) + attribute(row, wrong, valueOf(row, session));
        expect(costOf(list, session)).toBe(wanted(row, session, 'flags'));
      }
    });

    it.each(rows)('%s: comes twice (RFC 7606 §3 g)', (_, row) => {
      const one = attribute(row, row.flags, valueOf(row, session));
      const cost = FAULT_RULES.twice[row.action === 'reset' ? 'ofPrefixes' : 'cost'];
      expect(costOf(`${others(row, session)}${one}${one}`, session)).toBe(cost);
    });

    it.each(rows)('%s: an octet too few or too many (RFC 7606 §7)', (_, row) => {
      const value = valueOf(row, session);
      for (const wrong of [value.slice(0, -2), `${value}ff`].filter((other) => other !== value)) {
        const list = others(row, session) + attribute(row, row.flags, wrong);
        expect(costOf(list, session)).toBe(wanted(row, session, 'value'));
      }
    });

    it.each(rows)('%s: its length leads past the list (RFC 7606 §4)', (_, row) => {
      for (const [flags, length] of [
        [row.flags, 'ff'],
        [row.flags | 0x10, '7fff'],
      ] as const) {
        const list = others(row, session) + attribute(row, flags, valueOf(row, session), length);
        expect(costOf(list, session)).toBe(wanted(row, session, 'overrun'));
      }
    });
  });
}

describe('the rules for faults (RFC 7606)', () => {
  it('cost the session only where prefixes may be in what cannot be read (§3 g, §3 j, §5.3)', () => {
    expect(Object.values(FAULT_RULES).filter(({ cost }: { cost: FaultCost }) => cost === 'reset')).toEqual(
      [],
    );
    const costly = ATTRIBUTE_CODECS.filter(({ action }) => action === 'reset').map(({ name }) => name);
    expect(costly).toEqual(['MP_REACH_NLRI', 'MP_UNREACH_NLRI']);
  });

  it.each([
    ['ORIGIN', 'AS_PATH', 'NEXT_HOP', 'MULTI_EXIT_DISC', 'LOCAL_PREF', 'COMMUNITIES', 'ORIGINATOR_ID'],
    ['CLUSTER_LIST', 'EXTENDED_COMMUNITIES', 'IPV6_EXTENDED_COMMUNITIES', 'LARGE_COMMUNITY', 'OTC'],
  ])('cost the routes where %s cannot be read (§7)', (...names) => {
    for (const name of names) {
      expect(ATTRIBUTE_CODECS.find((row) => row.name === name)?.action).toBe('withdraw');
    }
  });

  it('cost only what selects no path (§7.6, §7.7; RFC 6793 §6, RFC 7311 §3)', () => {
    const cheap = ATTRIBUTE_CODECS.filter(({ action }) => action === 'discard').map(({ name }) => name);
    expect(cheap).toEqual(['ATOMIC_AGGREGATE', 'AGGREGATOR', 'AS4_PATH', 'AS4_AGGREGATOR', 'AIGP']);
  });
});
