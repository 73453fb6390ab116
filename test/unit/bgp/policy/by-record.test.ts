/** What policies do to bytes is what they do to values. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExportContext, exportRefusal, exportRoute } from '../../../../src/bgp/policy/export.ts';
import { RecordExport } from '../../../../src/bgp/policy/export-record.ts';
import {
  type ImportContext,
  importRefusal,
  importedAttributes,
  importedNextHop,
} from '../../../../src/bgp/policy/import.ts';
import { RecordImport } from '../../../../src/bgp/policy/import-record.ts';
import { UNCHANGED } from '../../../../src/bgp/policy/route-edit.ts';
import { GRACEFUL_SHUTDOWN, NO_ADVERTISE, NO_EXPORT } from '../../../../src/bgp/policy/well-known.ts';
import { type Source, rankOf } from '../../../../src/bgp/rib/route.ts';
import { decodeRecord, encodeRecord } from '../../../../src/bgp/wire/attribute-record.ts';
import { BASIC_WIRE, type NextHop, type PathAttributes } from '../../../../src/bgp/wire/message.ts';
import { address } from '../../../../src/net/address.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { toHex } from '../wire/bytes.ts';
import { mostlyOrdinary } from '../wire/ordinary.ts';
import { source } from '../rib/make.ts';
import { contextOf, hiding } from '../telling.ts';

const WIRE = { ...BASIC_WIRE, fourOctetAs: true, external: false };
const ROLES = [undefined, undefined, undefined, 'peer', 'provider', 'customer'] as const;
const [routerId, clusterId] = [address('10.0.0.1'), address('1.0.0.1')];
const LOCAL_AS = 64512;

/** Now and then something that policies look for. */
const attributes: fc.Arbitrary<PathAttributes> = fc
  .tuple(mostlyOrdinary(WIRE), fc.nat(40), fc.constantFrom(GRACEFUL_SHUTDOWN, NO_ADVERTISE, NO_EXPORT))
  .map(([values, dice, community]) => {
    switch (dice) {
      case 0:
        return { ...values, communities: [1, community] };
      case 1:
        return { ...values, asPath: [...values.asPath, { type: 'set', asNumbers: [7, LOCAL_AS] }] };
      case 2:
        return { ...values, originatorId: routerId };
      case 3:
        return { ...values, clusterList: [address('9.9.9.9'), clusterId] };
      default:
        return values;
    }
  });

const nextHop: fc.Arbitrary<NextHop> = fc.constantFrom(
  { address: address('10.0.0.9') },
  { address: address('10.0.0.1') },
  { address: address('192.0.2.1') },
  { address: address('2001:db8::1') },
  { address: address('fd00::1') },
  { address: address('fd00::1'), linkLocal: address('fe80::1') },
  { address: address('fe80::7') },
);

const rarely = <Value>(value: Value): fc.Arbitrary<Value | undefined> =>
  fc.nat(9).map((dice) => (dice === 0 ? value : undefined));

const peers = fc.tuple(fc.boolean(), fc.boolean(), fc.nat(9)).map(([external, reflectorClient, dice]) => ({
  external,
  reflectorClient,
  ...(dice === 0 ? { external: false, confederation: true } : {}),
}));

describe('import', () => {
  const contexts: fc.Arbitrary<ImportContext> = fc.record({
    external: fc.boolean(),
    localAs: fc.constant(LOCAL_AS),
    peerAs: fc.constant(65_001),
    role: fc.constantFrom(...ROLES),
    routerId: fc.constant(routerId),
    clusterId: fc.constantFrom(clusterId, undefined),
    allowedOwnAs: fc.nat(1),
    rejectsAsSets: fc.boolean(),
    ownAddresses: fc.constant([routerId, address('fd00::1')]),
    leaving: rarely(true),
    fromMember: rarely(true),
    confederationId: rarely(65_100),
    accumulatesMetric: rarely(true),
    longLivedTime: rarely(60),
    linkBandwidth: rarely(1e6),
    onLink: rarely(true),
    filters: fc.constant(undefined),
  });

  it('leaves alone what passes by its bytes', () => {
    let passed = 0;
    fc.assert(
      fc.property(attributes, nextHop, contexts, (given, hop, context) => {
        const record = encodeRecord({ attributes: given, nextHop: hop });
        const bytes = Uint8Array.of(9, ...record, 9);
        if (!new RecordImport(context).passes(bytes, 1, 1 + record.length)) return;
        passed++;
        const values = decodeRecord(record);
        expect(importRefusal(values.attributes, values.nextHop!, context)).toBeUndefined();
        const imported = importedAttributes(values.attributes, context);
        const nextHop = importedNextHop(values.nextHop!, context);
        expect(toHex(encodeRecord({ attributes: imported, nextHop }))).toBe(toHex(record));
      }),
      { numRuns: 4000 },
    );
    expect(passed).toBeGreaterThan(50);
  });
});

describe('export', () => {
  const policy = hiding(new Set());
  const contexts: fc.Arbitrary<ExportContext> = fc
    .record({
      peer: peers,
      asPathEdit: rarely({ localAs: LOCAL_AS, peerAs: 65_001, asOverride: true }),
      accumulatesMetric: rarely(true),
      knowsLongLived: rarely(true),
      role: fc.constantFrom(...ROLES),
      clusterId: fc.constantFrom(clusterId, undefined),
      nextHopMode: fc.constantFrom('auto', 'self', 'keep'),
      ownAddresses: fc.constantFrom(
        { 4: address('10.0.0.1'), 6: address('fd00::1') },
        { 6: address('fd00::1') },
      ),
      extendedNextHop: fc.boolean(),
      sharedNetworks: fc.constantFrom([], [prefix('10.0.0.0/24'), prefix('2001:db8::/64')]),
      leaving: fc.nat(9).map((dice) => dice === 0),
    })
    .map((fields) => contextOf(policy, { localAs: LOCAL_AS, ...fields }));
  const sources: fc.Arbitrary<Source | undefined> = fc.option(
    fc
      .tuple(peers, rarely(7), fc.boolean())
      .map(([fields, metricCost, workload]) =>
        source('10.0.0.9', { ...fields, workload, ...(metricCost === undefined ? {} : { metricCost }) }),
      ),
    { nil: undefined, freq: 10 },
  );

  it('makes of bytes what it makes of values, and refuses the same', () => {
    const seen = { told: 0, refused: 0, unusual: 0 };
    fc.assert(
      fc.property(
        attributes,
        nextHop,
        contexts,
        sources,
        fc.constantFrom(4 as const, 6 as const),
        (given, hop, context, from, family) => {
          const record = encodeRecord({ attributes: given, nextHop: hop });
          const exporter = new RecordExport(context, family);
          const verdict = exporter.make(Uint8Array.of(9, ...record, 9), 1, 1 + record.length, from);
          seen[verdict]++;
          if (verdict === 'unusual') return;
          const made = exporter.bytes.slice(0, exporter.end);
          const values = decodeRecord(record);
          const path = { source: from, route: { ...values, rank: rankOf(values.attributes) }, stale: false };
          const route =
            exportRefusal(path, context) === undefined
              ? exportRoute(path, UNCHANGED, family, context)
              : undefined;
          if (verdict === 'refused') expect(route).toBeUndefined();
          else expect(toHex(made)).toBe(toHex(encodeRecord(route!)));
        },
      ),
      { numRuns: 3000 },
    );
    expect(seen.told).toBeGreaterThan(50);
    expect(seen.refused).toBeGreaterThan(50);
  });
});
