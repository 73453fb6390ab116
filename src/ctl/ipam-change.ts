/** `margayctl ipam configure` and `margayctl ipam split`. */
import { ConfigError } from '../base/errors.ts';
import { ConflictError, type Datastore } from '../datastore/datastore.ts';
import { splitPool } from '../ipam/split.ts';
import { validateResource } from '../model/decode.ts';
import type { ClusterInformation } from '../model/kinds/cluster-information.ts';
import type { IPPool } from '../model/kinds/ip-pool.ts';
import { isKnown } from '../model/registry.ts';
import { keyOf } from '../model/resource.ts';
import { parsePrefix } from '../net/prefix.ts';
import { ipamConfiguration } from './ipam-show.ts';
import type { Outcome } from './outcome.ts';

/** Tries this often when others write the configuration at the same time. */
const TRIES = 10;

export interface ConfigureFlags {
  readonly strictaffinity?: boolean;
  readonly maxBlocksPerHost?: number;
  readonly kubevirtIpPersistence?: 'Enabled' | 'Disabled';
  readonly ipCooldownSeconds?: number;
}

export async function configureIpam(datastore: Datastore, flags: ConfigureFlags): Promise<Outcome> {
  const { strictaffinity, maxBlocksPerHost, kubevirtIpPersistence, ipCooldownSeconds } = flags;
  const wanted = {
    ...(strictaffinity === undefined ? {} : { strictAffinity: strictaffinity }),
    ...(maxBlocksPerHost === undefined ? {} : { maxBlocksPerHost }),
    ...(kubevirtIpPersistence === undefined ? {} : { kubeVirtVMAddressPersistence: kubevirtIpPersistence }),
    ...(ipCooldownSeconds === undefined ? {} : { ipCooldownSeconds }),
  };
  if (Object.keys(wanted).length === 0) {
    throw new ConfigError('ctl.usage', 'nothing is to be configured', {
      fix: 'use --strictaffinity, --max-blocks-per-host, --kubevirt-ip-persistence or --ip-cooldown-seconds',
    });
  }
  for (let tries = 1; ; tries++) {
    const before = await ipamConfiguration(datastore);
    const after = validateResource({ ...before, spec: { ...before.spec, ...wanted } });
    try {
      if (before.metadata.resourceVersion === undefined) await datastore.create(after);
      else await datastore.update(after);
      break;
    } catch (error) {
      if (!(error instanceof ConflictError) || tries === TRIES) throw error;
    }
  }
  const output = Object.entries(wanted)
    .map(
      ([name, value]) => `Successfully set ${propertyName(name)} to: ${String(value)}
`,
    )
    .join('');
  return { output, errors: '', exitCode: 0 };
}

/** As `ipam show --show-configuration` names it. */
function propertyName(field: string): string {
  return field.startsWith('ip') ? `IP${field.slice(2)}` : `${field[0]!.toUpperCase()}${field.slice(1)}`;
}

export interface SplitFlags {
  readonly cidr?: string;
  readonly name?: string;
}

/**
 * Puts smaller pools in the place of one. The datastore must be locked: nobody may assign from it meanwhile. The old
 * pool is deleted last, so that what is interrupted is finished by running it again.
 */
export async function splitIpam(datastore: Datastore, number: number, flags: SplitFlags): Promise<Outcome> {
  const pool = await poolOf(datastore, flags);
  const smaller = splitPool(pool, number);
  if ('problem' in smaller) throw new ConfigError('ctl.split', smaller.problem, { fix: smaller.fix });
  const information = (await datastore.get({
    kind: 'ClusterInformation',
    name: 'default',
  })) as ClusterInformation;
  if (information.spec.datastoreReady !== false) {
    throw new ConfigError(
      'ctl.not-locked',
      'datastore is not locked. Run the `margayctl datastore migrate lock` command in order to split the IP pools',
      { fix: 'lock it, split, and unlock it' },
    );
  }
  const { resources } = await datastore.list({ kind: 'IPPool' });
  const present = new Set(resources.map(({ metadata }) => metadata.name));
  for (const part of smaller) if (!present.has(part.metadata.name)) await datastore.create(part);
  await datastore.delete(keyOf(pool));
  const lines = [
    `IP Pool ${pool.spec.cidr} was successfully split into ${number} smaller pools.`,
    ...smaller.map(({ metadata, spec }) => `Created ${metadata.name} with CIDR ${spec.cidr}.`),
  ];
  return { output: `${lines.join('\n')}\n`, errors: '', exitCode: 0 };
}

async function poolOf(datastore: Datastore, { cidr, name }: SplitFlags): Promise<IPPool> {
  if (cidr === undefined && name === undefined) {
    throw new ConfigError('ctl.usage', 'no pool is named', { fix: 'use --cidr CIDR or --name NAME' });
  }
  const prefix = cidr === undefined ? undefined : parsePrefix(cidr);
  const { resources } = await datastore.list({ kind: 'IPPool' });
  const pools = resources
    .filter(isKnown)
    .filter((resource): resource is IPPool => resource.kind === 'IPPool');
  const found = pools.find(
    (pool) =>
      (name === undefined || pool.metadata.name === name) &&
      (cidr === undefined || pool.spec.cidr === prefix),
  );
  if (found !== undefined) return found;
  const wanted = [
    ...(name === undefined ? [] : [`name ${name}`]),
    ...(cidr === undefined ? [] : [`CIDR ${cidr}`]),
  ];
  throw new ConfigError('ctl.split', `there is no pool with ${wanted.join(' and ')}`, {
    fix:
      pools.length === 0
        ? 'there are no pools at all'
        : `use one of ${pools.map(({ metadata, spec }) => `${metadata.name} (${spec.cidr})`).join(', ')}`,
  });
}
