/**
 * What a process knows of a directory datastore: the content and, by path, the file of each resource, both as the
 * journal orders them.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '../../base/log.ts';
import { type ResourceKey, keyText } from '../../model/resource.ts';
import { CompactedError } from '../datastore.ts';
import { Change, type Entry, State } from '../state.ts';
import {
  type FileMark,
  Journal,
  JournalCorruptError,
  type JournalHead,
  type JournalLine,
  type JournalPart,
} from './journal.ts';
import { pathOf } from './layout.ts';

/** The journal is written anew, with only `keep` past changes, when it has grown past both limits. */
export interface Rotation {
  readonly bytes: number;
  /** Times its size when it was written last. */
  readonly growth: number;
  readonly keep: number;
}

/** When a journal is written anew if nothing else is said. */
export const ROTATION: Rotation = { bytes: 4 * 1024 * 1024, growth: 4, keep: 2_000 };

/** Revisions that a damaged journal may have given out beyond what can still be read of it. */
const LOST_REVISIONS = 1_000;

/** What the journal says of a file, and whose it is. */
export interface FileRecord extends FileMark {
  readonly key: ResourceKey;
}

/** A line that tells of a change. */
export type ChangeLine = JournalLine & { readonly type: 'change' | 'state' | 'past' };

export class Replica {
  private current = new State();
  private epoch: string | undefined;
  private files = new Map<string, FileRecord>();
  private sizeWhenWritten = 0;
  private readonly journal: Journal;

  /** `folder` holds the journal. */
  constructor(
    folder: string,
    private readonly rotation: Rotation,
    private readonly logger: Logger | undefined,
  ) {
    this.journal = new Journal(folder);
  }

  /** The content. Another object when the journal was made again: watches of the last one have failed then. */
  get state(): State {
    return this.current;
  }

  /** What the journal says of each file, by its path. */
  get records(): ReadonlyMap<string, FileRecord> {
    return this.files;
  }

  /** Whether a journal was ever read. */
  get isLoaded(): boolean {
    return this.epoch !== undefined;
  }

  /** Takes over what is new in the journal. */
  read(): 'ok' | 'missing' | 'damaged' {
    let parts: JournalPart[] | undefined;
    try {
      parts = this.journal.read();
    } catch (error) {
      if (!(error instanceof JournalCorruptError)) throw error;
      this.logger?.warn({ err: error }, 'datastore journal is damaged');
      return 'damaged';
    }
    if (parts === undefined) return 'missing';
    for (const part of parts) this.take(part);
    return 'ok';
  }

  /** The revision that everything in a new journal has, where {@link Replica.read} found none or a damaged one. */
  revisionAfter(found: 'missing' | 'damaged'): number {
    return this.current.revision + (found === 'damaged' ? LOST_REVISIONS : 1);
  }

  /** Begins a new journal with what is stored, at one revision. Only with the lock held. */
  begin(revision: number, lines: readonly JournalLine[]): void {
    const head: JournalHead = { epoch: randomUUID(), base: revision, revision };
    this.journal.replace(head, lines);
    this.load(head, lines);
  }

  /** The line of the change that is to come next. */
  nextChange(key: ResourceKey, content: Change['content']): ChangeLine {
    return { type: 'change', change: new Change(key, this.current.revision + 1, content) };
  }

  /** Appends a line and takes it over. Only with the lock held and everything read. */
  commit(line: JournalLine): void {
    this.journal.append([line]);
    this.applyLine(line);
    const { bytes, growth, keep } = this.rotation;
    const { size } = this.journal;
    if (size > bytes && size > growth * this.sizeWhenWritten) this.rotate(keep);
  }

  /** Closes the journal. */
  forget(): void {
    this.journal.forget();
  }

  private take({ head, lines }: JournalPart): void {
    if (head === undefined) {
      for (const line of lines) this.applyLine(line);
    } else if (head.epoch === this.epoch && head.base <= this.current.revision) {
      for (const line of lines) this.applyLine(line);
      this.current.compact(head.base);
      this.sizeWhenWritten = this.journal.size;
    } else {
      this.load(head, lines);
    }
  }

  /** Takes one line over, unless its change is known. */
  private applyLine(line: JournalLine): void {
    if (line.type === 'touch') {
      this.mark(line.key, line.file);
    } else if (line.type === 'state') {
      if (line.file !== undefined) this.mark(line.change.key, line.file);
    } else if (line.change.revision > this.current.revision) {
      this.current.apply(line.change);
      if (line.change.content.type === 'deleted') this.unmark(line.change.key);
      else if (line.file !== undefined) this.mark(line.change.key, line.file);
    }
  }

  private load(head: JournalHead, lines: readonly JournalLine[]): void {
    const entries = new Map<string, Entry>();
    const history: Change[] = [];
    const later: JournalLine[] = [];
    this.files = new Map();
    for (const line of lines) {
      if (line.type === 'state') {
        const { change: last, file } = line;
        const id = keyText(last.key);
        entries.set(id, { last, good: last.content.type === 'value' ? last : entries.get(id)?.good });
        if (file !== undefined) this.mark(last.key, file);
      } else if (line.type === 'past') {
        history.push(line.change);
      } else {
        later.push(line);
      }
    }
    const { base, revision } = head;
    const before = this.current;
    this.current = new State({ base, revision, entries: entries.values(), history });
    before.fail(new CompactedError(before.revision));
    this.epoch = head.epoch;
    this.sizeWhenWritten = this.journal.size;
    for (const line of later) this.applyLine(line);
  }

  private mark(key: ResourceKey, file: FileMark): void {
    const path = pathOf(key);
    if (path !== undefined) this.files.set(path, { key, ...file });
  }

  private unmark(key: ResourceKey): void {
    const path = pathOf(key);
    if (path !== undefined) this.files.delete(path);
  }

  /** Writes the journal anew: what is stored now, and the newest changes. */
  private rotate(keep: number): void {
    const { revision } = this.current;
    const changes = this.current.changes();
    const past = changes.slice(Math.max(0, changes.length - keep));
    const base = past.length === 0 ? revision : past[0]!.revision - 1;
    const head: JournalHead = { epoch: this.epoch!, base, revision };
    this.journal.replace(head, this.snapshotLines(past));
    this.current.compact(base);
    this.sizeWhenWritten = this.journal.size;
  }

  private *snapshotLines(past: readonly Change[]): Generator<JournalLine> {
    for (const { last, good } of this.current.all()) {
      if (good !== undefined && good !== last) yield { type: 'state', change: good };
      const path = pathOf(last.key);
      const record = path === undefined ? undefined : this.files.get(path);
      yield { type: 'state', change: last, ...(record === undefined ? {} : { file: record }) };
    }
    for (const change of past) yield { type: 'past', change };
  }
}
