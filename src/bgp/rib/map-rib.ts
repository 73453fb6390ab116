/** The {@link Rib} on plain maps. */
import { type Family, familyOf } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import { type Selection, decide } from './decision.ts';
import type { Rib, SourceCount } from './rib.ts';
import type { Path, Route, Source } from './route.ts';

interface Entry {
  paths: readonly Path[];
  selection: Selection | undefined;
}

/** All of one family. */
class FamilyTable {
  readonly entries = new Map<Prefix, Entry>();
  /** Adj-RIB-in; the key of own routes is undefined. */
  readonly bySource = new Map<Source | undefined, Map<Prefix, Path>>();
  readonly stale = new Map<Source, Set<Prefix>>();
  readonly dirty = new Set<Prefix>();
  held = false;

  set(path: Path, prefix: Prefix): void {
    const { source } = path;
    let told = this.bySource.get(source);
    if (told === undefined) this.bySource.set(source, (told = new Map()));
    const before = told.get(prefix);
    told.set(prefix, path);
    if (source !== undefined && !path.stale) this.stale.get(source)?.delete(prefix);
    const entry = this.entries.get(prefix);
    if (entry === undefined) {
      this.entries.set(prefix, { paths: [path], selection: undefined });
    } else if (before === undefined) {
      entry.paths = [...entry.paths, path];
    } else {
      entry.paths = entry.paths.map((other) => (other === before ? path : other));
      // A stale route that is told again unchanged: nobody else need know.
      if (before.route === path.route && before.source === path.source) {
        entry.selection = replaceInSelection(entry.selection, before, path);
        return;
      }
    }
    this.dirty.add(prefix);
  }

  delete(source: Source | undefined, prefix: Prefix): void {
    const told = this.bySource.get(source);
    const path = told?.get(prefix);
    if (told === undefined || path === undefined) return;
    told.delete(prefix);
    if (source !== undefined) this.stale.get(source)?.delete(prefix);
    const entry = this.entries.get(prefix)!;
    entry.paths = entry.paths.filter((other) => other !== path);
    this.dirty.add(prefix);
  }
}

export class MapRib implements Rib {
  private readonly tables: Readonly<Record<Family, FamilyTable>> = {
    4: new FamilyTable(),
    6: new FamilyTable(),
  };

  announce(source: Source | undefined, prefix: Prefix, route: Route): void {
    this.tables[familyOf(prefix)].set({ source, route, stale: false }, prefix);
  }

  withdraw(source: Source | undefined, prefix: Prefix): void {
    this.tables[familyOf(prefix)].delete(source, prefix);
  }

  drop(source: Source, family: Family): void {
    const table = this.tables[family];
    for (const prefix of table.bySource.get(source)?.keys() ?? []) table.delete(source, prefix);
    table.bySource.delete(source);
    table.stale.delete(source);
  }

  markStale(source: Source, family: Family): void {
    this.sweepStale(source, family);
    const table = this.tables[family];
    const told = [...(table.bySource.get(source) ?? [])];
    for (const [prefix, path] of told) table.set({ ...path, stale: true }, prefix);
    table.stale.set(source, new Set(told.map(([prefix]) => prefix)));
  }

  sweepStale(source: Source, family: Family): number {
    const table = this.tables[family];
    const stale = [...(table.stale.get(source) ?? [])];
    for (const prefix of stale) table.delete(source, prefix);
    table.stale.delete(source);
    return stale.length;
  }

  renewSource(before: Source, after: Source): void {
    for (const table of Object.values(this.tables)) {
      const told = table.bySource.get(before);
      if (told === undefined) continue;
      table.bySource.delete(before);
      const stale = table.stale.get(before);
      table.stale.delete(before);
      const renewed = new Map<Prefix, Path>();
      for (const [prefix, path] of told) {
        const moved: Path = { ...path, source: after };
        renewed.set(prefix, moved);
        const entry = table.entries.get(prefix)!;
        entry.paths = entry.paths.map((other) => (other === path ? moved : other));
        table.dirty.add(prefix);
      }
      table.bySource.set(after, renewed);
      if (stale !== undefined) table.stale.set(after, stale);
    }
  }

  count(source: Source, family: Family): SourceCount {
    const table = this.tables[family];
    return {
      received: table.bySource.get(source)?.size ?? 0,
      stale: table.stale.get(source)?.size ?? 0,
    };
  }

  setHeld(family: Family, held: boolean): void {
    this.tables[family].held = held;
  }

  select(limit: number, changed: (prefix: Prefix, selection: Selection | undefined) => void): number {
    let budget = limit;
    let left = 0;
    for (const table of Object.values(this.tables)) {
      if (table.held) continue;
      for (const prefix of table.dirty) {
        if (budget-- <= 0) break;
        table.dirty.delete(prefix);
        const entry = table.entries.get(prefix)!;
        const selection = decide(entry.paths);
        if (selection === undefined) table.entries.delete(prefix);
        const before = entry.selection;
        entry.selection = selection;
        if (!sameSelection(before, selection)) changed(prefix, selection);
      }
      left += table.dirty.size;
    }
    return left;
  }

  selection(prefix: Prefix): Selection | undefined {
    return this.tables[familyOf(prefix)].entries.get(prefix)?.selection;
  }

  *selected(family: Family): Generator<readonly [Prefix, Selection]> {
    for (const [prefix, { selection }] of this.tables[family].entries) {
      if (selection !== undefined) yield [prefix, selection];
    }
  }

  *paths(family: Family): Generator<readonly [Prefix, Path, best: boolean]> {
    for (const [prefix, { paths, selection }] of this.tables[family].entries) {
      for (const path of paths) yield [prefix, path, path === selection?.best];
    }
  }
}

/** Same for everyone who acts on it: the same routes from the same sources. */
function sameSelection(a: Selection | undefined, b: Selection | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    samePath(a.best, b.best) &&
    a.equal.length === b.equal.length &&
    a.equal.every((path, index) => samePath(path, b.equal[index]!))
  );
}

function samePath(a: Path, b: Path): boolean {
  return a.route === b.route && a.source === b.source;
}

function replaceInSelection(
  selection: Selection | undefined,
  before: Path,
  after: Path,
): Selection | undefined {
  if (selection === undefined) return undefined;
  const replace = (path: Path): Path => (path === before ? after : path);
  return { ...selection, best: replace(selection.best), equal: selection.equal.map(replace) };
}
