/**
 * The JSON of IPAM's own keys in Calico's etcd layout (libcalico-go `lib/backend/model`: AllocationBlock, IPAMHandle,
 * IPAMConfig), which is not that of resources. What is read is written again byte for byte.
 */
import { parsePrefix } from '../net/prefix.ts';
import { goJson, parseGoJson, sortedByBytes } from './go-json.ts';
import { blockName, parseBlockName } from './ipam-block-name.ts';
import type { IPAMBlock } from './kinds/ipam-block.ts';
import type { IPAMConfiguration } from './kinds/ipam-configuration.ts';
import type { IPAMHandle } from './kinds/ipam-handle.ts';
import { ValidationError } from './problem.ts';
import type { Resource, ResourceKey } from './resource.ts';
import { isPlainObject } from './schema-walk.ts';

/** Kinds whose etcd value is no resource, and how it is read and written. */
interface ValueForm {
  /** The stored object's fields as those of a resource's spec. */
  readonly decode: (value: Record<string, unknown>, key: ResourceKey) => Record<string, unknown>;
  readonly encode: (resource: Resource) => Record<string, unknown>;
}

/** Renames the fields of an object; the others stay as they are. */
function renamed(
  value: Record<string, unknown>,
  names: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [names[name] ?? name, entry]));
}

/** Without the fields that are undefined. */
function defined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined));
}

const forms: Readonly<Record<string, ValueForm>> = {
  IPAMBlock: {
    decode: (value) => renamed(value, { affinity_claim_time: 'affinityClaimTime' }),
    encode: (resource) => {
      const { spec } = resource as IPAMBlock;
      return defined({
        cidr: spec.cidr,
        affinity: spec.affinity,
        affinity_claim_time: spec.affinityClaimTime,
        allocations: spec.allocations,
        unallocated: spec.unallocated,
        attributes:
          spec.attributes?.map(({ handle_id, secondary, alternateOwnerAttrs, releasedAt }) =>
            defined({
              handle_id,
              secondary: sorted(secondary),
              alternateOwnerAttrs: sorted(alternateOwnerAttrs),
              releasedAt,
            }),
          ) ?? null,
        sequenceNumber: BigInt(spec.sequenceNumber),
        sequenceNumberForAllocation:
          spec.sequenceNumberForAllocation === null
            ? null
            : sortedByBytes(
                Object.entries(spec.sequenceNumberForAllocation).map(([place, number]) => [
                  place,
                  BigInt(number),
                ]),
              ),
        deleted: spec.deleted,
        hostAffinity: spec.hostAffinity,
      });
    },
  },
  IPAMHandle: {
    decode: (value, key) => ({ handleID: key.name, ...value }),
    encode: (resource) => {
      const { id, block, deleted } = (resource as IPAMHandle).spec;
      return defined({ id, block: sorted(block), deleted });
    },
  },
  IPAMConfiguration: {
    // Go leaves out what is false or 0 here.
    decode: (value) => ({
      strictAffinity: false,
      autoAllocateBlocks: false,
      ...renamed(value, { strict_affinity: 'strictAffinity', auto_allocate_blocks: 'autoAllocateBlocks' }),
    }),
    encode: (resource) => {
      const { strictAffinity, autoAllocateBlocks, ...others } = (resource as IPAMConfiguration).spec;
      return defined({
        strict_affinity: strictAffinity || undefined,
        auto_allocate_blocks: autoAllocateBlocks || undefined,
        ...others,
      });
    },
  },
};

function sorted(map: Readonly<Record<string, unknown>> | null | undefined): unknown {
  return map === null || map === undefined ? map : sortedByBytes(Object.entries(map));
}

/** Whether the etcd value of the kind is one of those here. */
export function hasOwnValueForm(kind: string): boolean {
  return Object.hasOwn(forms, kind);
}

/** The JSON that is stored for a resource of such a kind. */
export function encodeIpamValue(resource: Resource): string {
  return goJson(forms[resource.kind]!.encode(resource));
}

/** The resource's document for what is stored; its schema judges it. Throws {@link ValidationError}. */
export function ipamDocument(key: ResourceKey, text: string): unknown {
  const value = parseGoJson(text);
  if (!isPlainObject(value)) throw new ValidationError([{ path: [], message: 'expected a map' }]);
  return { metadata: { name: key.name }, spec: forms[key.kind]!.decode(value, key) };
}

/** Where IPAM keeps its own keys. */
export const ipamPrefix = '/calico/ipam/v2/';

const configPath = `${ipamPrefix}config`;
const handlePrefix = `${ipamPrefix}handle/`;
const blockPrefix = `${ipamPrefix}assignment/`;

/** Prefixes under which the resources of such a kind lie. */
export const ipamPrefixes: Readonly<Record<string, string>> = {
  IPAMBlock: blockPrefix,
  IPAMConfiguration: configPath,
  IPAMHandle: handlePrefix,
};

/** The etcd path of a resource of such a kind; undefined for a name that it cannot have. */
export function ipamPath({ kind, name }: ResourceKey): string | undefined {
  if (kind === 'IPAMConfiguration') return name === 'default' ? configPath : undefined;
  if (kind === 'IPAMHandle') return /^[^/]+$/.test(name) ? handlePrefix + name : undefined;
  const cidr = parseBlockName(name);
  if (cidr === undefined) return undefined;
  return `${blockPrefix}${cidr.includes(':') ? 'ipv6' : 'ipv4'}/block/${cidr.replace('/', '-')}`;
}

/** The inverse of {@link ipamPath}; undefined for other paths. */
export function parseIpamPath(path: string): ResourceKey | undefined {
  if (path === configPath) return { kind: 'IPAMConfiguration', name: 'default' };
  if (path.startsWith(handlePrefix)) {
    const name = path.slice(handlePrefix.length);
    return name === '' || name.includes('/') ? undefined : { kind: 'IPAMHandle', name };
  }
  const block = /^ipv[46]\/block\/([0-9a-f.:]+-[0-9]{1,3})$/.exec(path.slice(blockPrefix.length));
  if (!path.startsWith(blockPrefix) || block === null) return undefined;
  const cidr = parsePrefix(block[1]!.replace('-', '/'));
  const key = cidr === undefined ? undefined : { kind: 'IPAMBlock', name: blockName(cidr) };
  return key !== undefined && ipamPath(key) === path ? key : undefined;
}
