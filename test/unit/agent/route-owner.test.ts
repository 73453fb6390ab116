/** Whose an address is, by what IPAM has written. */
import { expect, it } from 'vitest';
import { routeOwner } from '../../../src/agent/route-owner.ts';
import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { address } from '../../../src/net/address.ts';

const affinity = (node: string, cidr: string): Resource =>
  ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BlockAffinity',
    metadata: { name: `${node}-${cidr.replaceAll(/[./:]/g, '-')}` },
    spec: { state: 'confirmed', node, type: 'host', cidr, deleted: false },
  }) as Resource;
const pool = (name: string, cidr: string, disableBGPExport: boolean): Resource =>
  ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name },
    spec: { cidr, disableBGPExport },
  }) as Resource;

it('an address belongs to the node of its block, and to the narrowest pool', async () => {
  const datastore = new MemoryDatastore();
  for (const resource of [
    affinity('n1', '10.65.1.0/26'),
    affinity('n2', '10.65.2.0/26'),
    pool('all', '10.65.0.0/16', false),
    pool('private', '10.66.0.0/16', true),
  ]) {
    await datastore.create(resource);
  }
  expect(await routeOwner(datastore, address('10.65.2.7'))).toEqual({
    block: '10.65.2.0/26',
    node: 'n2',
    pool: { name: 'all', cidr: '10.65.0.0/16', exported: true },
  });
  expect(await routeOwner(datastore, address('10.66.9.9'))).toEqual({
    pool: { name: 'private', cidr: '10.66.0.0/16', exported: false },
  });
  expect(await routeOwner(datastore, address('192.0.2.1'))).toEqual({});
});
