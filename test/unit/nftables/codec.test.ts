import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../../../src/nftables/codec/batch.ts';
import { compile } from '../../../src/nftables/codec/compile.ts';
import {
  type Instruction,
  decodeInstructions,
  encodeInstructions,
} from '../../../src/nftables/codec/instruction.ts';
import { fingerprint } from '../../../src/nftables/codec/rule.ts';
import {
  assembleElements,
  encodeElements,
  readElements,
  writeElementList,
} from '../../../src/nftables/codec/sets.ts';
import {
  concatenatedTypeId,
  elementToJson,
  formatElement,
  parseElement,
  typesOfId,
} from '../../../src/nftables/datatype.ts';
import type { Element, NamedSet } from '../../../src/nftables/ruleset.ts';
import { ByteWriter } from '../../../src/net/bytes.ts';

const bytes = fc.uint8Array({ minLength: 1, maxLength: 16 });
const register = fc.integer({ min: 1, max: 23 });
const text = fc.constantFrom('a', 'nets4-0123456789', 'x'.repeat(60));
const big = fc.bigInt({ min: 0n, max: 2n ** 63n });

const ports = fc.record({ first: register, last: register });
const arbitraryInstruction: fc.Arbitrary<Instruction> = fc.oneof(
  fc.record({ name: fc.constant('meta' as const), key: fc.nat(30), dreg: register }),
  fc.record({ name: fc.constant('meta-set' as const), key: fc.nat(30), sreg: register }),
  fc.record({ name: fc.constant('ct' as const), key: fc.nat(20), dreg: register }),
  fc.record({
    name: fc.constant('payload' as const),
    dreg: register,
    base: fc.nat(3),
    offset: fc.nat(100),
    length: fc.nat(16),
  }),
  fc.record({
    name: fc.constant('payload-set' as const),
    sreg: register,
    base: fc.nat(3),
    offset: fc.nat(100),
    length: fc.nat(16),
    checksum: fc.record({ type: fc.nat(2), offset: fc.nat(100) }),
  }),
  fc.record({ name: fc.constant('connlimit' as const), count: fc.nat(4_294_967_295), flags: fc.nat(1) }),
  fc.record({
    name: fc.constant('cmp' as const),
    sreg: register,
    op: fc.constantFrom(
      'eq' as const,
      'neq' as const,
      'lt' as const,
      'lte' as const,
      'gt' as const,
      'gte' as const,
    ),
    data: bytes,
  }),
  fc.record({
    name: fc.constant('range' as const),
    sreg: register,
    inverted: fc.boolean(),
    from: bytes,
    to: bytes,
  }),
  fc.record({
    name: fc.constant('bitwise' as const),
    sreg: register,
    dreg: register,
    mask: bytes,
    xor: bytes,
  }),
  fc.record({
    name: fc.constant('lookup' as const),
    set: text,
    sreg: register,
    inverted: fc.boolean(),
    dreg: fc.constantFrom(undefined, 0),
  }),
  fc.record({ name: fc.constant('immediate' as const), dreg: register, data: bytes }),
  fc.record({
    name: fc.constant('verdict' as const),
    verdict: fc.oneof(
      fc.record({ code: fc.constantFrom(0, 1, -5), chain: fc.constant(undefined) }),
      fc.record({ code: fc.constantFrom(-3, -4), chain: text }),
    ),
  }),
  fc.record({ name: fc.constant('counter' as const), packets: big, bytes: big }),
  fc.record({ name: fc.constant('log' as const), prefix: text, level: fc.nat(7) }),
  fc.record({
    name: fc.constant('limit' as const),
    rate: big,
    unit: big,
    burst: fc.nat(1000),
    type: fc.nat(1),
    flags: fc.nat(1),
  }),
  fc.record({ name: fc.constant('reject' as const), type: fc.nat(2), code: fc.nat(255) }),
  fc.record({ name: fc.constant('fib' as const), dreg: register, result: fc.nat(3), flags: fc.nat(63) }),
  fc.record({ name: fc.constant('notrack' as const) }),
  fc.record({ name: fc.constant('masq' as const), ports }, { requiredKeys: ['name'] }),
  fc.record(
    { name: fc.constant('snat' as const), family: fc.constantFrom(2, 10), address: register, ports },
    { requiredKeys: ['name', 'family', 'address'] },
  ),
  fc.record({ name: fc.constant('raw' as const), kernelName: fc.constant('quota'), data: bytes }),
);

describe('nf_tables instructions', () => {
  it('come back from their encoding', () => {
    fc.assert(
      fc.property(fc.array(arbitraryInstruction), (instructions) => {
        expect(decodeInstructions(encodeInstructions(instructions))).toEqual(instructions);
      }),
      { numRuns: 500 },
    );
  });

  it('are compiled as nft 1.0.6 does (nft --debug=netlink)', () => {
    const verdict: Instruction = { name: 'verdict', verdict: { code: 1, chain: undefined } };
    const load = (key: number): Instruction => ({ name: 'meta', key, dreg: 1 });
    const is = (...data: number[]): Instruction => ({
      name: 'cmp',
      sreg: 1,
      op: 'eq',
      data: Uint8Array.from(data),
    });
    // ip saddr 10.0.0.0/12 accept
    expect(
      compile([
        {
          match: {
            op: '==',
            left: { payload: { protocol: 'ip', field: 'saddr' } },
            right: { prefix: { addr: '10.0.0.0', len: 12 } },
          },
        },
        { accept: null },
      ]),
    ).toEqual([
      load(15),
      is(2),
      { name: 'payload', dreg: 1, base: 1, offset: 12, length: 4 },
      {
        name: 'bitwise',
        sreg: 1,
        dreg: 1,
        mask: Uint8Array.of(255, 240, 0, 0),
        xor: new Uint8Array(4),
      },
      is(10, 0, 0, 0),
      verdict,
    ]);
    // ip daddr . meta l4proto . th dport @np4 accept: registers 1, 9, 10
    expect(
      compile([
        {
          match: {
            op: '==',
            left: {
              concat: [
                { payload: { protocol: 'ip', field: 'daddr' } },
                { meta: { key: 'l4proto' } },
                { payload: { protocol: 'th', field: 'dport' } },
              ],
            },
            right: '@np4',
          },
        },
        { accept: null },
      ]),
    ).toEqual([
      load(15),
      is(2),
      { name: 'payload', dreg: 1, base: 1, offset: 16, length: 4 },
      { name: 'meta', key: 16, dreg: 9 },
      { name: 'payload', dreg: 10, base: 2, offset: 2, length: 2 },
      { name: 'lookup', set: 'np4', sreg: 1, inverted: false, dreg: undefined },
      verdict,
    ]);
  });

  it('refuse a rule of two families', () => {
    const field = (protocol: 'ip' | 'ip6') =>
      ({
        match: { op: '==', left: { payload: { protocol, field: 'saddr' } }, right: '@s' },
      }) as const;
    expect(() => compile([field('ip'), field('ip6')])).toThrow('nfproto 2 and 10');
  });

  it('have one fingerprint whatever was counted, and another with another comment', () => {
    const counter = (packets: bigint): Instruction[] => [{ name: 'counter', packets, bytes: packets * 60n }];
    expect(fingerprint(counter(7n), 'a')).toBe(fingerprint(counter(0n), 'a'));
    expect(fingerprint(counter(0n), 'a')).not.toBe(fingerprint(counter(0n), 'b'));
  });
});

describe('set elements', () => {
  it('have the type numbers of nft: 6 bits for each field', () => {
    expect(concatenatedTypeId(['ipv4_addr', 'inet_proto', 'inet_service'])).toBe(0x730d);
    expect(typesOfId(0x730d)).toEqual(['ipv4_addr', 'inet_proto', 'inet_service']);
    expect(typesOfId(0x0a47)).toEqual(['ifname', 'ipv4_addr']);
    expect(typesOfId(0x3a0)).toBeUndefined();
  });

  it.each([
    [['ipv4_addr'], true, '10.0.0.0/8', { prefix: { addr: '10.0.0.0', len: 8 } }],
    [['ipv4_addr'], true, '10.0.0.1/32', '10.0.0.1'],
    [['ipv6_addr'], true, 'fd00::1-fd00::3', { range: ['fd00::1', 'fd00::3'] }],
    [['inet_service'], true, '80-90', { range: [80, 90] }],
    [['ifname'], false, 'tap-1', 'tap-1'],
    [['mark'], false, '65536', 65_536],
    [['ipv4_addr', 'inet_proto', 'inet_service'], false, '10.0.0.1,6,80', { concat: ['10.0.0.1', 6, 80] }],
    [
      ['ipv6_addr', 'inet_service'],
      true,
      'fd00::/64,80-90',
      { concat: [{ prefix: { addr: 'fd00::', len: 64 } }, { range: [80, 90] }] },
    ],
  ] as const)('of type %j (interval %s) are written %s', (types, interval, element, json) => {
    expect(formatElement(types, interval, parseElement(types, element))).toBe(element);
    expect(elementToJson(types, element)).toEqual(json);
  });

  it('of an interval set come back from boundaries in any order', () => {
    const set: NamedSet = { name: 's', type: ['inet_service'], interval: true, verdicts: false };
    const cuts = fc.uniqueArray(fc.integer({ min: 0, max: 65_536 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(cuts, fc.infiniteStream(fc.boolean()), (points, coin) => {
        const sorted = points.toSorted((a, b) => a - b);
        const elements: Element[] = [];
        for (const [index, first] of sorted.slice(0, -1).entries()) {
          const last = sorted[index + 1]! - 1;
          // Neighbours touch or leave a gap.
          if (coin.next().value === true) continue;
          elements.push({ key: first === last ? String(first) : `${first}-${last}` });
        }
        const raw = encodeElements(set, elements, 'add').flatMap((chunk) => {
          const writer = new ByteWriter();
          writeElementList(writer, 't', 's', chunk);
          return readElements(writer.bytes());
        });
        const back = assembleElements(set, raw.toReversed()).map(({ element }) => element);
        expect(back).toEqual(elements);
      }),
      { numRuns: 300 },
    );
  });

  it('are cut into messages below the 16-bit length of an attribute', () => {
    const set: NamedSet = { name: 's', type: ['ipv6_addr'], interval: true, verdicts: false };
    const elements = Array.from({ length: 20_000 }, (_, index) => ({
      key: `fd00::${index.toString(16)}/128`,
    }));
    const chunks = encodeElements(set, elements, 'add');
    expect(chunks.length).toBeGreaterThan(10);
    for (const chunk of chunks) expect(chunk.length).toBeLessThan(65_000);
  });
});

describe('a batch', () => {
  it('is framed by begin and end, and says which message is of which operation', () => {
    const batch = encodeBatch(
      [
        { kind: 'add-chain', chain: { name: 'a' } },
        {
          kind: 'add-elements',
          set: { name: 's', type: ['mark'], interval: false, verdicts: false },
          elements: [],
        },
        { kind: 'delete-chain', chain: 'b' },
      ],
      { table: 't', tableFlags: 0, generation: 7 },
    );
    expect(batch.messages.map(({ type }) => type)).toEqual([0x10, 0x0a03, 0x0a05, 0x11]);
    expect(batch.operations).toEqual([-1, 0, 2, -1]);
    const writer = new ByteWriter();
    batch.messages[0]!.body(writer);
    // struct nfgenmsg (AF_UNSPEC, version 0, subsystem 10) and NFNL_BATCH_GENID.
    expect([...writer.bytes()]).toEqual([0, 0, 0, 10, 8, 0, 1, 0, 0, 0, 0, 7]);
  });
});
