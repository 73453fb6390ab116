/** Releases addresses in the datastore: each block by compare-and-swap, then the counts of the handles. */
import { ConflictError, type Datastore, NotFoundError } from '../datastore/datastore.ts';
import type { IPAMBlock, SequenceNumber } from '../model/kinds/ipam-block.ts';
import type { IPAMHandle } from '../model/kinds/ipam-handle.ts';
import { isKnown } from '../model/registry.ts';
import { keyOf } from '../model/resource.ts';
import type { Address } from '../net/address.ts';
import { allocationsOf, isUnused, ordinalOf, withReleased } from './block.ts';

/** Tries this often when others write the same block or handle at the same time, as Calico does. */
const TRIES = 100;

export interface ReleaseRequest {
  readonly address: Address;
  /** Only an assignment with this handle. */
  readonly handle?: string;
  /** Only this very assignment, not a later one of the same address. */
  readonly sequenceNumber?: SequenceNumber;
}

/** `unassigned`: it was free already. `changed`: it is assigned, but not as the request says. */
export type ReleaseResult = 'released' | 'unassigned' | 'changed';

export interface ReleaseOptions {
  /** Seconds for which the addresses are not assigned again (IPAMConfiguration). */
  readonly cooldown?: number;
  readonly now: Date;
}

/** The results, in the order of the requests. Rejects as the datastore's calls do. */
export async function releaseAddresses(
  datastore: Datastore,
  requests: readonly ReleaseRequest[],
  options: ReleaseOptions,
): Promise<ReleaseResult[]> {
  const results = new Map<ReleaseRequest, ReleaseResult>();
  for (const block of await blocksOf(datastore)) {
    const own = requests.filter(({ address }) => ordinalOf(block.spec.cidr, address) !== undefined);
    if (own.length === 0) continue;
    for (const [request, result] of await releaseFrom(datastore, block, own, options))
      results.set(request, result);
  }
  return requests.map((request) => results.get(request) ?? 'unassigned');
}

/** All blocks that can be read. */
export async function blocksOf(datastore: Datastore): Promise<IPAMBlock[]> {
  const { resources } = await datastore.list({ kind: 'IPAMBlock' });
  return resources.filter(isKnown).filter((resource) => resource.kind === 'IPAMBlock');
}

async function releaseFrom(
  datastore: Datastore,
  first: IPAMBlock,
  requests: readonly ReleaseRequest[],
  { cooldown = 0, now }: ReleaseOptions,
): Promise<Map<ReleaseRequest, ReleaseResult>> {
  let block: IPAMBlock | undefined = first;
  for (let tries = 1; ; tries++) {
    const results = new Map<ReleaseRequest, ReleaseResult>();
    const released: { readonly ordinal: number; readonly handle: string | undefined }[] = [];
    const allocations = new Map(
      (block === undefined ? [] : allocationsOf(block)).map((each) => [each.ordinal, each]),
    );
    for (const request of requests) {
      const allocation = allocations.get(ordinalOf(first.spec.cidr, request.address)!);
      const result = resultOf(allocation, request);
      results.set(request, result);
      if (result === 'released') released.push({ ordinal: allocation!.ordinal, handle: allocation!.handle });
    }
    if (block === undefined || released.length === 0) return results;
    const ordinals = [...new Set(released.map(({ ordinal }) => ordinal))];
    try {
      await write(datastore, withReleased(block, ordinals, cooldown > 0 ? now.toISOString() : undefined));
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof NotFoundError) || tries === TRIES) throw error;
      block = await current(datastore, block);
      continue;
    }
    for (const handle of new Set(released.map((each) => each.handle))) {
      const count = released.filter((each) => each.handle === handle).length;
      if (handle !== undefined) await decrementHandle(datastore, handle, block.spec.cidr, count);
    }
    return results;
  }
}

function resultOf(
  allocation: ReturnType<typeof allocationsOf>[number] | undefined,
  { handle, sequenceNumber }: ReleaseRequest,
): ReleaseResult {
  if (allocation === undefined || allocation.releasedAt !== undefined) return 'unassigned';
  if (handle !== undefined && handle !== allocation.handle) return 'changed';
  return sequenceNumber !== undefined && sequenceNumber !== allocation.sequenceNumber
    ? 'changed'
    : 'released';
}

/** A block that nobody holds and that has become empty is deleted. */
async function write(datastore: Datastore, block: IPAMBlock): Promise<void> {
  if (block.spec.affinity !== null || !isUnused(block)) {
    await datastore.update(block);
    return;
  }
  const { resourceVersion } = block.metadata;
  await datastore.delete(keyOf(block), resourceVersion === undefined ? {} : { resourceVersion });
}

async function current(datastore: Datastore, block: IPAMBlock): Promise<IPAMBlock | undefined> {
  try {
    return (await datastore.get(keyOf(block))) as IPAMBlock;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** Takes addresses of a block off a handle, which goes with its last. One that is not there is no error. */
async function decrementHandle(
  datastore: Datastore,
  name: string,
  cidr: string,
  count: number,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const handle = (await datastore.get({ kind: 'IPAMHandle', name })) as IPAMHandle;
      const { [cidr]: before = 0, ...others } = handle.spec.block;
      const block = before > count ? { ...others, [cidr]: before - count } : others;
      const { resourceVersion } = handle.metadata;
      if (Object.keys(block).length > 0)
        await datastore.update({ ...handle, spec: { ...handle.spec, block } });
      else await datastore.delete(keyOf(handle), resourceVersion === undefined ? {} : { resourceVersion });
      return;
    } catch (error) {
      if (error instanceof NotFoundError) return;
      if (!(error instanceof ConflictError) || tries === TRIES) throw error;
    }
  }
}
