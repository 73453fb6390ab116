/** Which resource a command line means, and its form as users see it. */
import { ConfigError } from '../base/errors.ts';
import { type Datastore, NotFoundError } from '../datastore/datastore.ts';
import { profileNamespace } from '../model/convert/namespace.ts';
import { profileServiceAccount } from '../model/convert/service-account.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import type { KindDefinition } from '../model/kinds/definition.ts';
import type { Profile } from '../model/kinds/profile.ts';
import { nearest } from '../model/problem.ts';
import { type KnownResource, isKnown, kindDefinition, kindOfName, kinds } from '../model/registry.ts';
import { type ResourceKey, keyOf } from '../model/resource.ts';

/** Finds the kind a user means by a word; throws a ConfigError with what is near. */
export function kindNamed(word: string): KindDefinition {
  const definition = kindOfName(word);
  if (definition !== undefined) return definition;
  const words = kinds.flatMap(({ kind, plural, aliases }) => [kind, plural, ...aliases]);
  const near = nearest(word, words);
  throw new ConfigError('ctl.kind', `resource type '${word}' is not supported`, {
    fix: `use ${near === undefined ? `one of ${kinds.map(({ kind }) => kind).join(', ')}` : `'${near}'`}`,
  });
}

/** A kind as users write it. */
export function userKind(kind: string): string {
  return kindDefinition(kind)?.externalKind ?? kind;
}

/** The key that a user means. */
export function keyNamed(definition: KindDefinition, name: string, namespace: string): ResourceKey {
  return { kind: definition.kind, name, ...(definition.namespaced ? { namespace } : {}) };
}

/** `KIND NAME…` or `KIND/NAME…`, as the words of a command line. */
export function splitKind(
  word: string,
  names: readonly string[],
): { readonly kind: string; readonly names: readonly string[] } {
  const slash = word.indexOf('/');
  if (slash < 0) return { kind: word, names };
  const kind = word.slice(0, slash);
  const others = names.map((name) => (name.startsWith(`${kind}/`) ? name.slice(kind.length + 1) : name));
  return { kind, names: [word.slice(slash + 1), ...others] };
}

/** Kinds of Kubernetes that are stored as a Profile and read back from it (design D19). */
const FROM_PROFILE: ReadonlyMap<string, (profile: Profile) => KnownResource | undefined> = new Map<
  string,
  (profile: Profile) => KnownResource | undefined
>([
  ['Namespace', profileNamespace],
  ['ServiceAccount', profileServiceAccount],
]);

/** Kinds of Kubernetes that are stored as another kind and cannot be read back, and what to ask for instead. */
const ONE_WAY: ReadonlyMap<string, string> = new Map([
  ['Pod', 'workloadendpoints'],
  ['KubernetesNode', 'nodes'],
]);

/** The kind that the datastore has for a kind that users name. Throws a ConfigError for one that is not read back. */
export function storedKind(kind: string): string {
  const instead = ONE_WAY.get(kind);
  if (instead !== undefined) {
    throw new ConfigError('ctl.kind', `a ${userKind(kind)} of Kubernetes is stored in another form`, {
      fix: `ask for ${instead}`,
    });
  }
  return FROM_PROFILE.has(kind) ? 'Profile' : kind;
}

/** Where a resource is stored: a Namespace is the profile that it means (design D19). */
export function storedKey(key: ResourceKey): ResourceKey {
  if (storedKind(key.kind) === key.kind) return key;
  const { kind, ...metadata } = key;
  return keyOf(storedForm({ apiVersion: 'v1', kind, metadata, spec: {} }));
}

/** Whether a resource of the kind can be shown as users wrote it. */
export function isReadBack(kind: string): boolean {
  return !ONE_WAY.has(kind);
}

/** A stored resource in the kind that was asked for; undefined for a profile that is none. */
export function askedForm(resource: KnownResource, kind: string): KnownResource | undefined {
  const back = FROM_PROFILE.get(kind);
  if (back === undefined) return resource;
  return resource.kind === 'Profile' ? back(resource) : undefined;
}

/** Reads what a user names. Rejects as {@link Datastore.get} does. */
export async function read(datastore: Datastore, key: ResourceKey): Promise<KnownResource> {
  const stored = await datastore.get(storedKey(key));
  const resource = isKnown(stored) ? askedForm(stored, key.kind) : undefined;
  if (resource === undefined) throw new NotFoundError(key);
  return resource;
}
