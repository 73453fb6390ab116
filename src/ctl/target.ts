/** Which resource a command line means, and its form as users see it. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { namespaceProfile, profileNamespace } from '../model/convert/namespace.ts';
import type { KindDefinition } from '../model/kinds/definition.ts';
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

/** Where a resource is stored: a Namespace is the profile that it means (design D19). */
export function storedKey(key: ResourceKey): ResourceKey {
  if (key.kind !== 'Namespace') return key;
  return keyOf(
    namespaceProfile({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: key.name }, spec: {} }),
  );
}

/** A stored resource in the kind that was asked for; undefined for a profile that is no namespace's. */
export function askedForm(resource: KnownResource, kind: string): KnownResource | undefined {
  return kind === 'Namespace' && resource.kind === 'Profile' ? profileNamespace(resource) : resource;
}

/** Reads what a user names. Rejects as {@link Datastore.get} does. */
export async function read(datastore: Datastore, key: ResourceKey): Promise<KnownResource> {
  const stored = await datastore.get(storedKey(key));
  const resource = isKnown(stored) ? askedForm(stored, key.kind) : undefined;
  if (resource === undefined) {
    throw new ConfigError(
      'ctl.kind',
      `${stored.kind} ${stored.metadata.name} cannot be shown as ${key.kind}`,
      {
        fix: `ask for the ${stored.kind}`,
      },
    );
  }
  return resource;
}
