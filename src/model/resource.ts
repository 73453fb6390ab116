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
  readonly generateName?: string;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Kubernetes' pointer from an object to the one it belongs to. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
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

/** The key of a resource. */
export function keyOf(resource: Resource): ResourceKey {
  const { name, namespace } = resource.metadata;
  return namespace === undefined ? { kind: resource.kind, name } : { kind: resource.kind, namespace, name };
}

/** A type with every property and element read-only; strings (branded ones too) stay as they are. */
export type Immutable<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Element)[]
    ? readonly Immutable<Element>[]
    : { readonly [Key in keyof T]: Immutable<T[Key]> };
