/**
 * Paths of one family as columns, in a chain for each prefix: `first(prefix)`, `next(path)`. A path is whatever one
 * source says of one prefix under one path identifier (RFC 7911); its number may come to mean another when it is gone.
 */
import type { AttributeId } from './attribute-store.ts';
import { FIRST_ROWS, grown } from './columns.ts';
import type { PrefixId } from './prefix-table.ts';
import type { SourceId } from './sources.ts';

/** Number of a path; 0 is none. */
export type PathId = number;

/** In the column of sources: the row is free. */
const FREE = 0xffff;

export class PathTable {
  private heads = new Uint32Array(FIRST_ROWS);
  private prefixes = new Uint32Array(FIRST_ROWS);
  private attributes = new Uint32Array(FIRST_ROWS);
  private nexts = new Uint32Array(FIRST_ROWS);
  private sources = new Uint16Array(FIRST_ROWS);
  private epochs = new Uint8Array(FIRST_ROWS);
  /** Path identifiers as received; made when the first comes that is not 0. */
  private identifiers = new Uint32Array(0);
  /** First of the rows that are free, which are chained by `nexts`. */
  private free = 0;
  private used = 1;

  /** Paths are below this. */
  get limit(): number {
    return this.used;
  }

  first(prefix: PrefixId): PathId {
    return prefix < this.heads.length ? this.heads[prefix]! : 0;
  }

  next(path: PathId): PathId {
    return this.nexts[path]!;
  }

  isFree(path: PathId): boolean {
    return this.sources[path] === FREE;
  }

  prefix(path: PathId): PrefixId {
    return this.prefixes[path]!;
  }

  attribute(path: PathId): AttributeId {
    return this.attributes[path]!;
  }

  source(path: PathId): SourceId {
    return this.sources[path]!;
  }

  epoch(path: PathId): number {
    return this.epochs[path]!;
  }

  /** As received (RFC 7911 §3); 0 without ADD-PATH. */
  identifier(path: PathId): number {
    return path < this.identifiers.length ? this.identifiers[path]! : 0;
  }

  /** What the source says of the prefix, or 0. */
  find(prefix: PrefixId, source: SourceId, identifier: number): PathId {
    let path = this.first(prefix);
    while (path !== 0) {
      if (this.sources[path] === source && this.identifier(path) === identifier) return path;
      path = this.nexts[path]!;
    }
    return 0;
  }

  /** Puts a new path at the end of the chain. The first of the chain stays the first. */
  add(prefix: PrefixId, source: SourceId, identifier: number, attribute: AttributeId, epoch: number): PathId {
    const path = this.row();
    this.prefixes[path] = prefix;
    this.sources[path] = source;
    this.attributes[path] = attribute;
    this.epochs[path] = epoch;
    if (identifier !== 0 || path < this.identifiers.length) this.setIdentifier(path, identifier);
    if (prefix >= this.heads.length) this.heads = grown(this.heads, prefix + 1);
    const head = this.heads[prefix]!;
    if (head === 0) {
      this.nexts[path] = 0;
      this.heads[prefix] = path;
    } else {
      this.nexts[path] = this.nexts[head]!;
      this.nexts[head] = path;
    }
    return path;
  }

  replace(path: PathId, attribute: AttributeId, epoch: number): void {
    this.attributes[path] = attribute;
    this.epochs[path] = epoch;
  }

  remove(path: PathId): void {
    this.unlink(path);
    this.sources[path] = FREE;
    this.nexts[path] = this.free;
    this.free = path;
  }

  /** Makes the path the first of its chain. */
  lead(path: PathId): void {
    const prefix = this.prefixes[path]!;
    if (this.heads[prefix] === path) return;
    this.unlink(path);
    this.nexts[path] = this.heads[prefix]!;
    this.heads[prefix] = path;
  }

  private unlink(path: PathId): void {
    const prefix = this.prefixes[path]!;
    const next = this.nexts[path]!;
    if (this.heads[prefix] === path) {
      this.heads[prefix] = next;
      return;
    }
    let before = this.heads[prefix]!;
    while (this.nexts[before] !== path) before = this.nexts[before]!;
    this.nexts[before] = next;
  }

  private row(): PathId {
    const path = this.free;
    if (path !== 0) {
      this.free = this.nexts[path]!;
      return path;
    }
    const rows = ++this.used;
    if (rows <= this.prefixes.length) return rows - 1;
    this.prefixes = grown(this.prefixes, rows);
    this.attributes = grown(this.attributes, rows);
    this.nexts = grown(this.nexts, rows);
    this.sources = grown(this.sources, rows);
    this.epochs = grown(this.epochs, rows);
    return rows - 1;
  }

  private setIdentifier(path: PathId, identifier: number): void {
    if (this.identifiers.length === 0) this.identifiers = new Uint32Array(FIRST_ROWS);
    this.identifiers = grown(this.identifiers, path + 1);
    this.identifiers[path] = identifier;
  }
}
