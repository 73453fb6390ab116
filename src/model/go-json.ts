/**
 * JSON byte for byte as Go's encoding/json writes it: maps sorted by key, `<`, `>` and `&` escaped, integers of 64
 * bits. Calico's etcd values are written so.
 */

/** A map whose entries come in the order of their keys' bytes; plain objects put keys like `10` before others. */
export class SortedMap {
  constructor(readonly entries: readonly (readonly [string, unknown])[]) {}
}

/** The entries as a map of Go, which sorts its keys by bytes. */
export function sortedByBytes(entries: readonly (readonly [string, unknown])[]): SortedMap {
  return new SortedMap(entries.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

/** What Go's HTML-safe encoding escapes within texts; outside them none of these occurs. */
const escapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** The JSON of a value of objects in the order of their fields, {@link SortedMap}s, lists, texts, numbers and bigints. */
export function goJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = value instanceof SortedMap ? value.entries : Object.entries(value);
    const fields = entries.filter(([, entry]) => entry !== undefined);
    return `{${fields.map(([name, entry]) => `${goJson(name)}:${goJson(entry)}`).join(',')}}`;
  }
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => escapes[character]!);
}

/** Parses JSON, with integers that numbers cannot hold as decimal text. Throws a SyntaxError. */
export function parseGoJson(text: string): unknown {
  const safe = text.replace(/"(?:[^"\\]|\\.)*"|-?[0-9]{16,}(?![0-9.eE])/g, (token) =>
    token.startsWith('"') || Number.isSafeInteger(Number(token)) ? token : `"${token}"`,
  );
  return JSON.parse(safe);
}
