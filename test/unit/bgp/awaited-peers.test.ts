import { describe, expect, it } from 'vitest';
import { type FoundRoutes, awaitedPeers } from '../../../src/bgp/awaited-peers.ts';
import type { PeerConfig } from '../../../src/bgp/config.ts';
import { type Address, type Family, address, familyOf } from '../../../src/net/address.ts';
import { type Prefix, prefix, prefixAddress, prefixContains } from '../../../src/net/prefix.ts';
import { peerConfig } from '../../interop/fixture-speaker.ts';

const LINK = ['10.99.0.0/24', 'fd99::/64'].map(prefix);

function template(prefixes: readonly string[], fields: Partial<PeerConfig> = {}): PeerConfig {
  const dynamicNeighbors = { prefixes: prefixes.map(prefix), limit: 100 };
  return peerConfig(1, 2, { name: 'racks', type: 'dynamic', asNumber: 65002, dynamicNeighbors, ...fields });
}

function found(
  ...gateways: readonly (readonly [family: Family, gateway: string | undefined])[]
): FoundRoutes {
  const of = (family: Family): Set<Address | undefined> =>
    new Set(
      gateways
        .filter(([one]) => one === family)
        .map(([, text]) => (text === undefined ? undefined : address(text))),
    );
  const networksOf = (host: Address): readonly Prefix[] => {
    const isHere = LINK.some(
      (network) => familyOf(prefixAddress(network)) === familyOf(host) && prefixContains(network, host),
    );
    return isHere ? LINK : [];
  };
  return { gateways: { 4: of(4), 6: of(6) }, networksOf };
}

const names = (peers: readonly PeerConfig[], routes: FoundRoutes): string[] =>
  awaitedPeers(peers, routes).map(({ name, families }) => `${name} ${families.join()}`);

describe('after a restart', () => {
  const racks = template(['10.99.0.0/25']);
  const single = peerConfig(1, 200);

  it('configured peers are awaited, unless they are shut down', () => {
    const down = peerConfig(1, 201, { name: 'down', shutdown: 'for repair' });
    expect(names([single, down], found())).toEqual(['Mesh_10_99_0_200 4,6']);
  });

  it('a template that nobody had connected by is not awaited', () => {
    expect(names([single, racks], found([4, '10.99.0.200']))).toEqual(['Mesh_10_99_0_200 4,6']);
  });

  it('those that the routes in the kernel lead to are awaited, and not others of their template', () => {
    expect(names([racks], found([4, '10.99.0.2'], [4, '10.99.0.3']))).toEqual([
      'Dynamic_10_99_0_2 4,6',
      'Dynamic_10_99_0_3 4,6',
    ]);
  });

  it('a template is awaited in the families of routes that lead to nobody known', () => {
    expect(names([racks], found([4, '10.99.0.2'], [6, 'fd99::2']))).toEqual([
      'Dynamic_10_99_0_2 4,6',
      'racks 6',
    ]);
    expect(names([racks], found([4, undefined]))).toEqual(['racks 4']);
    expect(names([racks], found([6, 'fe80::1']))).toEqual([]);
  });

  it('a template is awaited whole where a gateway does not tell the peer: in our own AS, and behind routers', () => {
    const internal = template(['10.99.0.0/25'], { asNumber: 64512 });
    const far = template(['10.99.0.0/25', '192.0.2.0/24']);
    const wide = template(['10.99.0.0/16']);
    for (const peers of [[internal], [far], [wide]]) expect(names(peers, found())).toEqual(['racks 4,6']);
  });
});
