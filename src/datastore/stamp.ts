/** What the datastore itself writes into the metadata of a resource, and what it keeps out of the stored value. */
import { randomUUID } from 'node:crypto';
import { decodeResource } from '../model/decode.ts';
import { kindDefinition } from '../model/registry.ts';
import type { ObjectMeta, Resource, ResourceKey } from '../model/resource.ts';

/** A new resource: with a fresh uid and the time of its creation, to the second as Kubernetes writes it. */
export function stampNew(resource: Resource): Resource {
  const creationTimestamp = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return withMetadata(resource, { uid: randomUUID(), creationTimestamp });
}

/** A new version of a resource: it keeps its identity, whatever the writer knew of it. */
export function stampUpdate(resource: Resource, current: Partial<ObjectMeta>): Resource {
  const { uid, creationTimestamp } = current;
  return withMetadata(resource, {
    ...(uid === undefined ? {} : { uid }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
  });
}

/** The metadata of what is stored now; empty when that cannot be decoded. */
export function currentMetadata(outcome: Resource | Error | undefined): Partial<ObjectMeta> {
  return outcome === undefined || outcome instanceof Error ? {} : outcome.metadata;
}

function withMetadata(resource: Resource, metadata: Partial<ObjectMeta>): Resource {
  return { ...resource, metadata: { ...resource.metadata, ...metadata } };
}

/** The resource as it is stored: without its version, which is the datastore's own knowledge. */
export function withoutVersion(resource: Resource): Resource {
  const { resourceVersion: _, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}

/** The resource with the revision that it was read at. */
export function withVersion<R extends Resource>(resource: R, revision: number): R {
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } };
}

/** Throws a ValidationError if what is to be written would be refused when it is read back. */
export function checkStorable(resource: Resource): void {
  decodeResource(resource.kind, withoutVersion(resource));
}

/**
 * Kind of the keys under which the directory datastore reports files that lie where no resource can: no resource has
 * it, and only who asks for everything is told.
 */
export const STRAY_KIND = 'File';

/** Whether a key is among those that a list or watch asks for. Other kinds than those of the table of kinds never are. */
export function isSelected(
  key: ResourceKey,
  options: { readonly kind?: string; readonly namespace?: string },
): boolean {
  return (
    (kindDefinition(key.kind) !== undefined || key.kind === STRAY_KIND) &&
    (options.kind === undefined || options.kind === key.kind) &&
    (options.namespace === undefined || options.namespace === key.namespace)
  );
}
