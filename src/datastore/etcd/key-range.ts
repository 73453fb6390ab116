/** Ranges of etcd keys: [start, end). */
import { etcdPrefixes } from '../../model/keys.ts';
import type { ListOptions } from '../datastore.ts';

export interface KeyRange {
  readonly start: Buffer;
  readonly end: Buffer;
}

/** Everything that begins with a prefix: up to the prefix with its last byte one higher. */
export function prefixRange(prefix: string): KeyRange {
  const start = Buffer.from(prefix);
  const end = Buffer.from(start);
  end[end.length - 1]!++;
  return { start, end };
}

/** The ranges that hold what a list asks for, in a cluster whose keys have a prefix. */
export function listRanges(options: ListOptions, keyPrefix: string): KeyRange[] {
  return etcdPrefixes(options).map((prefix) => prefixRange(keyPrefix + prefix));
}

/**
 * One range that spans all of {@link listRanges}: only a single watcher gets its events in order of their revisions.
 * What else lies in it is ignored.
 */
export function watchRange(options: ListOptions, keyPrefix: string): KeyRange {
  const ranges = listRanges(options, keyPrefix).toSorted((a, b) => Buffer.compare(a.start, b.start));
  return { start: ranges[0]!.start, end: ranges.at(-1)!.end };
}
