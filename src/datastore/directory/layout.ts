/**
 * Where a resource lies below the root, so that people find it:
 *
 *     <plural>/<name>.yaml                     tiers/default.yaml
 *     <plural>/<namespace>/<name>.yaml         networkpolicies/shop/allow-web.yaml
 *     .margay/journal                          revisions (journal.ts)
 *     .margay/writer/                          the lock of the writers (lock.ts)
 *
 * What looks like a resource and lies elsewhere is a stray, which is reported: its author thinks that it counts. Files
 * of other kinds (README.md), and whatever begins with a dot, are none of ours.
 */
import { createHash } from 'node:crypto';
import { nearest } from '../../model/problem.ts';
import { kindDefinition, kindOfPlural, kinds } from '../../model/registry.ts';
import type { ResourceKey } from '../../model/resource.ts';
import { STRAY_KIND } from '../stamp.ts';

export const OWN_FOLDER = '.margay';
export const SUFFIX = '.yaml';

/** NAME_MAX is 255 bytes, and Kubernetes' names may have 253 characters. */
const LONGEST_STEM = 255 - SUFFIX.length;

/** The path of a resource, or of a stray, below the root; undefined for kinds that are not in the table of kinds. */
export function pathOf(key: ResourceKey): string | undefined {
  if (key.kind === STRAY_KIND) return key.name;
  const definition = kindDefinition(key.kind);
  if (definition === undefined || definition.namespaced !== (key.namespace !== undefined)) return undefined;
  const file = `${stemOf(key.name)}${SUFFIX}`;
  return key.namespace === undefined
    ? `${definition.plural}/${file}`
    : `${definition.plural}/${stemOf(key.namespace)}/${file}`;
}

/** What a path below the root holds: a resource, a stray, or nothing of ours. A name that was cut short stays so. */
export function keyOfPath(path: string): ResourceKey | undefined {
  const parts = path.split('/');
  if (!isResourceFile(parts.at(-1)!) || parts.some((part) => !isResourceFolder(part))) return undefined;
  return resourceKeyOf(path, parts) ?? { kind: STRAY_KIND, name: path };
}

function resourceKeyOf(path: string, parts: readonly string[]): ResourceKey | undefined {
  const definition = kindOfPlural(parts[0]!);
  const file = parts.at(-1)!;
  if (definition === undefined || parts.length !== (definition.namespaced ? 3 : 2)) return undefined;
  // A Namespace is stored as its profile (design D19).
  if (definition.storedAs !== undefined) return undefined;
  if (!file.endsWith(SUFFIX)) return undefined;
  const name = unescape(file.slice(0, -SUFFIX.length));
  const key = definition.namespaced
    ? { kind: definition.kind, namespace: unescape(parts[1]!), name }
    : { kind: definition.kind, name };
  // A second spelling of a path must not shadow the file that has the right one.
  return pathOf(key) === path || name.includes('~') ? key : undefined;
}

/** Why a file that looks like a resource is none, from where it lies. */
export function strayReason(path: string): string {
  const parts = path.split('/');
  const [plural] = parts;
  if (!path.endsWith(SUFFIX)) return `files of resources end in ${SUFFIX}`;
  if (parts.length === 1) return 'resources lie in folders of their kind';
  const definition = kindOfPlural(plural!);
  if (definition === undefined) {
    const near = nearest(
      plural!,
      kinds.map((kind) => kind.plural),
    );
    return `no kind has a folder "${plural}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`;
  }
  if (definition.storedAs !== undefined) {
    return `a ${definition.externalKind ?? definition.kind} is stored as the ${definition.storedAs} that it means`;
  }
  const layout = definition.namespaced ? `${plural}/NAMESPACE/NAME${SUFFIX}` : `${plural}/NAME${SUFFIX}`;
  return `a ${definition.kind} lies in ${layout}`;
}

/** Whether a file of this name is meant to hold a resource; editors' temporary files and backups cannot. */
export function isResourceFile(name: string): boolean {
  return /^[^.].*\.(ya?ml|json)$/.test(name);
}

/** Whether a folder of this name can hold resources. */
export function isResourceFolder(name: string): boolean {
  return !name.startsWith('.');
}

function stemOf(name: string): string {
  const escaped = name
    .replace(/[^A-Za-z0-9._-]/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    )
    .replace(/^\./, '%2e');
  if (escaped.length <= LONGEST_STEM) return escaped;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${escaped.slice(0, LONGEST_STEM - digest.length - 1)}~${digest}`;
}

function unescape(stem: string): string {
  try {
    return decodeURIComponent(stem);
  } catch (error) {
    if (error instanceof URIError) return stem;
    throw error;
  }
}
