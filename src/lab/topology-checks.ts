/** What the fields of a topology decide together: references, addresses, names that must differ. */
import { type Address, type Family, familyOf } from '../net/address.ts';
import { type Prefix, prefixContains, prefixLength, prefixesOverlap } from '../net/prefix.ts';
import type { Fault } from '../model/fault-report.ts';
import { defaultBlockSize } from '../model/kinds/ip-pool.ts';
import type { Path } from '../model/problem.ts';
import { DATASTORE_MACHINE, type Topology } from './topology.ts';

type Report = (path: Path, message: string, allowed?: string) => void;

/** Everything that is wrong with a topology whose fields are right one by one. */
export function topologyFaults(topology: Topology): Fault[] {
  const faults: Fault[] = [];
  const report: Report = (path, message, allowed) =>
    faults.push({ path, message, ...(allowed === undefined ? {} : { allowed }) });
  checkNames(topology, report);
  checkSegments(topology, report);
  checkPools(topology, report);
  for (const room of ['hosts', 'routers', 'clients'] as const) {
    for (const [name, machine] of Object.entries(topology[room])) {
      checkAttachments(topology, machine, [room, name], report);
    }
  }
  checkRouters(topology, report);
  checkWorkloads(topology, report);
  return faults;
}

function oneOf(known: Iterable<string>): string {
  const list = [...known].join(', ');
  return list === '' ? 'nothing: none is defined' : list;
}

/** Machines name network namespaces and bridge ports, and an interface name has 15 characters. */
const NAME_LENGTHS = { lab: 24, machine: 12, namespace: 63 } as const;

function checkSyntax(name: string, what: keyof typeof NAME_LENGTHS, path: Path, report: Report): void {
  const length = NAME_LENGTHS[what];
  if (name.length <= length && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) return;
  report(
    path,
    `not a name of a ${what}`,
    `1 to ${length} of lower-case letters, digits and "-", not at an end`,
  );
}

/** Names become network namespaces, where `shop-web` and a host of that name would be one. */
function checkNames(topology: Topology, report: Report): void {
  const owners = new Map<string, string>(
    topology.datastore === 'etcd' ? [[DATASTORE_MACHINE, 'the machine of the datastore']] : [],
  );
  const claim = (name: string, path: Path): void => {
    const owner = owners.get(name);
    if (owner !== undefined) report(path, `the name ${name} is taken by ${owner}`);
    owners.set(name, path.join('.'));
  };
  checkSyntax(topology.name, 'lab', ['name'], report);
  for (const room of ['segments', 'hosts'] as const) {
    if (Object.keys(topology[room]).length === 0) report([room], `a lab needs ${room}`);
  }
  for (const name of Object.keys(topology.namespaces)) {
    checkSyntax(name, 'namespace', ['namespaces', name], report);
  }
  for (const room of ['segments', 'hosts', 'routers', 'clients'] as const) {
    for (const name of Object.keys(topology[room])) {
      checkSyntax(name, 'machine', [room, name], report);
      claim(name, [room, name]);
    }
  }
  for (const name of Object.keys(topology.workloads)) claim(name.replace('/', '-'), ['workloads', name]);
}

function checkSegments(topology: Topology, report: Report): void {
  const seen: Prefix[] = [];
  for (const [name, { subnets }] of Object.entries(topology.segments)) {
    for (const [index, subnet] of subnets.entries()) {
      const path = ['segments', name, 'subnets', index];
      const other = seen.find((prefix) => prefixesOverlap(prefix, subnet));
      if (other !== undefined) report(path, `overlaps ${other}`);
      seen.push(subnet);
    }
    if (new Set(subnets.map((subnet) => familyOf(subnet))).size !== subnets.length) {
      report(['segments', name, 'subnets'], 'two subnets of one family', 'one IPv4 and one IPv6 subnet');
    }
  }
}

function checkPools(topology: Topology, report: Report): void {
  for (const [index, { cidr, blockSize }] of topology.pools.entries()) {
    const others = [
      ...topology.pools.slice(0, index).map((pool) => pool.cidr),
      ...Object.values(topology.segments).flatMap((segment) => segment.subnets),
    ];
    const other = others.find((prefix) => prefixesOverlap(prefix, cidr));
    if (other !== undefined) report(['pools', index, 'cidr'], `overlaps ${other}`);
    const hosts = Object.keys(topology.hosts).length;
    const size = blockSize ?? defaultBlockSize[familyOf(cidr)];
    const bits = size - prefixLength(cidr);
    if (bits < 0 || 2 ** bits < hosts) {
      report(['pools', index], `has no block of /${size} for each of ${hosts} hosts`, 'a larger pool');
    }
  }
}

interface Attached {
  readonly segments: readonly string[];
  readonly addresses: Readonly<Record<string, readonly Address[]>>;
  readonly gateway?: string;
}

function checkAttachments(topology: Topology, machine: Attached, path: Path, report: Report): void {
  for (const [index, segment] of machine.segments.entries()) {
    if (topology.segments[segment] === undefined) {
      report([...path, 'segments', index], `no segment ${segment}`, oneOf(Object.keys(topology.segments)));
    }
  }
  for (const [segment, given] of Object.entries(machine.addresses)) {
    const at = [...path, 'addresses', segment];
    if (!machine.segments.includes(segment)) {
      report(at, `not attached to a segment ${segment}`, oneOf(machine.segments));
      continue;
    }
    const subnets = topology.segments[segment]?.subnets ?? [];
    for (const [index, address] of given.entries()) {
      if (!subnets.some((subnet) => prefixContains(subnet, address))) {
        report([...at, index], `${address} is outside the segment`, oneOf(subnets));
      }
      if (given.slice(0, index).some((other) => familyOf(other) === familyOf(address))) {
        report([...at, index], 'a second address of this family', 'one per family');
      }
    }
  }
  if (machine.gateway === undefined) return;
  const router = topology.routers[machine.gateway];
  if (router === undefined) {
    report([...path, 'gateway'], `no router ${machine.gateway}`, oneOf(Object.keys(topology.routers)));
  } else if (!router.segments.some((segment) => machine.segments.includes(segment))) {
    report([...path, 'gateway'], `${machine.gateway} shares no segment`, 'a router on the same segment');
  }
}

/** IPAM blocks of Calico (IPPool blockSize), which is how our own agent announces a prefix. */
const BLOCK_SIZES: Readonly<Record<Family, readonly [number, number]>> = { 4: [20, 32], 6: [116, 128] };

function checkRouters(topology: Topology, report: Report): void {
  for (const [name, router] of Object.entries(topology.routers)) {
    if (!topology.bgp && router.software !== 'bird') {
      report(['routers', name, 'software'], 'has nothing to do without bgp', 'bird, or bgp: true');
    }
    for (const [index, advertised] of (router.advertise ?? []).entries()) {
      const [least, most] = BLOCK_SIZES[familyOf(advertised)];
      const length = prefixLength(advertised);
      if (router.software === 'margay' && (length < least || length > most)) {
        report(['routers', name, 'advertise', index], 'our agent announces blocks', `/${least} to /${most}`);
      }
    }
  }
}

function checkWorkloads(topology: Topology, report: Report): void {
  const taken = new Map<Address, string>();
  for (const [name, workload] of Object.entries(topology.workloads)) {
    const path = ['workloads', name];
    const parts = /^([a-z0-9]([-a-z0-9]*[a-z0-9])?)\/([a-z0-9]([-.a-z0-9]*[a-z0-9])?)$/.exec(name);
    if (parts === null) {
      report(path, 'not the name of a workload', 'NAMESPACE/NAME');
      continue;
    }
    if (topology.namespaces[parts[1]!] === undefined) {
      report(path, `no namespace ${parts[1]}`, oneOf(Object.keys(topology.namespaces)));
    }
    if (topology.hosts[workload.host] === undefined) {
      report([...path, 'host'], `no host ${workload.host}`, oneOf(Object.keys(topology.hosts)));
    }
    for (const [index, address] of (workload.ips ?? []).entries()) {
      const other = taken.get(address);
      if (other !== undefined) report([...path, 'ips', index], `${address} is taken by ${other}`);
      taken.set(address, name);
      // Only BGP announces pools; without it every address has a route of its own.
      if (topology.bgp && !topology.pools.some((pool) => prefixContains(pool.cidr, address))) {
        const pools = topology.pools.map((pool) => pool.cidr);
        report([...path, 'ips', index], `${address} is outside the pools`, oneOf(pools));
      }
    }
  }
}
