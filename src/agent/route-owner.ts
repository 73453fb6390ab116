/** Whose an address is, by what IPAM has written: the block, its node, the pool. */
import type { RouteOwner } from '../base/bgp-view.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Address } from '../net/address.ts';
import { type Prefix, prefixContains, prefixLength } from '../net/prefix.ts';

/** Reads the datastore anew: this is asked by people, now and then. */
export async function routeOwner(datastore: Datastore, address: Address): Promise<RouteOwner> {
  const [affinities, pools] = await Promise.all([
    datastore.list({ kind: 'BlockAffinity' }),
    datastore.list({ kind: 'IPPool' }),
  ]);
  const block = narrowest(
    address,
    (affinities.resources as readonly KnownResource[]).flatMap((resource) =>
      resource.kind === 'BlockAffinity' && !resource.spec.deleted ? [resource.spec] : [],
    ),
  );
  const pool = narrowest(
    address,
    (pools.resources as readonly KnownResource[]).flatMap((resource) =>
      resource.kind === 'IPPool' ? [{ ...resource.spec, name: resource.metadata.name }] : [],
    ),
  );
  return {
    ...(block === undefined ? {} : { block: block.cidr as Prefix, node: block.node }),
    ...(pool === undefined
      ? {}
      : { pool: { name: pool.name, cidr: pool.cidr as Prefix, exported: !pool.disableBGPExport } }),
  };
}

function narrowest<Range extends { readonly cidr: string }>(
  address: Address,
  ranges: readonly Range[],
): Range | undefined {
  return ranges
    .filter(({ cidr }) => prefixContains(cidr as Prefix, address))
    .toSorted((a, b) => prefixLength(b.cidr as Prefix) - prefixLength(a.cidr as Prefix))[0];
}
