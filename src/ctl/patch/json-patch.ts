/** JSON Patch (RFC 6902) with JSON Pointer (RFC 6901). */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../../base/errors.ts';
import { nearest } from '../../model/problem.ts';
import { type Json, isJsonObject, jsonObject } from './json.ts';

const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const;
type OperationName = (typeof OPERATIONS)[number];

interface Operation {
  readonly op: OperationName;
  readonly path: readonly string[];
  readonly from?: readonly string[];
  readonly value?: Json;
  /** For messages: `operation 2 (replace /spec/order)`. */
  readonly title: string;
}

/**
 * The document with all operations applied in order; the document given stays as it is. Throws a ConfigError that
 * names the operation at fault; then none has taken effect (RFC 6902 §5).
 */
export function jsonPatch(document: Json, patch: Json): Json {
  let current = document;
  for (const operation of readOperations(patch)) current = applyOperation(current, operation);
  return current;
}

function applyOperation(document: Json, operation: Operation): Json {
  const { op, path, from, value, title } = operation;
  switch (op) {
    case 'add':
      return withValue(document, path, value!, 'add', title);
    case 'remove':
      return without(document, path, title);
    case 'replace':
      return withValue(document, path, value!, 'replace', title);
    case 'copy':
      return withValue(document, path, valueAt(document, from!, title), 'add', title);
    case 'move': {
      const moved = valueAt(document, from!, title);
      if (path.length > from!.length && from!.every((step, index) => step === path[index])) {
        throw refused(title, 'a value cannot be moved into itself', 'choose a path outside of "from"');
      }
      return withValue(without(document, from!, title), path, moved, 'add', title);
    }
    case 'test': {
      const found = valueAt(document, path, title);
      if (isDeepStrictEqual(found, value)) return document;
      throw refused(
        title,
        `the value is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`,
        'read the resource again: it is not what the patch was made for',
      );
    }
  }
}

function readOperations(patch: Json): Operation[] {
  if (!Array.isArray(patch)) {
    throw new ConfigError('ctl.patch', 'a JSON patch is a list of operations', {
      fix: `write [{"op": "replace", "path": "/spec/order", "value": 10}], or use --type merge`,
    });
  }
  return patch.map((entry: Json, index): Operation => {
    if (!isJsonObject(entry)) throw refused(`operation ${index + 1}`, 'it is not a map');
    const { op, path, from, value } = entry;
    const words = [op, path].filter((word) => typeof word === 'string').join(' ');
    const title = `operation ${index + 1}${words === '' ? '' : ` (${words})`}`;
    const name = OPERATIONS.find((known) => known === op);
    if (name === undefined) {
      const near = typeof op === 'string' ? nearest(op, OPERATIONS) : undefined;
      throw refused(
        title,
        `"op" is none of ${OPERATIONS.join(', ')}`,
        near === undefined ? undefined : `use "${near}"`,
      );
    }
    if (['add', 'replace', 'test'].includes(name) && value === undefined) {
      throw refused(title, '"value" is missing');
    }
    return {
      op: name,
      path: pointer(path, 'path', title),
      ...(name === 'move' || name === 'copy' ? { from: pointer(from, 'from', title) } : {}),
      ...(value === undefined ? {} : { value }),
      title,
    };
  });
}

/** The steps of a JSON pointer (RFC 6901 §3, §4). */
function pointer(text: Json | undefined, field: string, title: string): string[] {
  if (typeof text !== 'string') throw refused(title, `"${field}" is missing`);
  if (text === '') return [];
  if (!text.startsWith('/')) throw refused(title, `"${field}" does not begin with /`, `write "/${text}"`);
  return text
    .slice(1)
    .split('/')
    .map((step) => {
      if (/~([^01]|$)/.test(step)) {
        throw refused(title, `"${field}" has a ~ that is not ~0 or ~1`, 'write ~0 for ~ and ~1 for /');
      }
      return step.replaceAll('~1', '/').replaceAll('~0', '~');
    });
}

function valueAt(document: Json, path: readonly string[], title: string): Json {
  let current = document;
  for (const [depth, step] of path.entries()) current = childOf(current, step, path, depth, title);
  return current;
}

function childOf(parent: Json, step: string, path: readonly string[], depth: number, title: string): Json {
  if (Array.isArray(parent)) {
    return (parent as readonly Json[])[indexIn(parent, step, parent.length - 1, title)]!;
  }
  if (isJsonObject(parent) && Object.hasOwn(parent, step)) return parent[step]!;
  throw missing(parent, path.slice(0, depth + 1), title);
}

/** The document with one place changed, along a copied path. */
function withValue(
  document: Json,
  path: readonly string[],
  value: Json,
  mode: 'add' | 'replace',
  title: string,
  depth = 0,
): Json {
  if (depth === path.length) return value;
  const step = path[depth]!;
  const last = depth === path.length - 1;
  if (last && mode === 'add') {
    if (Array.isArray(document)) {
      const list = document as readonly Json[];
      const index = step === '-' ? list.length : indexIn(list, step, list.length, title);
      return [...list.slice(0, index), value, ...list.slice(index)];
    }
    if (isJsonObject(document)) return jsonObject([...Object.entries(document), [step, value]]);
    throw missing(document, path.slice(0, depth + 1), title);
  }
  const child = childOf(document, step, path, depth, title);
  return withChild(document, step, withValue(child, path, value, mode, title, depth + 1));
}

function without(document: Json, path: readonly string[], title: string, depth = 0): Json {
  if (path.length === 0) throw refused(title, 'the whole document cannot be removed');
  const step = path[depth]!;
  const child = childOf(document, step, path, depth, title);
  if (depth < path.length - 1) return withChild(document, step, without(child, path, title, depth + 1));
  if (Array.isArray(document)) return document.filter((_, index) => index !== Number(step)) as Json[];
  return jsonObject(Object.entries(document as object).filter(([name]) => name !== step));
}

function withChild(parent: Json, step: string, child: Json): Json {
  if (Array.isArray(parent)) {
    return parent.map((entry: Json, index) => (index === Number(step) ? child : entry));
  }
  return jsonObject(
    Object.entries(parent as Record<string, Json>).map(([name, value]) => [
      name,
      name === step ? child : value,
    ]),
  );
}

/** An index without leading zeros (RFC 6901 §4), at most `most`. */
function indexIn(list: readonly Json[], step: string, most: number, title: string): number {
  const index = /^(0|[1-9][0-9]*)$/.test(step) ? Number(step) : -1;
  if (index >= 0 && index <= most) return index;
  throw refused(
    title,
    `"${step}" is no index of a list of ${list.length}`,
    list.length === 0 ? 'use - to add to its end' : `use 0 to ${list.length - 1}, or - to add to its end`,
  );
}

function missing(parent: Json, path: readonly string[], title: string): ConfigError {
  const place = `/${path.map((step) => step.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
  const near = isJsonObject(parent) ? nearest(path.at(-1)!, Object.keys(parent)) : undefined;
  return refused(
    title,
    `there is no ${place}`,
    near === undefined ? 'add the maps that lead there first' : `use "${near}"`,
  );
}

function refused(title: string, problem: string, fix?: string): ConfigError {
  return new ConfigError('ctl.patch', `${title}: ${problem}`, fix === undefined ? {} : { fix });
}
