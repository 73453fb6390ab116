/** Any message value that can be on the wire, for property tests. */
import fc from 'fast-check';
import { type Address, type Family, formatAddress } from '../../../../src/net/address.ts';
import { type Prefix, maskBytes, prefixFromBytes } from '../../../../src/net/prefix.ts';
import type {
  Announcement,
  Capability,
  NlriList,
  OpenMessage,
  PathAttributes,
  UpdateMessage,
  WireOptions,
} from '../../../../src/bgp/wire/message.ts';

export const u8 = fc.integer({ min: 0, max: 0xff });
export const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.integer({ min: 0, max: 0xffffffff });
const asNumber = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffffffff }));
const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength });
export const ipv4: fc.Arbitrary<Address> = bytes(4, 4).map((octets) => formatAddress(octets));
const ipv4Host = bytes(4, 4).map((octets) => formatAddress(Uint8Array.of(10, ...octets.subarray(1))));
const ipv6Host = bytes(16, 16).map((octets) => formatAddress(Uint8Array.of(0x20, ...octets.subarray(1))));
const linkLocal = bytes(8, 8).map((octets) =>
  formatAddress(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...octets)),
);

export function anyPrefix(family: Family): fc.Arbitrary<Prefix> {
  const size = family === 4 ? 4 : 16;
  return fc
    .tuple(bytes(size, size), fc.integer({ min: 0, max: size * 8 }))
    .map(([octets, bits]) => prefixFromBytes(maskBytes(octets, bits), bits));
}

function nlri(family: Family, addPath: boolean): fc.Arbitrary<NlriList> {
  return fc.array(fc.tuple(anyPrefix(family), u32), { minLength: 1, maxLength: 30 }).map((entries) => {
    const prefixes = entries.map(([prefix]) => prefix);
    return addPath
      ? { family, prefixes, pathIds: entries.map(([, pathId]) => pathId) }
      : { family, prefixes };
  });
}

const nextHop = (family: Family, extended: boolean): fc.Arbitrary<Announcement['nextHop']> =>
  family === 4
    ? fc.oneof(
        ipv4Host.map((address) => ({ address })),
        (extended ? ipv6Host : ipv4Host).map((address) => ({ address })),
      )
    : fc.oneof(
        ipv6Host.map((address) => ({ address })),
        linkLocal.map((address) => ({ address })),
        fc.record({ address: ipv6Host, linkLocal }),
      );

const segment = (external: boolean) =>
  fc.record({
    type: external
      ? fc.constantFrom('sequence', 'set')
      : fc.constantFrom('sequence', 'set', 'confederation-sequence', 'confederation-set'),
    asNumbers: fc.array(asNumber, { minLength: 1, maxLength: 6 }),
  });
/** Without confederation segments, and without two sequences in a row: what AS4_PATH can tell of. */
const plainPath = fc
  .array(fc.array(asNumber, { minLength: 1, maxLength: 6 }), { maxLength: 4 })
  .map((lists) =>
    lists.map((asNumbers, index) => ({ type: index % 2 === 0 ? 'sequence' : 'set', asNumbers }) as const),
  );

const list = <Item>(item: fc.Arbitrary<Item>): fc.Arbitrary<Item[]> =>
  fc.array(item, { minLength: 1, maxLength: 80 });

/** Attributes as a session with these options carries them whole. */
export function anyAttributes(wire: WireOptions): fc.Arbitrary<PathAttributes> {
  const internal = wire.external ? {} : { localPref: u32, originatorId: ipv4, clusterList: list(ipv4) };
  return fc.record(
    {
      origin: fc.constantFrom('igp', 'egp', 'incomplete'),
      asPath: wire.fourOctetAs ? fc.array(segment(wire.external), { maxLength: 4 }) : plainPath,
      multiExitDisc: u32,
      atomicAggregate: fc.constant(true),
      aggregator: fc.record({ asNumber, address: ipv4 }),
      communities: list(u32),
      extendedCommunities: list(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      largeCommunities: list(fc.record({ global: u32, local1: u32, local2: u32 })),
      ipv6ExtendedCommunities: fc.array(bytes(20, 20), { minLength: 1, maxLength: 8 }),
      aigp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      onlyToCustomer: u32,
      unknown: fc.uniqueArray(fc.record({ code: fc.integer({ min: 36, max: 255 }), value: bytes(0, 300) }), {
        minLength: 1,
        maxLength: 3,
        selector: ({ code }) => code,
      }),
      ...internal,
    },
    { requiredKeys: ['origin', 'asPath'] },
  ) as fc.Arbitrary<PathAttributes>;
}

/** An UPDATE for each family at most once, each way. */
export function anyUpdate(wire: WireOptions): fc.Arbitrary<UpdateMessage> {
  const withdrawn = fc.tuple(
    ...([4, 6] as const).map((family) => fc.option(nlri(family, wire.addPathSend.includes(family)))),
  );
  const announced = fc.tuple(
    ...([4, 6] as const).map((family) =>
      fc.option(
        fc
          .tuple(nlri(family, wire.addPathSend.includes(family)), nextHop(family, wire.extendedNextHop))
          .map(([entry, hop]): Announcement => ({ ...entry, nextHop: hop })),
      ),
    ),
  );
  return fc.tuple(withdrawn, announced, anyAttributes(wire)).map(([gone, reached, attributes]) => ({
    type: 'update',
    withdrawn: gone.filter((entry) => entry !== null),
    announced: reached.filter((entry) => entry !== null),
    attributes,
  }));
}

const family = fc.record({ afi: u16, safi: u8 });
const families = <Extra extends object>(extra: {
  [Key in keyof Extra]: fc.Arbitrary<Extra[Key]>;
}): fc.Arbitrary<({ afi: number; safi: number } & Extra)[]> =>
  fc.array(
    fc.tuple(family, fc.record(extra)).map(([head, rest]) => ({ ...head, ...(rest as Extra) })),
    { maxLength: 4 },
  );

const capability: fc.Arbitrary<Capability> = fc.oneof<fc.Arbitrary<Capability>[]>(
  family.map((entry) => ({ type: 'multiprotocol', ...entry })),
  fc.constantFrom(
    { type: 'route-refresh' },
    { type: 'enhanced-route-refresh' },
    { type: 'extended-message' },
  ),
  fc.record({
    type: fc.constant('graceful-restart'),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartTime: fc.integer({ min: 0, max: 4095 }),
    families: families({ forwarding: fc.boolean() }),
  }),
  fc.record({
    type: fc.constant('long-lived-graceful-restart'),
    families: families({ forwarding: fc.boolean(), staleTime: fc.integer({ min: 0, max: 0xffffff }) }),
  }),
  fc.record({
    type: fc.constant('add-path'),
    families: families({ mode: fc.constantFrom('receive', 'send', 'both') }),
  }),
  fc.record({
    type: fc.constant('extended-next-hop'),
    families: fc.array(fc.record({ afi: u16, safi: u16, nextHopAfi: u16 }), { maxLength: 3 }),
  }),
  u8.map((role) => ({ type: 'role', role })),
  fc.record({
    type: fc.constant('fqdn'),
    hostname: fc.stringMatching(/^[a-z0-9.-]{0,64}$/),
    domain: fc.constant(''),
  }),
  fc.record({ type: fc.constant('unknown'), code: fc.integer({ min: 100, max: 255 }), value: bytes(0, 60) }),
);

export const anyOpen: fc.Arbitrary<OpenMessage> = fc
  .tuple(asNumber, u16, ipv4, fc.array(capability, { maxLength: 12 }))
  .map(([number, holdTime, identifier, capabilities]) => ({
    type: 'open',
    version: 4,
    asNumber: number,
    holdTime,
    identifier,
    capabilities: [{ type: 'four-octet-as', asNumber: number }, ...capabilities],
  }));
