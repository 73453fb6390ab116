/** What may not be changed or deleted once it exists, as Calico's client refuses it. */
import { ConfigError } from '../base/errors.ts';
import { defaultAllowProfileName } from '../model/defaults.ts';
import { builtInTiers } from '../model/kinds/tier.ts';
import type { KnownKind } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';

/** Fields that keep their value for a resource's life, each with why. */
const FIXED_FIELDS: { readonly [Kind in KnownKind]?: Readonly<Record<string, string>> } = {
  IPPool: {
    cidr: 'addresses of the pool are in use; create a new pool, disable this one, and delete it when it is empty',
    blockSize:
      'its blocks exist already; create a new pool, disable this one, and delete it when it is empty',
  },
};

/** Throws a ConfigError if a field differs that cannot change. */
export function requireChangeable(before: Resource, after: Resource): void {
  for (const [field, reason] of Object.entries(FIXED_FIELDS[before.kind as KnownKind] ?? {})) {
    const [old, wanted] = [before, after].map(({ spec }) => (spec as Record<string, unknown>)[field]);
    if (old === wanted) continue;
    throw new ConfigError(
      'ctl.fixed',
      `${before.kind}(${before.metadata.name}): spec.${field} cannot be changed from ${JSON.stringify(old)} to ${JSON.stringify(wanted)}`,
      { fix: reason },
    );
  }
}

/** Throws a ConfigError for what always exists. */
export function requireDeletable({ kind, metadata: { name } }: Resource): void {
  const builtIn =
    (kind === 'Tier' && builtInTiers.has(name)) || (kind === 'Profile' && name === defaultAllowProfileName);
  if (!builtIn) return;
  throw new ConfigError('ctl.built-in', `${kind}(${name}) is built in and cannot be deleted`, {
    fix: 'leave it out: it always exists',
  });
}
