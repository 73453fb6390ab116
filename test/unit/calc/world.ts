/** Resources for tests, read by the model as a datastore's are. */
import { CalcGraph } from '../../../src/calc/graph.ts';
import { decodeResource } from '../../../src/model/decode.ts';
import type { KnownKind, KnownResource } from '../../../src/model/registry.ts';
import { kindDefinition } from '../../../src/model/registry.ts';
import { keyOf, keyText, type ResourceKey } from '../../../src/model/resource.ts';
import { Consumer } from './consumer.ts';

/** The node whose state tests calculate. */
export const thisNode = 'one';

export interface Change {
  readonly key: ResourceKey;
  readonly resource: KnownResource | undefined;
}

/** A resource by kind, `name` or `namespace/name`, labels and spec. */
export function put(
  kind: KnownKind,
  name: string,
  spec: unknown,
  labels?: Readonly<Record<string, string>>,
  annotations?: Readonly<Record<string, string>>,
): Change {
  const [first, second] = name.split('/');
  const metadata = {
    ...(second === undefined ? { name: first } : { namespace: first, name: second }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const { apiVersion } = kindDefinition(kind)!;
  const resource = decodeResource(kind, { apiVersion, kind, metadata, spec });
  return { key: keyOf(resource), resource };
}

/** The deletion of what a change put. */
export function gone({ key }: Change): Change {
  return { key, resource: undefined };
}

/** The state of a consumer of a graph that saw nothing but these resources, once each. */
export function calculateAfresh(resources: Iterable<KnownResource>): unknown {
  const graph = new CalcGraph({ nodeName: thisNode });
  for (const resource of resources) graph.update(keyOf(resource), resource);
  const consumer = new Consumer();
  consumer.apply(graph.flush());
  return consumer.snapshot();
}

/** The resources that are left after changes. */
export function outcome(changes: Iterable<Change>): Map<string, KnownResource> {
  const resources = new Map<string, KnownResource>();
  for (const { key, resource } of changes) {
    if (resource === undefined) resources.delete(keyText(key));
    else resources.set(keyText(key), resource);
  }
  return resources;
}
