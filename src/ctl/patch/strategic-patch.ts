/**
 * Kubernetes' strategic merge patch. Maps are merged and null removes, as in a merge patch; lists are replaced, but
 * for those that have a merge key or are sets. In Calico's resources only two are: metadata.ownerReferences (merged by
 * uid) and metadata.finalizers (a set). The directives $patch, $retainKeys, $setElementOrder and
 * $deleteFromPrimitiveList work everywhere.
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../../base/errors.ts';
import { type Json, type JsonObject, isJsonObject, jsonObject, ownProperty } from './json.ts';

/** Fields whose lists are merged: by the named field of their elements, or as sets. */
const MERGED_LISTS = new Map<string, { readonly key: string } | 'set'>([
  ['metadata.ownerReferences', { key: 'uid' }],
  ['metadata.finalizers', 'set'],
]);

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ORDER = '$setElementOrder/';
const DELETE_FROM = '$deleteFromPrimitiveList/';

/** The target with the patch applied. Throws a ConfigError for a directive that is not understood. */
export function strategicPatch(target: Json | undefined, patch: Json): Json {
  return merge(target, patch, '');
}

function merge(target: Json | undefined, patch: Json, path: string): Json {
  if (!isJsonObject(patch)) return patch;
  const directive = ownProperty(patch, PATCH);
  if (directive === 'replace') {
    return jsonObject(Object.entries(patch).filter(([name]) => name !== PATCH));
  }
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') {
    throw misused(`${place(path)}: $patch is ${JSON.stringify(directive)}`, 'use replace, delete or merge');
  }
  const base: JsonObject = isJsonObject(target) ? target : {};
  const result = new Map<string, Json>(Object.entries(base));
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    const inner = path === '' ? name : `${path}.${name}`;
    const current = ownProperty(base, name);
    if (value === null) result.delete(name);
    else if (isJsonObject(value) && ownProperty(value, PATCH) === 'delete') result.delete(name);
    else if (Array.isArray(value)) result.set(name, mergeList(current, value as readonly Json[], inner));
    else result.set(name, merge(current, value, inner));
  }
  for (const [name, value] of Object.entries(patch)) applyDirective(result, name, value, path);
  return jsonObject(result);
}

/** Directives that a map holds about its own fields; they work on what the rest of the patch made of them. */
function applyDirective(result: Map<string, Json>, name: string, value: Json, path: string): void {
  if (!name.startsWith('$') || name === PATCH) return;
  if (!Array.isArray(value)) throw misused(`${place(path)}: ${name} is not a list`, 'give a list');
  const list = value as readonly Json[];
  if (name === RETAIN_KEYS) {
    for (const field of result.keys()) if (!list.includes(field)) result.delete(field);
  } else if (name.startsWith(DELETE_FROM)) {
    const field = name.slice(DELETE_FROM.length);
    const current = result.get(field);
    if (Array.isArray(current)) {
      result.set(
        field,
        current.filter((entry: Json) => !list.some((gone) => isDeepStrictEqual(gone, entry))),
      );
    }
  } else if (name.startsWith(ORDER)) {
    const field = name.slice(ORDER.length);
    const current = result.get(field);
    if (Array.isArray(current)) result.set(field, ordered(current as readonly Json[], list));
  } else {
    throw misused(
      `${place(path)}: ${name} is not a directive`,
      `use $patch, ${RETAIN_KEYS}, ${ORDER}FIELD or ${DELETE_FROM}FIELD`,
    );
  }
}

function mergeList(current: Json | undefined, patch: readonly Json[], path: string): Json {
  const base = Array.isArray(current) ? (current as readonly Json[]) : [];
  if (patch.some((entry) => isJsonObject(entry) && ownProperty(entry, PATCH) === 'replace')) {
    return patch.filter((entry) => !isJsonObject(entry) || ownProperty(entry, PATCH) !== 'replace');
  }
  const rule = MERGED_LISTS.get(path);
  if (rule === undefined) {
    const directive = patch.find((entry) => isJsonObject(entry) && Object.hasOwn(entry, PATCH));
    if (directive === undefined) return patch;
    throw misused(
      `${path}: this list is replaced as a whole, its elements have no key`,
      'give the whole list',
    );
  }
  if (rule === 'set') {
    return [...base, ...patch.filter((entry) => !base.some((known) => isDeepStrictEqual(known, entry)))];
  }
  const result = [...base];
  for (const entry of patch) {
    const key = isJsonObject(entry) ? ownProperty(entry, rule.key) : undefined;
    if (key === undefined) throw misused(`${path}: an element has no ${rule.key}`, `give its ${rule.key}`);
    const at = result.findIndex((known) => isJsonObject(known) && ownProperty(known, rule.key) === key);
    if (ownProperty(entry as JsonObject, PATCH) === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = merge(result[at], entry, path);
    else result.push(merge(undefined, entry, path));
  }
  return result;
}

/** Elements in the order that is given, by their scalar or by the fields that the order names; others stay behind. */
function ordered(current: readonly Json[], order: readonly Json[]): Json[] {
  const rank = (entry: Json): number => {
    const at = order.findIndex((wanted) =>
      isJsonObject(wanted) && isJsonObject(entry)
        ? Object.entries(wanted).every(([name, value]) => isDeepStrictEqual(ownProperty(entry, name), value))
        : isDeepStrictEqual(wanted, entry),
    );
    return at < 0 ? order.length : at;
  };
  return current.toSorted((a, b) => rank(a) - rank(b));
}

function place(path: string): string {
  return path === '' ? 'the patch' : path;
}

function misused(message: string, fix: string): ConfigError {
  return new ConfigError('ctl.patch', message, { fix });
}
