/** Attributes as nearly all routes have them: what the fast ways are made for. */
import fc from 'fast-check';
import type { PathAttributes, WireOptions } from '../../../../src/bgp/wire/message.ts';
import { anyAttributes } from './arbitraries.ts';

/** Any attributes in half of the cases, and in the others none that is rare. */
export function mostlyOrdinary(wire: WireOptions): fc.Arbitrary<PathAttributes> {
  const ordinary = anyAttributes(wire).map(
    ({
      aigp: _aigp,
      ipv6ExtendedCommunities: _rare,
      onlyToCustomer: _otc,
      unknown: _unknown,
      asPath,
      ...rest
    }): PathAttributes => ({
      ...rest,
      asPath: asPath.map(({ type, asNumbers }) => ({
        type: type.endsWith('set') ? 'set' : 'sequence',
        asNumbers,
      })),
    }),
  );
  return fc.oneof(ordinary, anyAttributes(wire));
}
