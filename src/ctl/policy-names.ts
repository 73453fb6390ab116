/**
 * `margayctl datastore migrate-policy-names`: names of policies as Calico has them since v3.32, without the `default.`
 * that older versions put before those of the default tier. The new policy is there before the old one goes, so what is
 * enforced never changes; an interrupted run is resumed by running it again.
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError, describeError } from '../base/errors.ts';
import { type Datastore, NotFoundError } from '../datastore/datastore.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { type Outcome, errorLines } from './outcome.ts';
import { portable } from './portable.ts';

/** Kinds whose names have ever carried their tier. */
const KINDS = [
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
] as const;
const PREFIX = 'default.';

type Policy = Extract<KnownResource, { readonly kind: (typeof KINDS)[number] }>;

function isOldNamed(resource: KnownResource): resource is Policy {
  return (
    KINDS.some((kind) => kind === resource.kind) &&
    resource.metadata.name.startsWith(PREFIX) &&
    ((resource as Policy).spec.tier ?? 'default') === 'default'
  );
}

/** Renames every policy that has an old name. `dryRun`: only says which. */
export async function migratePolicyNames(
  datastore: Datastore,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Outcome> {
  const { resources } = await datastore.list();
  const lines: string[] = [];
  const errors: string[] = [];
  for (const policy of resources.filter(isKnown).filter(isOldNamed)) {
    const renamed = withName(policy, policy.metadata.name.slice(PREFIX.length));
    try {
      if (!dryRun) await rename(datastore, policy, renamed);
      lines.push(`${keyText(keyOf(policy))} -> ${renamed.metadata.name}\n`);
    } catch (error) {
      errors.push(`${keyText(keyOf(policy))}: ${describeError(error)}`);
    }
  }
  const summary = dryRun
    ? `Would rename ${lines.length} policies. Dry run: nothing was written.\n`
    : `Renamed ${lines.length} policies.\n`;
  return {
    output: lines.join('') + summary,
    errors: errorLines(errors),
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

function withName(policy: Policy, name: string): Policy {
  const { metadata, ...rest } = portable(policy) as Policy;
  return { ...rest, metadata: { ...metadata, name } } as Policy;
}

async function rename(datastore: Datastore, policy: Policy, renamed: Policy): Promise<void> {
  const there = await find(datastore, renamed);
  if (there === undefined) await datastore.create(renamed);
  else if (!isDeepStrictEqual(there.spec, renamed.spec)) {
    throw new ConfigError('ctl.rename', `${renamed.metadata.name} is there already with another content`, {
      fix: 'delete one of the two, then run this again',
    });
  }
  const { resourceVersion } = policy.metadata;
  // Whoever changed the old one meanwhile meant the policy: both stay, and the next run says so.
  await datastore.delete(keyOf(policy), resourceVersion === undefined ? {} : { resourceVersion });
}

async function find(datastore: Datastore, policy: Policy): Promise<Policy | undefined> {
  try {
    return (await datastore.get(keyOf(policy))) as Policy;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}
