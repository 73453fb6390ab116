/**
 * Where a resource lies below the root, so that people find it:
 *
 *     <plural>/<name>.yaml                     tiers/default.yaml
 *     <plural>/<namespace>/<name>.yaml         networkpolicies/shop/allow-web.yaml
 *     .margay/journal                          revisions (journal.ts)
 *     .margay/writer/                          the lock of the writers (lock.ts)
 */
import { createHash } from 'node:crypto';
import { kindDefinition, kindOfPlural } from '../../model/registry.ts';
import type { ResourceKey } from '../../model/resource.ts';

export const OWN_FOLDER = '.margay';
export const SUFFIX = '.yaml';

/** NAME_MAX is 255 bytes, and Kubernetes' names may have 253 characters. */
const LONGEST_STEM = 255 - SUFFIX.length;

/** The path of a resource below the root; undefined for kinds that are not in the table of kinds. */
export function pathOf(key: ResourceKey): string | undefined {
  const definition = kindDefinition(key.kind);
  if (definition === undefined || definition.namespaced !== (key.namespace !== undefined)) return undefined;
  const file = `${stemOf(key.name)}${SUFFIX}`;
  return key.namespace === undefined
    ? `${definition.plural}/${file}`
    : `${definition.plural}/${stemOf(key.namespace)}/${file}`;
}

/** What a path below the root names, if it is one that can hold a resource. A name that
 * was cut short stays so. */
export function keyOfPath(path: string): ResourceKey | undefined {
  const parts = path.split('/');
  const definition = kindOfPlural(parts[0]!);
  const file = parts.at(-1)!;
  if (definition === undefined || parts.length !== (definition.namespaced ? 3 : 2)) return undefined;
  if (!isResourceFile(file)) return undefined;
  const name = unescape(file.slice(0, -SUFFIX.length));
  const key = definition.namespaced
    ? { kind: definition.kind, namespace: unescape(parts[1]!), name }
    : { kind: definition.kind, name };
  // A second spelling of a path must not shadow the file that has the right one.
  return pathOf(key) === path || name.includes('~') ? key : undefined;
}

/** Whether a file of this name can hold a resource; editors' temporary files and backups cannot. */
export function isResourceFile(name: string): boolean {
  return name.endsWith(SUFFIX) && !name.startsWith('.') && name.length > SUFFIX.length;
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
