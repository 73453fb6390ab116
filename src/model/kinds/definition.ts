/**
 * What defines a kind: one zod schema gives the TypeScript type, the validation, the defaults and the documentation
 * text. Schemas are built on first use, because building them costs more than parsing a file of resources, and a
 * command that touches one kind need not pay for all.
 */
import type * as z from 'zod';
import type { OptionTable } from '../annotation-options.ts';
import type { Immutable, ObjectMeta, Resource } from '../resource.ts';

/** Where a check finds fault: the path below the resource, and what is wrong with it. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly allowed?: string;
}

export interface KindDefinition<
  Kind extends string = string,
  Spec extends z.ZodType = z.ZodType,
  Status extends z.ZodType = z.ZodType,
> {
  /** As the `kind` of our resources. */
  readonly kind: Kind;
  /** As users write it, where it differs: Kubernetes' NetworkPolicy is `KubernetesNetworkPolicy` to us. */
  readonly externalKind?: string;
  /** Further spellings of the kind in documents, from older APIs. */
  readonly otherKinds?: readonly string[];
  readonly apiVersion: string;
  /** As in the etcd path (lower case). */
  readonly plural: string;
  /** What margayctl accepts besides kind and plural, lower case. */
  readonly aliases: readonly string[];
  readonly namespaced: boolean;
  readonly description: string;
  /** Where the fields of `spec` lie in documents, if not under `spec`: `flat` beside the metadata. */
  readonly layout?: 'flat';
  /** Never stored itself: this kind is stored for it (convert/stored-form.ts, design D19). */
  readonly storedAs?: 'Node' | 'Profile' | 'WorkloadEndpoint';
  readonly spec: () => Spec;
  readonly status?: () => Status;
  /** What names look like, where they are not plain RFC 1123 subdomains. */
  readonly names?: { readonly valid: (name: string) => boolean; readonly allowed: string };
  /** Options that the kind takes as annotations. */
  readonly options?: OptionTable;
  /** Faults between fields far apart, such as the name and the spec. */
  readonly check?: (resource: Resource<Kind, Immutable<z.output<Spec>>>) => readonly Finding[];
  /** Faults that are refused from users but contained, not refused, in stored values (see convert/). */
  readonly checkEntry?: (resource: Resource<Kind, Immutable<z.output<Spec>>>) => readonly Finding[];
  /** Metadata that Calico's client fills in. */
  readonly completeMetadata?: (metadata: ObjectMeta, spec: Immutable<z.output<Spec>>) => ObjectMeta;
}

/** The TypeScript type of the resources of a definition. */
export type ResourceOf<Definition> =
  Definition extends KindDefinition<infer Kind, infer Spec, infer Status>
    ? Resource<Kind, Immutable<z.output<Spec>>> & { readonly status?: Immutable<z.output<Status>> }
    : never;

/** Gives the definition its exact type. */
export function defineKind<
  const Kind extends string,
  Spec extends z.ZodType,
  Status extends z.ZodType = z.ZodNever,
>(definition: KindDefinition<Kind, Spec, Status>): KindDefinition<Kind, Spec, Status> {
  return { ...definition, spec: once(definition.spec) };
}

/** Runs `build` on the first call and remembers its result. */
export function once<T>(build: () => T): () => T {
  let built: { readonly value: T } | undefined;
  return () => (built ??= { value: build() }).value;
}
