/** `margayctl ipam check`: compares what IPAM has assigned with what is in use, in calicoctl's sentences. */
import { VERSION } from '../base/version.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { type CheckReport, type CheckedAllocation, checkAllocations, problemCount } from '../ipam/check.ts';
import type { SequenceNumber } from '../model/kinds/ipam-block.ts';
import { isKnown } from '../model/registry.ts';
import { keyText } from '../model/resource.ts';
import { writeWhole } from './files.ts';
import type { Outcome } from './outcome.ts';

export interface CheckFlags {
  readonly showAllIps?: boolean;
  readonly showProblemIps?: boolean;
  /** A file for the report; `json` or `-` is standard output, instead of the sentences. */
  readonly output?: string;
}

const TOP_NODES = 20;
const KINDS = [
  'IPAMBlock',
  'IPAMHandle',
  'IPPool',
  'Node',
  'WorkloadEndpoint',
  'ClusterInformation',
] as const;

/** What is written for `ipam release --from-report`. */
export interface IpamReport {
  readonly version: string;
  readonly clusterGUID: string;
  readonly datastoreLocked: boolean;
  readonly clusterInformationRevision: string;
  readonly clusterType: string;
  readonly allocations: Readonly<Record<string, readonly ReportedAllocation[]>>;
  readonly leakedHandles: readonly string[];
}

export type ReportedAllocation = Pick<CheckedAllocation, 'ip' | 'inUse' | 'coolingDown'> & {
  readonly handle?: string | undefined;
  readonly sequenceNumber?: SequenceNumber | undefined;
};

/** Exit code 1 if there are problems, which calicoctl leaves to the reader. */
export async function checkIpam(datastore: Datastore, flags: CheckFlags): Promise<Outcome> {
  const lists = await Promise.all(KINDS.map((kind) => datastore.list({ kind })));
  const resources = lists.flatMap((list) => list.resources);
  const invalidBlocks = lists[0]!.invalid.map(({ key, error }) => `${keyText(key)}: ${error.message}`);
  const report = checkAllocations({ resources, invalidBlocks });
  const information = resources.filter(isKnown).find(({ kind }) => kind === 'ClusterInformation');
  const about = information?.kind === 'ClusterInformation' ? information : undefined;
  const whole: IpamReport = {
    version: VERSION,
    clusterGUID: about?.spec.clusterGUID ?? '',
    datastoreLocked: about?.spec.datastoreReady === false,
    clusterInformationRevision: about?.metadata.resourceVersion ?? '',
    clusterType: about?.spec.clusterType ?? '',
    allocations: Object.fromEntries(report.allocations.map((allocation) => [allocation.ip, [allocation]])),
    leakedHandles: report.handlesWithoutAddresses,
  };
  const text = `${JSON.stringify(whole, null, 2)}\n`;
  const exitCode = problemCount(report) === 0 ? 0 : 1;
  if (flags.output === 'json' || flags.output === '-') return { output: text, errors: '', exitCode };
  if (flags.output !== undefined) writeWhole(flags.output, text);
  return { output: sentences(report, flags), errors: '', exitCode };
}

function sentences(report: CheckReport, flags: CheckFlags): string {
  const all = flags.showAllIps === true;
  const problems = all || flags.showProblemIps === true;
  const list = <T>(shown: boolean, items: readonly T[], line: (item: T) => string): string[] =>
    shown ? items.map((item) => `  ${line(item)}`) : [];
  const lines = [
    'Checking IPAM for inconsistencies...',
    '',
    'Loading all IPAM blocks...',
    `Found ${report.blocks} IPAM blocks.`,
    `IPAM blocks record ${report.allocations.length} allocations.`,
    ...list(all, report.allocations, allocationLine),
    '',
    `Found ${report.activePools} active IP pools.`,
    `Found ${report.tunnels} node tunnel IPs.`,
    // Services live in Kubernetes alone; their load balancers' addresses show as allocations without a user.
    'Found 0 service load balancer(s).',
    `Found ${report.workloads} workload IPs.`,
    `Workloads and nodes are using ${report.used} IPs.`,
    '',
    'Looking for top (up to 20) nodes by allocations...',
    ...list(
      true,
      report.nodes.slice(0, TOP_NODES),
      ({ node, count }) => `${node ?? '<unknown>'} has ${count} allocations`,
    ),
    '',
    `Found ${report.leaked.length} IPs that are allocated in IPAM but not actually in use.`,
    ...list(problems, report.leaked, allocationLine),
    `Found ${report.outsidePools.length} in-use IPs that are not in active IP pools.`,
    ...list(problems, report.outsidePools, ({ ip, owners }) => `${ip} (${owners.join(', ')})`),
    `Found ${report.unallocated.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
    ...list(problems, report.unallocated, ({ ip, owners }) => `${ip} (${owners.join(', ')})`),
    '',
    `Found ${report.handlesWithoutAddresses.length} handles with no matching IPs (and ${report.handlesWithAddresses} handles with matches).`,
    ...list(problems, report.handlesWithoutAddresses, String),
    `Found ${report.missingHandles.length} handles mentioned in blocks with no matching handle resource.`,
    ...list(problems, report.missingHandles, String),
    `Found ${report.invalidBlocks.length} invalid IPAMBlocks.`,
    ...list(true, report.invalidBlocks, String),
    `Check complete; found ${problemCount(report)} problems.`,
  ];
  return `${lines.join('\n')}\n`;
}

function allocationLine({
  ip,
  handle,
  node,
  namespace,
  pod,
  inUse,
  borrowed,
  coolingDown,
}: CheckedAllocation): string {
  const facts = [
    ...(handle === undefined ? [] : [`handle ${handle}`]),
    ...(node === undefined ? [] : [`node ${node}`]),
    ...(pod === undefined ? [] : [`pod ${namespace ?? ''}/${pod}`]),
    inUse ? 'in use' : 'not in use',
    ...(borrowed ? ['borrowed'] : []),
    ...(coolingDown ? ['cooling down'] : []),
  ];
  return `${ip} (${facts.join(', ')})`;
}
