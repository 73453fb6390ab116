import type { ImportContext } from '../../../../src/bgp/policy/import.ts';
import { type Path, type Source, rankOf } from '../../../../src/bgp/rib/route.ts';
import type { PathAttributes } from '../../../../src/bgp/wire/message.ts';
import { address } from '../../../../src/net/address.ts';

export function source(host: string, fields: Partial<Source> = {}): Source {
  const own = address(host);
  return {
    name: `Node_${host}`,
    address: own,
    identifier: own.includes(':') ? address('9.9.9.9') : own,
    external: true,
    reflectorClient: false,
    ...fields,
  };
}

/** What AS 64512 makes of what AS 65001 tells it; without filters. */
export const importContext: ImportContext = {
  external: true,
  localAs: 64512,
  peerAs: 65001,
  routerId: address('10.0.0.1'),
  clusterId: undefined,
  allowedOwnAs: 0,
  ownAddresses: [address('10.0.0.1')],
  filters: undefined,
};

export function attributes(fields: Partial<PathAttributes> = {}): PathAttributes {
  return { origin: 'igp', asPath: [{ type: 'sequence', asNumbers: [65001] }], ...fields };
}

export function path(
  from: Source | undefined,
  fields: Partial<PathAttributes> = {},
  nextHop = from?.address,
): Path {
  const values = attributes(fields);
  return {
    source: from,
    route: {
      attributes: values,
      nextHop: nextHop === undefined ? undefined : { address: nextHop },
      rank: rankOf(values),
    },
    stale: false,
  };
}
