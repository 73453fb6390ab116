/** The warning before a change that would have host endpoints cut what the cluster, or whoever asks, lives by. */
import { networkInterfaces } from 'node:os';
import { type DatastoreConfig, datastoreSockets } from '../datastore/config.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { type Surroundings, lockouts } from '../explain/lockout.ts';
import { parseAddress } from '../net/address.ts';
import { inventoryOf } from './inventory.ts';
import { type Outcome, errorLines } from './outcome.ts';
import { Rehearsal } from './rehearsal.ts';

/** Kinds whose change may close a port of a host. */
const policing: ReadonlySet<string> = new Set([
  'FelixConfiguration',
  'GlobalNetworkPolicy',
  'GlobalNetworkSet',
  'HostEndpoint',
  'KubernetesClusterNetworkPolicy',
  'NetworkSet',
  'Profile',
  'Tier',
]);

/** A change that is about to be made. */
export interface GuardedChange {
  /** Of the resources that it changes. */
  readonly kinds: readonly string[];
  /** Makes the change in the datastore that it is given. */
  readonly make: (datastore: Datastore) => Promise<Outcome>;
  /** Makes it in full, even if the command only tries it. */
  readonly rehearse: (datastore: Datastore) => Promise<unknown>;
  /** It is not made if it cuts anything. */
  readonly strict: boolean;
}

/** Makes a change, and says before its own errors which connections it cuts. */
export async function changeGuarded(
  datastore: Datastore,
  change: GuardedChange,
  surroundings: Surroundings,
): Promise<Outcome> {
  const warnings = await lockoutWarnings(datastore, change, surroundings);
  if (warnings.length > 0 && change.strict) {
    const errors = errorLines([...warnings, 'Nothing was changed (--strict).']);
    return { output: '', errors, exitCode: 1 };
  }
  const outcome = await change.make(datastore);
  return { ...outcome, errors: errorLines(warnings) + outcome.errors };
}

/** One sentence for each connection that the change would cut and that is let through now. */
async function lockoutWarnings(
  datastore: Datastore,
  { kinds, rehearse }: GuardedChange,
  surroundings: Surroundings,
): Promise<string[]> {
  if (!kinds.some((kind) => policing.has(kind))) return [];
  if (!kinds.includes('HostEndpoint')) {
    const { resources } = await datastore.list({ kind: 'HostEndpoint' });
    if (resources.length === 0) return [];
  }
  const rehearsal = new Rehearsal(datastore);
  await rehearse(rehearsal);
  const [before, after] = [await inventoryOf(datastore), await inventoryOf(rehearsal)];
  return lockouts(before.resources, after.resources, surroundings).map(
    ({ connection, node, endpoint, decidedBy }) =>
      `warning: HostEndpoint ${endpoint}${node === '' ? '' : ` of node ${node}`} will cut ${connection}: ` +
      `denied by ${decidedBy.join(', ')}; allow it by a policy first, or by failsafe ports of FelixConfiguration`,
  );
}

/** What the process knows: sshd's word about the session, and where the datastore is, as far as addresses are given. */
export function surroundingsOf(variables: NodeJS.ProcessEnv, config: DatastoreConfig): Surroundings {
  const operator = sshConnection(variables['SSH_CONNECTION']);
  return {
    ...(operator === undefined ? {} : { operator }),
    datastore: datastoreSockets(config),
  };
}

/** `CLIENT PORT SERVER PORT` (sshd(8)). */
function sshConnection(text: string | undefined): Surroundings['operator'] {
  const [client, clientPort, server, serverPort] = (text ?? '').split(' ');
  const from = parseAddress(client ?? '');
  const to = parseAddress(server ?? '');
  if (from === undefined || to === undefined) return undefined;
  const [interfaceName] =
    Object.entries(networkInterfaces()).find(([, own]) =>
      own?.some(({ address }) => parseAddress(address) === to),
    ) ?? [];
  return {
    from: { address: from, port: Number(clientPort) },
    to: { address: to, port: Number(serverPort) },
    ...(interfaceName === undefined ? {} : { interfaceName }),
  };
}
