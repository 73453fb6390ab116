/** `margayctl ipam release`: by address, or what reports of `ipam check` found to be leaked. */
import { ConfigError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { type Datastore, DatastoreError, NotFoundError } from '../datastore/datastore.ts';
import { type ReleaseRequest, blocksOf, releaseAddresses } from '../ipam/release.ts';
import { allocationsOf } from '../ipam/block.ts';
import type { ClusterInformation } from '../model/kinds/cluster-information.ts';
import { parseAddress } from '../net/address.ts';
import { readText } from './files.ts';
import type { IpamReport, ReportedAllocation } from './ipam-check.ts';
import { addressOf, ipamConfiguration } from './ipam-show.ts';
import { type Outcome, errorLines } from './outcome.ts';

export interface ReleaseFlags {
  readonly ip?: string;
  readonly fromReport?: readonly string[];
  readonly force?: boolean;
}

export async function releaseIpam(datastore: Datastore, flags: ReleaseFlags): Promise<Outcome> {
  const { ip, fromReport = [] } = flags;
  if ((ip === undefined) === (fromReport.length === 0)) {
    throw new ConfigError('ctl.usage', 'give either an address or a report', {
      fix: 'use --ip ADDRESS, or --from-report FILE',
    });
  }
  const { spec } = await ipamConfiguration(datastore);
  const options = { cooldown: spec.ipCooldownSeconds ?? 0, now: new Date() };
  if (ip === undefined)
    return releaseLeaked(datastore, fromReport.map(readReport), options, flags.force === true);
  const address = addressOf(ip);
  const [result] = await releaseAddresses(datastore, [{ address }], options);
  return result === 'released'
    ? { output: `Successfully released IP address ${address}\n`, errors: '', exitCode: 0 }
    : { output: '', errors: `IP address ${address} is not assigned\n`, exitCode: 1 };
}

function readReport(file: string): IpamReport {
  const wrong = (problem: string, cause?: unknown): ConfigError =>
    new ConfigError('ctl.report', `${file}: ${problem}`, {
      ...(cause === undefined ? {} : { cause }),
      fix: 'make it with margayctl ipam check -o FILE',
    });
  let value: unknown;
  try {
    value = JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong('it is not JSON', error);
    throw error;
  }
  const report = value as Partial<IpamReport> | null;
  const { allocations, leakedHandles, clusterGUID, version } = report ?? {};
  const sound =
    typeof allocations === 'object' &&
    Object.values(allocations).every((list) => Array.isArray(list)) &&
    Array.isArray(leakedHandles) &&
    typeof clusterGUID === 'string' &&
    typeof version === 'string';
  if (!sound) throw wrong('it is no report of ipam check');
  return report as IpamReport;
}

async function releaseLeaked(
  datastore: Datastore,
  reports: readonly IpamReport[],
  options: Parameters<typeof releaseAddresses>[2],
  force: boolean,
): Promise<Outcome> {
  await requireUsable(datastore, reports, force);
  const requests = leakedInAll(reports);
  let output = `Releasing ${requests.length} old IPs...\n`;
  const results = await releaseAddresses(datastore, requests, options);
  output += `Released ${results.filter((result) => result === 'released').length} IPs successfully\n`;
  const kept = results.filter((result) => result !== 'released').length;
  if (kept > 0) output += `${kept} IPs have changed since the report and were left alone\n`;
  const handles = reports
    .map(({ leakedHandles }) => leakedHandles)
    .reduce((common, list) => common.filter((handle) => list.includes(handle)));
  if (handles.length === 0) return { output, errors: '', exitCode: 0 };
  const { released, skipped, errors } = await deleteHandles(datastore, handles);
  output += `Deleting ${handles.length} handles...\n`;
  output += `Released ${released} handles; ${skipped} skipped; ${errors.length} errors.\n`;
  return { output, errors: errorLines(errors), exitCode: errors.length === 0 ? 0 : 1 };
}

async function requireUsable(
  datastore: Datastore,
  reports: readonly IpamReport[],
  force: boolean,
): Promise<void> {
  const information = (await datastore.get({
    kind: 'ClusterInformation',
    name: 'default',
  })) as ClusterInformation;
  const { clusterGUID, datastoreReady } = information.spec;
  if (reports.some((report) => report.clusterGUID !== clusterGUID)) {
    throw new ConfigError('ctl.report', 'a report is of another cluster', {
      fix: `use reports of the cluster ${clusterGUID}`,
    });
  }
  if (force) return;
  const other = reports.find(({ version }) => version !== VERSION);
  if (other !== undefined) {
    throw new ConfigError(
      'ctl.report',
      `a report was made by margayctl ${other.version}, this is ${VERSION}`,
      {
        fix: 'make the report again, or use --force',
      },
    );
  }
  if (datastoreReady !== false) {
    throw new ConfigError(
      'ctl.not-locked',
      'data store is not locked. Either lock the data store, or re-run with --force',
      { fix: 'margayctl datastore migrate lock' },
    );
  }
  if (reports.some((report) => report.clusterInformationRevision !== information.metadata.resourceVersion)) {
    throw new ConfigError('ctl.report', 'a report was made before the data store was locked as it is now', {
      fix: 'make the report while the data store is locked, or use --force',
    });
  }
}

/** What every report says is leaked, as the very same assignment: what only one saw may just have been on its way. */
function leakedInAll(reports: readonly IpamReport[]): ReleaseRequest[] {
  const identity = ({ ip, handle, sequenceNumber }: ReportedAllocation): string =>
    JSON.stringify([ip, handle, sequenceNumber]);
  const sets = reports.map(({ allocations }) =>
    Object.values(allocations)
      .flat()
      .filter(({ inUse, coolingDown }) => !inUse && !coolingDown),
  );
  const [first = [], ...others] = sets.map((list) => new Map(list.map((each) => [identity(each), each])));
  return [...new Map(first)]
    .filter(([id]) => others.every((other) => other.has(id)))
    .flatMap(([, { ip, handle, sequenceNumber }]) => {
      const address = parseAddress(ip);
      if (address === undefined) return [];
      return {
        address,
        ...(handle === undefined ? {} : { handle }),
        ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
      };
    });
}

/** Deletes handles that no block names; one that a block names again is skipped. */
async function deleteHandles(
  datastore: Datastore,
  handles: readonly string[],
): Promise<{ released: number; skipped: number; errors: string[] }> {
  const named = new Set(
    (await blocksOf(datastore)).flatMap((block) => allocationsOf(block).map(({ handle }) => handle)),
  );
  let [released, skipped] = [0, 0];
  const errors: string[] = [];
  for (const name of handles) {
    if (named.has(name)) {
      skipped++;
      continue;
    }
    try {
      await datastore.delete({ kind: 'IPAMHandle', name });
      released++;
    } catch (error) {
      if (error instanceof NotFoundError) skipped++;
      else if (error instanceof DatastoreError) errors.push(`handle ${name}: ${error.message}`);
      else throw error;
    }
  }
  return { released, skipped, errors };
}
