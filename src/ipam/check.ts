/**
 * Whether what IPAM has assigned is what the cluster uses: `margayctl ipam check`. Pure. In use are the addresses of
 * workload endpoints and those that nodes have for their tunnels.
 */
import type { IPAMBlock, SequenceNumber } from '../model/kinds/ipam-block.ts';
import { netPrefix } from '../model/fields.ts';
import { isKnown } from '../model/registry.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';
import type { Address } from '../net/address.ts';
import { type Prefix, prefixAddress, prefixContains } from '../net/prefix.ts';
import { allocationsOf, nodeOf } from './block.ts';

/** An assignment as the report has it. */
export interface CheckedAllocation {
  readonly ip: Address;
  readonly handle: string | undefined;
  readonly sequenceNumber: SequenceNumber | undefined;
  readonly pod: string | undefined;
  readonly namespace: string | undefined;
  readonly node: string | undefined;
  readonly type: string | undefined;
  readonly creationTimestamp: string | undefined;
  readonly inUse: boolean;
  /** The node of the owner is not the one whose block it is. */
  readonly borrowed: boolean;
  /** Released, and not assigned again for a while. */
  readonly coolingDown: boolean;
  /** Who uses it: `WorkloadEndpoint shop/…`, `Node n1 (IPIP tunnel)`. */
  readonly owners: readonly string[];
}

export interface CheckReport {
  readonly blocks: number;
  readonly allocations: readonly CheckedAllocation[];
  readonly activePools: number;
  readonly tunnels: number;
  readonly workloads: number;
  /** Different addresses that are in use. */
  readonly used: number;
  /** Most assignments first; `undefined` for those that name no node. */
  readonly nodes: readonly { readonly node: string | undefined; readonly count: number }[];
  /** Assigned, and neither used nor cooling down. */
  readonly leaked: readonly CheckedAllocation[];
  readonly outsidePools: readonly Usage[];
  /** In an active pool, and not assigned. */
  readonly unallocated: readonly Usage[];
  readonly handlesWithoutAddresses: readonly string[];
  readonly handlesWithAddresses: number;
  /** Named by blocks, and not there. */
  readonly missingHandles: readonly string[];
  /** What is wrong with blocks that cannot be read, or that contradict themselves. */
  readonly invalidBlocks: readonly string[];
}

/** An address that is in use, and by whom. */
export interface Usage {
  readonly ip: Address;
  readonly owners: readonly string[];
}

export interface CheckInput {
  /** Of all kinds. */
  readonly resources: readonly Resource[];
  /** What is wrong with stored blocks that cannot be read. */
  readonly invalidBlocks: readonly string[];
}

/** How many findings of a report are problems. */
export function problemCount(report: CheckReport): number {
  return [
    report.leaked,
    report.outsidePools,
    report.unallocated,
    report.handlesWithoutAddresses,
    report.missingHandles,
    report.invalidBlocks,
  ].reduce((sum, list) => sum + list.length, 0);
}

export function checkAllocations({ resources, invalidBlocks }: CheckInput): CheckReport {
  const known = resources.filter(isKnown);
  const blocks = ofKind(known, 'IPAMBlock');
  const handles = ofKind(known, 'IPAMHandle').map(({ metadata }) => metadata.name);
  const pools = ofKind(known, 'IPPool')
    .filter(({ spec }) => spec.disabled !== true)
    .map(({ spec }) => spec.cidr);
  const tunnels = ofKind(known, 'Node').flatMap(tunnelsOf);
  const workloads = ofKind(known, 'WorkloadEndpoint').flatMap(({ metadata, spec }) =>
    (spec.ipNetworks ?? []).map((net): [Address, string] => [
      prefixAddress(netPrefix(net)),
      `WorkloadEndpoint ${metadata.namespace}/${metadata.name}`,
    ]),
  );
  const owners = new Map<Address, string[]>();
  for (const [ip, owner] of [...tunnels, ...workloads]) owners.set(ip, [...(owners.get(ip) ?? []), owner]);
  const allocations = blocks.flatMap((block) => checked(block, owners));
  const assigned = new Set(allocations.filter(({ coolingDown }) => !coolingDown).map(({ ip }) => ip));
  const used = [...owners].map(([ip, list]): Usage => ({ ip, owners: list }));
  const inPool = ({ ip }: Usage): boolean => pools.some((pool) => prefixContains(pool, ip));
  const named = new Set(
    allocations.flatMap(({ handle, coolingDown }) => (coolingDown ? [] : (handle ?? []))),
  );
  return {
    blocks: blocks.length + invalidBlocks.length,
    allocations,
    activePools: pools.length,
    tunnels: tunnels.length,
    workloads: workloads.length,
    used: used.length,
    nodes: byNode(allocations),
    leaked: allocations.filter(({ inUse, coolingDown }) => !inUse && !coolingDown),
    outsidePools: used.filter((usage) => !inPool(usage)),
    unallocated: used.filter((usage) => inPool(usage) && !assigned.has(usage.ip)),
    handlesWithoutAddresses: handles.filter((handle) => !named.has(handle)),
    handlesWithAddresses: handles.filter((handle) => named.has(handle)).length,
    missingHandles: [...named].filter((handle) => !handles.includes(handle)),
    invalidBlocks: [...invalidBlocks, ...blocks.flatMap(contradictions)],
  };
}

function ofKind<Kind extends KnownResource['kind']>(
  resources: readonly KnownResource[],
  kind: Kind,
): Extract<KnownResource, { kind: Kind }>[] {
  return resources.filter(
    (resource): resource is Extract<KnownResource, { kind: Kind }> => resource.kind === kind,
  );
}

/** Tunnel addresses of a node, which IPAM assigns as it does those of workloads. */
function tunnelsOf({ metadata, spec }: Extract<KnownResource, { kind: 'Node' }>): [Address, string][] {
  const tunnels: readonly (readonly [string, string | undefined])[] = [
    ['IPIP', spec.bgp?.ipv4IPIPTunnelAddr],
    ['VXLAN', spec.ipv4VXLANTunnelAddr],
    ['VXLAN', spec.ipv6VXLANTunnelAddr],
    ['WireGuard', spec.wireguard?.interfaceIPv4Address],
    ['WireGuard', spec.wireguard?.interfaceIPv6Address],
  ];
  return tunnels.flatMap(([type, ip]) =>
    ip === undefined ? [] : [[ip as Address, `Node ${metadata.name} (${type} tunnel)`] as [Address, string]],
  );
}

function checked(block: IPAMBlock, owners: ReadonlyMap<Address, readonly string[]>): CheckedAllocation[] {
  return allocationsOf(block).map(({ address, handle, owner, releasedAt, sequenceNumber }) => ({
    ip: address,
    handle,
    sequenceNumber,
    pod: owner['pod'],
    namespace: owner['namespace'],
    node: owner['node'],
    type: owner['type'],
    creationTimestamp: owner['timestamp'],
    inUse: owners.has(address),
    borrowed: owner['node'] !== undefined && owner['node'] !== nodeOf(block),
    coolingDown: releasedAt !== undefined,
    owners: owners.get(address) ?? [],
  }));
}

function byNode(allocations: readonly CheckedAllocation[]): { node: string | undefined; count: number }[] {
  const counts = new Map<string | undefined, number>();
  for (const { node } of allocations) counts.set(node, (counts.get(node) ?? 0) + 1);
  return [...counts].map(([node, count]) => ({ node, count })).toSorted((a, b) => b.count - a.count);
}

/** What a block says of an address in one place and denies in another. */
function contradictions({ spec }: IPAMBlock): string[] {
  const size = spec.allocations.length;
  const attributes = spec.attributes ?? [];
  const queue = spec.unallocated ?? [];
  const say = (problem: string): string => `block ${spec.cidr as Prefix}: ${problem}`;
  const problems: string[] = [];
  for (const [ordinal, place] of spec.allocations.entries()) {
    if (place !== null && attributes[place] === undefined) {
      problems.push(say(`the owner of address ${ordinal} is not described`));
    }
    const waiting = queue.filter((each) => each === ordinal).length;
    if (place !== null && waiting > 0) problems.push(say(`address ${ordinal} is both assigned and free`));
    if (place === null && waiting !== 1) {
      problems.push(say(`free address ${ordinal} is ${waiting} times in the queue of free ones`));
    }
  }
  for (const ordinal of queue) {
    if (ordinal >= size) problems.push(say(`free address ${ordinal} is not of the block`));
  }
  return problems;
}
