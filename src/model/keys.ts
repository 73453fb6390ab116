/**
 * Calico's etcd layout (libcalico-go `lib/backend/model`): paths of resources, and the JSON they hold. Resources lie
 * under their plural, IPAM's own (ipam-values.ts) elsewhere, block affinities among them under the host they belong to.
 */
import { InternalError } from '../base/errors.ts';
import { familyOf } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import {
  type BlockAffinityIdentity,
  blockAffinityKey,
  parseBlockAffinityName,
} from './block-affinity-name.ts';
import { decodeResource } from './decode.ts';
import { goJson } from './go-json.ts';
import {
  encodeIpamValue,
  hasOwnValueForm,
  ipamDocument,
  ipamPath,
  ipamPrefix,
  ipamPrefixes,
  parseIpamPath,
} from './ipam-values.ts';
import type { BlockAffinity } from './kinds/block-affinity.ts';
import { ValidationError } from './problem.ts';
import { type KnownResource, kindDefinition, kindOfPlural } from './registry.ts';
import type { Resource, ResourceKey } from './resource.ts';
import { isPlainObject } from './schema-walk.ts';
import { toDocument } from './yaml.ts';

/** Where all resources but those of IPAM lie. */
export const resourcesPrefix = '/calico/resources/v3/projectcalico.org/';
/** Where block affinities lie, by the type of their holder. */
const affinityPrefixes = { host: `${ipamPrefix}host/`, virtual: `${ipamPrefix}virtual/` } as const;

/** The prefixes under which resources lie: all of them, or those of one kind (and namespace). */
export function etcdPrefixes(
  selection: { readonly kind?: string; readonly namespace?: string } = {},
): string[] {
  if (selection.kind === undefined) return [resourcesPrefix, ipamPrefix];
  if (selection.kind === 'BlockAffinity') return Object.values(affinityPrefixes);
  const own = ipamPrefixes[selection.kind];
  if (own !== undefined) return [own];
  const { plural, namespaced } = storedDefinition(selection.kind);
  const prefix = `${resourcesPrefix}${plural}/`;
  return [
    namespaced && selection.namespace !== undefined ? `${prefix}${escape(selection.namespace)}/` : prefix,
  ];
}

/** The etcd path of a resource. Throws {@link InternalError} for kinds and names that cannot be stored. */
export function etcdKey(key: ResourceKey): string {
  if (key.kind === 'BlockAffinity') {
    const identity = parseBlockAffinityName(key.name);
    if (identity === undefined) throw new InternalError(`not the name of a BlockAffinity: ${key.name}`);
    return affinityPath(identity);
  }
  if (hasOwnValueForm(key.kind)) {
    const path = ipamPath(key);
    if (path === undefined) throw new InternalError(`not the name of a ${key.kind}: ${key.name}`);
    return path;
  }
  const { plural, namespaced } = storedDefinition(key.kind);
  if (namespaced !== (key.namespace !== undefined)) {
    throw new InternalError(`${key.kind} ${key.name}: a namespace is ${namespaced ? 'missing' : 'too much'}`);
  }
  const namespace = key.namespace === undefined ? '' : `${escape(key.namespace)}/`;
  return `${resourcesPrefix}${plural}/${namespace}${escape(key.name)}`;
}

/** The inverse of {@link etcdKey}; undefined for paths that hold no resource of a known kind. */
export function parseEtcdKey(path: string): ResourceKey | undefined {
  for (const type of ['host', 'virtual'] as const) {
    if (path.startsWith(affinityPrefixes[type])) return parseAffinityPath(type, path);
  }
  if (path.startsWith(ipamPrefix)) return parseIpamPath(path);
  if (!path.startsWith(resourcesPrefix)) return undefined;
  const [plural, ...names] = path.slice(resourcesPrefix.length).split('/');
  const definition = kindOfPlural(plural!);
  if (definition === undefined || definition.storedAs !== undefined || hasOwnValueForm(definition.kind)) {
    return undefined;
  }
  if (names.length !== (definition.namespaced ? 2 : 1) || names.includes('')) return undefined;
  const [first, second] = names.map(unescape);
  return second === undefined
    ? { kind: definition.kind, name: first! }
    : { kind: definition.kind, namespace: first!, name: second };
}

function storedDefinition(kind: string) {
  const definition = kindDefinition(kind);
  if (definition === undefined) throw new InternalError(`unknown kind ${kind}`);
  if (definition.storedAs !== undefined) {
    throw new InternalError(`a ${kind} is stored as its ${definition.storedAs}; convert it first`);
  }
  return definition;
}

function affinityPath({ type, node, cidr }: BlockAffinityIdentity): string {
  const family = familyOf(cidr) === 4 ? 'ipv4' : 'ipv6';
  return `${affinityPrefixes[type]}${escape(node)}/${family}/block/${cidr.replace('/', '-')}`;
}

function parseAffinityPath(type: 'host' | 'virtual', path: string): ResourceKey | undefined {
  const [node, family, block, name, ...rest] = path.slice(affinityPrefixes[type].length).split('/');
  if (!node || block !== 'block' || name === undefined || rest.length > 0) return undefined;
  const cidr = /-[0-9]+$/.test(name) ? parsePrefix(name.replace(/-(?=[0-9]+$)/, '/')) : undefined;
  if (cidr === undefined || family !== (familyOf(cidr) === 4 ? 'ipv4' : 'ipv6')) return undefined;
  return blockAffinityKey({ type, node: unescape(node), cidr });
}

/** A path component: `%` and `/` would be read as part of the path. */
function escape(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2f');
}

function unescape(name: string): string {
  return name.replace(/%(2f|25)/gi, (code) => (code === '%25' ? '%' : '/'));
}

/** The JSON that is stored for a resource. The resourceVersion is the datastore's own and is left out. */
export function encodeValue(resource: Resource): string {
  if (resource.kind === 'BlockAffinity') {
    const { state, deleted } = (resource as BlockAffinity).spec;
    return JSON.stringify({ state, deleted });
  }
  if (hasOwnValueForm(resource.kind)) return encodeIpamValue(resource);
  const { resourceVersion: _own, ...metadata } = resource.metadata;
  const { kind, apiVersion, metadata: shown, ...others } = toDocument({ ...resource, metadata });
  return goJson({ kind, apiVersion, metadata: inGoOrder(shown as Record<string, unknown>), ...others });
}

/** Kubernetes' own order of metadata; other fields follow. */
const metadataOrder = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
];

function inGoOrder(metadata: Record<string, unknown>): Record<string, unknown> {
  const ordered = Object.fromEntries(metadataOrder.map((name) => [name, metadata[name]]));
  return { ...ordered, ...metadata };
}

/**
 * Reads what {@link encodeValue} (or Calico) wrote under `key`, and puts `revision` into it as resourceVersion.
 * Throws {@link ValidationError}.
 */
export function decodeValue(key: ResourceKey, text: string, revision: number): KnownResource {
  let value: unknown;
  try {
    if (hasOwnValueForm(key.kind)) value = ipamDocument(key, text);
    else value = text === '' && key.kind === 'BlockAffinity' ? {} : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ValidationError([{ path: [], message: `not JSON: ${error.message}` }]);
  }
  if (key.kind === 'BlockAffinity') value = affinityDocument(key, value);
  const resource = decodeResource(key.kind, value);
  const { name, namespace } = resource.metadata;
  if (name !== key.name || namespace !== key.namespace) {
    const message = `stored under the key of ${key.namespace === undefined ? '' : `${key.namespace}/`}${key.name}`;
    throw new ValidationError([{ path: ['metadata', 'name'], message, found: JSON.stringify(name) }]);
  }
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } };
}

function affinityDocument(key: ResourceKey, value: unknown): unknown {
  const identity = parseBlockAffinityName(key.name);
  if (identity === undefined || !isPlainObject(value)) {
    throw new ValidationError([{ path: [], message: 'not a block affinity' }]);
  }
  return { metadata: { name: key.name }, spec: { ...value, ...identity } };
}

/** The resource of an affinity. */
export function blockAffinityResource(
  identity: BlockAffinityIdentity,
  state: BlockAffinity['spec']['state'],
): BlockAffinity {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BlockAffinity',
    metadata: { name: blockAffinityKey(identity).name },
    spec: { ...identity, state, deleted: false },
  };
}
