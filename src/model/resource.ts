/**
 * The shape that every resource shares, and how one is named. Kinds have a file each; `registry.ts` is their table.
 */

/** Kubernetes-style metadata as Calico stores it. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly creationTimestamp?: string;
  /** Opaque; the datastore's modification revision in decimal. Never stored inside the value. */
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Any resource, before its kind is known. */
export interface Resource<Kind extends string = string, Spec = unknown> {
  readonly apiVersion: string;
  readonly kind: Kind;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
}

/**
 * What names a resource in every datastore. Kubernetes' own NetworkPolicy has the kind `KubernetesNetworkPolicy`
 * here, as in Calico's backend, because Calico's kind of the same name differs.
 */
export interface ResourceKey {
  readonly kind: string;
  /** Set exactly for namespaced kinds. */
  readonly namespace?: string;
  readonly name: string;
}

/** A ResourceKey as one string, for maps and logs: `Kind/namespace/name` or `Kind/name`. */
export function keyText(key: ResourceKey): string {
  return key.namespace === undefined ? `${key.kind}/${key.name}` : `${key.kind}/${key.namespace}/${key.name}`;
}
