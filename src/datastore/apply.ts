/** Create or update: what `margayctl apply` and everything else that states a wish does. */
import { isDeepStrictEqual } from 'node:util';
import { validateResource } from '../model/decode.ts';
import { type Resource, keyOf } from '../model/resource.ts';
import {
  AlreadyExistsError,
  ConflictError,
  type Datastore,
  InvalidValueError,
  NotFoundError,
} from './datastore.ts';

export interface Applied {
  readonly action: 'created' | 'updated' | 'unchanged';
  /** As stored. */
  readonly resource: Resource;
}

/** Tries this often when others create, write and delete the same resource at the same time. */
const TRIES = 20;

/**
 * Makes a resource what is given: creates it, or updates it if it exists and differs. Takes any version of it, unless
 * the given one states a resourceVersion: then rejects with {@link ConflictError} when that is not the current one.
 * Rejects with a ValidationError when the resource is one that users may not write.
 */
export async function applyResource(datastore: Datastore, resource: Resource): Promise<Applied> {
  const wanted = validateResource(resource);
  const { resourceVersion } = wanted.metadata;
  for (let tries = 1; ; tries++) {
    try {
      const current = await find(datastore, wanted);
      if (current === 'none') return { action: 'created', resource: await datastore.create(wanted) };
      if (current !== 'invalid' && isDeepStrictEqual(essence(current), essence(wanted))) {
        if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
          throw new ConflictError(keyOf(wanted));
        }
        return { action: 'unchanged', resource: current };
      }
      return { action: 'updated', resource: await datastore.update(wanted) };
    } catch (error) {
      const raced =
        error instanceof AlreadyExistsError ||
        error instanceof NotFoundError ||
        (error instanceof ConflictError && resourceVersion === undefined);
      if (!raced || tries === TRIES) throw error;
    }
  }
}

async function find(datastore: Datastore, resource: Resource): Promise<Resource | 'none' | 'invalid'> {
  try {
    return await datastore.get(keyOf(resource));
  } catch (error) {
    if (error instanceof NotFoundError) return 'none';
    if (error instanceof InvalidValueError) return 'invalid';
    throw error;
  }
}

/** What a user means by a resource: all but what the datastore itself keeps. */
function essence(resource: Resource): unknown {
  const {
    uid: _uid,
    creationTimestamp: _created,
    resourceVersion: _version,
    ...metadata
  } = resource.metadata;
  return { ...resource, metadata };
}
