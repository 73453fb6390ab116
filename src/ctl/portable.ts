/** Resources without what one datastore knows of them, for files and for other datastores. */
import type { KnownResource } from '../model/registry.ts';

/** Leaves out uid, creationTimestamp, resourceVersion, generation and the status. */
export function portable(resource: KnownResource): KnownResource {
  const {
    uid: _uid,
    creationTimestamp: _created,
    resourceVersion: _version,
    generation: _generation,
    ...metadata
  } = resource.metadata;
  const { status: _status, ...rest } = resource as KnownResource & { readonly status?: unknown };
  return { ...rest, metadata } as KnownResource;
}
