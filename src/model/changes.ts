/**
 * What may not change in a resource's life, and what may not be deleted, as Calico's client refuses it. Pure: the
 * callers read what is stored and say what is to become of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { defaultAllowProfileName } from './defaults.ts';
import { builtInTiers } from './kinds/tier.ts';
import { type Path, type Problem, nearest } from './problem.ts';
import type { KnownKind, KnownResource } from './registry.ts';
import { isPlainObject } from './schema-walk.ts';
import { prefixesOverlap } from '../net/prefix.ts';

/** A change that is refused. */
export interface ChangeFault extends Problem {
  /** What to do instead. */
  readonly fix: string;
}

interface FixedField {
  /** Below the resource. */
  readonly path: readonly string[];
  readonly fix: string;
}

const newPool = 'create a new pool, disable this one, and delete it when it is empty';
const newEndpoint = 'delete the endpoint and create one with the other identity';
const ownedByIpam = 'leave it to IPAM: margayctl ipam';

/** Fields that keep their value for the life of a resource. */
const fixedFields: { readonly [Kind in KnownKind]?: readonly FixedField[] } = {
  IPPool: [
    { path: ['spec', 'cidr'], fix: `addresses of the pool are in use; ${newPool}` },
    { path: ['spec', 'blockSize'], fix: `its blocks exist already; ${newPool}` },
  ],
  // The name of an endpoint follows from these (lib/names), and IPAM and the CNI plugin find it by its name.
  WorkloadEndpoint: ['orchestrator', 'workload', 'node', 'pod', 'endpoint'].map((field) => ({
    path: ['spec', field],
    fix: newEndpoint,
  })),
  BlockAffinity: ['node', 'type', 'cidr'].map((field) => ({ path: ['spec', field], fix: ownedByIpam })),
  IPAMBlock: [{ path: ['spec', 'cidr'], fix: ownedByIpam }],
  IPAMHandle: [{ path: ['spec', 'handleID'], fix: ownedByIpam }],
  ClusterInformation: [
    { path: ['spec', 'clusterGUID'], fix: 'leave it as it is: others know the cluster by it' },
  ],
};

/** Kinds that only the software itself writes; users read them. */
const readOnlyKinds: ReadonlySet<string> = new Set<KnownKind>(['BlockAffinity', 'IPAMBlock', 'IPAMHandle']);

/** Whether users may only read resources of the kind. */
export function isReadOnlyKind(kind: string): boolean {
  return readOnlyKinds.has(kind);
}

/** Why a resource cannot become another of the same name; empty if it can. A field that was never set may be set. */
export function changeFaults(before: KnownResource, after: KnownResource): ChangeFault[] {
  if (before.kind === 'Profile' && before.metadata.name === defaultAllowProfileName) {
    if (isDeepStrictEqual(before.spec, after.spec)) return [];
    const fix = 'make a profile of another name, or use policies';
    return [{ path: ['spec'], message: `the profile ${defaultAllowProfileName} is read-only`, fix }];
  }
  const faults: ChangeFault[] = [];
  for (const { path, fix } of fixedFields[before.kind] ?? []) {
    const [old, wanted] = [valueAt(before, path), valueAt(after, path)];
    if (old === undefined || isDeepStrictEqual(old, wanted)) continue;
    const message = `cannot be changed from ${JSON.stringify(old)}`;
    faults.push({ path, message, ...(wanted === undefined ? {} : { found: JSON.stringify(wanted) }), fix });
  }
  if (before.kind === 'IPPool' && after.kind === 'IPPool') faults.push(...changedUses(before, after));
  if (before.kind === 'Tier' && after.kind === 'Tier') faults.push(...changedTier(after));
  return faults;
}

type OfKind<Kind extends KnownKind> = Extract<KnownResource, { kind: Kind }>;

/** Addresses of a pool for load balancers cannot become those of workloads: services have them. */
function changedUses(before: OfKind<'IPPool'>, after: OfKind<'IPPool'>): ChangeFault[] {
  const forServices = before.spec.allowedUses.includes('LoadBalancer');
  if (!forServices || after.spec.allowedUses.every((use) => use === 'LoadBalancer')) return [];
  const message = 'cannot be changed from LoadBalancer';
  return [
    { path: ['spec', 'allowedUses'], message, found: JSON.stringify(after.spec.allowedUses), fix: newPool },
  ];
}

function changedTier({ metadata: { name }, spec }: OfKind<'Tier'>): ChangeFault[] {
  const fixed = builtInTiers.get(name);
  if (fixed === undefined) return [];
  return (['order', 'defaultAction'] as const)
    .filter((field) => spec[field] !== fixed[field])
    .map((field) => ({
      path: ['spec', field],
      message: `cannot be changed in the built-in tier "${name}"`,
      found: JSON.stringify(spec[field]),
      allowed: String(fixed[field]),
      fix: 'make a tier of another name',
    }));
}

/** The kind of the resources that decide whether one of the given kind may be created; undefined if none do. */
export function creationPrecondition(kind: string): KnownKind | undefined {
  if (kind === 'IPPool') return 'IPPool';
  return /^(Staged)?(Global)?NetworkPolicy$/.test(kind) ? 'Tier' : undefined;
}

/** Why a resource cannot be created beside `others`, which are those of {@link creationPrecondition}. */
export function creationFaults(resource: KnownResource, others: readonly KnownResource[]): ChangeFault[] {
  if (resource.kind === 'IPPool') {
    const { cidr } = resource.spec;
    return others.flatMap((other) => {
      if (other.kind !== 'IPPool' || other.metadata.name === resource.metadata.name) return [];
      if (!prefixesOverlap(cidr, other.spec.cidr)) return [];
      const message = `overlaps the pool ${other.metadata.name} (${other.spec.cidr})`;
      const fix = 'choose a CIDR that no pool has, or delete that pool first';
      return [{ path: ['spec', 'cidr'], message, found: JSON.stringify(cidr), fix }];
    });
  }
  const tier = creationPrecondition(resource.kind) === 'Tier' ? tierOf(resource) : undefined;
  if (tier === undefined || builtInTiers.has(tier)) return [];
  const tiers = others.flatMap(({ kind, metadata }) => (kind === 'Tier' ? [metadata.name] : []));
  if (tiers.includes(tier)) return [];
  const all = [...new Set([...builtInTiers.keys(), ...tiers])];
  const near = nearest(tier, all);
  return [
    {
      path: ['spec', 'tier'],
      message: 'there is no such tier',
      found: JSON.stringify(tier),
      allowed: all.join(', '),
      ...(near === undefined ? {} : { suggestion: near }),
      fix: 'create the tier first',
    },
  ];
}

function tierOf({ spec }: KnownResource): string | undefined {
  const tier = valueAt(spec, ['tier']);
  return typeof tier === 'string' ? tier : undefined;
}

/** Why a resource cannot be deleted; empty if it can. `policies` are those of the tier, for a Tier. */
export function deletionFaults(
  resource: { readonly kind: string; readonly metadata: { readonly name: string } },
  policies: readonly { readonly spec: unknown; readonly metadata: { readonly name: string } }[] = [],
): ChangeFault[] {
  const { kind } = resource;
  const { name } = resource.metadata;
  const builtIn =
    (kind === 'Tier' && builtInTiers.has(name)) || (kind === 'Profile' && name === defaultAllowProfileName);
  if (builtIn) {
    const message = `${kind}(${name}) is built in and cannot be deleted`;
    return [{ path: [], message, fix: 'leave it out: it always exists' }];
  }
  if (kind !== 'Tier') return [];
  const own = policies.filter(({ spec }) => isPlainObject(spec) && spec['tier'] === name);
  if (own.length === 0) return [];
  const names = own.map(({ metadata }) => metadata.name).sort();
  const message = `Tier(${name}) has policies: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
  return [{ path: [], message, fix: 'delete its policies first, or move them to another tier' }];
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (current, step) => (isPlainObject(current) ? current[step as string] : undefined),
    value,
  );
}
