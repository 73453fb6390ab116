/**
 * The journal: the revisions of a directory datastore, one JSON object per line, appended by whoever holds the lock
 * and read by all.
 *
 *     {"margay":1,"epoch":"…","base":40,"revision":52}      the head
 *     {"t":"state", …}                                       what was stored at `revision`
 *     {"t":"past", …}                                        the changes in (base, revision]
 *     {"t":"change","r":53,"k":["Tier",null,"a"],"v":{…},"f":"…","h":"…"}   every change since
 *
 * The YAML files are the truth and the journal gives their changes an order: when it is lost it is made again from
 * the files, with a new epoch, which tells watches to list again. A line that a crash cut off is taken away by the
 * next writer. The journal is never synced to the disk on its own: what of it a power cut loses, the files still say.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MargayError } from '../../base/errors.ts';
import type { ResourceKey } from '../../model/resource.ts';
import { Change, type Content } from '../state.ts';

export const JOURNAL_FILE = 'journal';
const VERSION = 1;
const READ_SIZE = 256 * 1024;

export interface JournalHead {
  /** Random; another one means that revisions started anew. */
  readonly epoch: string;
  /** The changes up to here are forgotten. */
  readonly base: number;
  /** The newest change when the journal was (re)written. */
  readonly revision: number;
}

/** What the file of a key looked like when it was read or written last. */
export interface FileMark {
  /** Identity, size and times; another one means that the content may have changed. */
  readonly signature: string;
  readonly hash: string;
}

export type JournalLine =
  | { readonly type: 'state' | 'past' | 'change'; readonly change: Change; readonly file?: FileMark }
  /** The file changed in nothing but its signature. */
  | { readonly type: 'touch'; readonly key: ResourceKey; readonly file: FileMark };

/** What a read brings: lines that are new, after a new head if the file is another one than before. */
export interface JournalPart {
  readonly head?: JournalHead;
  readonly lines: readonly JournalLine[];
}

/** The journal is there but cannot be understood. */
export class JournalCorruptError extends MargayError {
  constructor(path: string, line: string, cause?: unknown) {
    super('datastore.journal', `${path} is damaged at ${JSON.stringify(line.slice(0, 80))}`, { cause });
  }
}

interface OpenFile {
  readonly descriptor: number;
  /** Device and inode. */
  readonly identity: string;
  /** Bytes read so far, up to and with the last line end. */
  consumed: number;
  /** Whether the head has been read. */
  begun: boolean;
}

/** One process's view of the journal file. All calls are synchronous, so that none sees another half done. */
export class Journal {
  private file: OpenFile | undefined;
  private readonly path: string;

  constructor(private readonly folder: string) {
    this.path = join(folder, JOURNAL_FILE);
  }

  /** Bytes of the file as far as it is read. */
  get size(): number {
    return this.file?.consumed ?? 0;
  }

  /**
   * Reads what is new. Undefined when there is no journal. Throws a {@link JournalCorruptError}, or an error of the
   * file system.
   */
  read(): JournalPart[] | undefined {
    const identity = this.identityNow();
    if (identity === undefined) return undefined;
    const parts: JournalPart[] = [];
    if (this.file !== undefined && this.file.identity !== identity) {
      // Its writer replaced it under the lock, so what we have open is complete.
      parts.push(this.readOn(this.file));
      this.forget();
    }
    if (this.file === undefined) {
      const descriptor = openSync(this.path, constants.O_RDONLY);
      this.file = { descriptor, identity: identityOf(fstatSync(descriptor)), consumed: 0, begun: false };
    }
    parts.push(this.readOn(this.file));
    return parts;
  }

  /** Appends lines; only with the lock held and everything read. */
  append(lines: readonly JournalLine[]): void {
    const file = this.file!;
    const descriptor = openSync(this.path, constants.O_RDWR);
    try {
      // A writer that was killed in the middle of its line left a piece of it.
      if (fstatSync(descriptor).size > file.consumed) ftruncateSync(descriptor, file.consumed);
      const bytes = Buffer.from(lines.map(encodeLine).join(''));
      writeFully(descriptor, bytes, file.consumed);
      file.consumed += bytes.length;
    } finally {
      closeSync(descriptor);
    }
  }

  /** Puts a new journal in place of the old one; only with the lock held. */
  replace(head: JournalHead, lines: Iterable<JournalLine>): void {
    const temporary = join(this.folder, 'writer', `${JOURNAL_FILE}.new`);
    const descriptor = openSync(temporary, 'w', 0o600);
    let consumed = 0;
    try {
      let text = `${JSON.stringify({ margay: VERSION, ...head })}\n`;
      for (const line of lines) {
        text += encodeLine(line);
        if (text.length < READ_SIZE) continue;
        consumed += writeFully(descriptor, Buffer.from(text), consumed);
        text = '';
      }
      consumed += writeFully(descriptor, Buffer.from(text), consumed);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, this.path);
    this.forget();
    const reopened = openSync(this.path, constants.O_RDONLY);
    const identity = identityOf(fstatSync(reopened));
    this.file = { descriptor: reopened, identity, consumed, begun: true };
  }

  /** Starts from the beginning with the next read. */
  forget(): void {
    if (this.file !== undefined) closeSync(this.file.descriptor);
    this.file = undefined;
  }

  private identityNow(): string | undefined {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    return stats === undefined ? undefined : identityOf(stats);
  }

  private readOn(file: OpenFile): JournalPart {
    let head: JournalHead | undefined;
    const lines: JournalLine[] = [];
    for (const text of readLines(file)) {
      if (!file.begun) {
        head = decodeHead(this.path, text);
        file.begun = true;
      } else {
        lines.push(decodeLine(this.path, text));
      }
    }
    return head === undefined ? { lines } : { head, lines };
  }
}

function identityOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`;
}

/** The complete lines after what is consumed; they are consumed with it. */
function* readLines(file: OpenFile): Generator<string> {
  let pending = Buffer.alloc(0);
  let position = file.consumed;
  for (;;) {
    const chunk = Buffer.allocUnsafe(READ_SIZE);
    const length = readSync(file.descriptor, chunk, 0, READ_SIZE, position);
    if (length === 0) return;
    position += length;
    pending = Buffer.concat([pending, chunk.subarray(0, length)]);
    let start = 0;
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10, start)) {
      const text = pending.toString('utf8', start, end);
      file.consumed += end + 1 - start;
      start = end + 1;
      yield text;
    }
    pending = pending.subarray(start);
  }
}

function writeFully(descriptor: number, bytes: Buffer, position: number): number {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
  return bytes.length;
}

/** Short names, as there is a line per change. */
interface Line {
  readonly t: 'state' | 'past' | 'change' | 'touch';
  readonly k: readonly [kind: string, namespace: string | null, name: string];
  /** Revision. */
  readonly r?: number;
  /** Value; without it and without `e` the key is deleted. */
  readonly v?: unknown;
  /** Why the file is unreadable: code, message, fix. */
  readonly e?: readonly [code: string, message: string, fix?: string];
  /** Signature and hash of the file. */
  readonly f?: string;
  readonly h?: string;
}

function encodeLine(line: JournalLine): string {
  const key = line.type === 'touch' ? line.key : line.change.key;
  const file = line.file === undefined ? {} : { f: line.file.signature, h: line.file.hash };
  const common = { t: line.type, k: [key.kind, key.namespace ?? null, key.name] as const };
  const whole: Line =
    line.type === 'touch'
      ? { ...common, ...file }
      : { ...common, r: line.change.revision, ...encodeContent(line.change.content), ...file };
  return `${JSON.stringify(whole)}\n`;
}

function encodeContent(content: Content): Pick<Line, 'v' | 'e'> {
  switch (content.type) {
    case 'value':
      return { v: content.value };
    case 'unreadable': {
      const { code, message, fix } = content.error;
      return { e: fix === undefined ? [code, message] : [code, message, fix] };
    }
    case 'deleted':
      return {};
  }
}

function decodeHead(path: string, text: string): JournalHead {
  const { margay, epoch, base, revision } = parseObject(path, text) as Partial<JournalHead> & {
    margay?: unknown;
  };
  if (margay !== VERSION || epoch === undefined || base === undefined || revision === undefined) {
    throw new JournalCorruptError(path, text);
  }
  return { epoch, base, revision };
}

function decodeLine(path: string, text: string): JournalLine {
  const line = parseObject(path, text) as Partial<Line>;
  const { t: type, k, r, v, e, f, h } = line;
  if (type === undefined || !Array.isArray(k) || k.length !== 3) throw new JournalCorruptError(path, text);
  const [kind, namespace, name] = k as Line['k'];
  const key: ResourceKey = namespace === null ? { kind, name } : { kind, namespace, name };
  const file = f === undefined || h === undefined ? undefined : { signature: f, hash: h };
  if (type === 'touch') {
    if (file === undefined) throw new JournalCorruptError(path, text);
    return { type, key, file };
  }
  if (r === undefined) throw new JournalCorruptError(path, text);
  const content: Content =
    v !== undefined
      ? { type: 'value', value: v }
      : e !== undefined
        ? {
            type: 'unreadable',
            error: new MargayError(e[0], e[1], e[2] === undefined ? {} : { fix: e[2] }),
          }
        : { type: 'deleted' };
  const change = new Change(key, r, content);
  return file === undefined ? { type, change } : { type, change, file };
}

function parseObject(path: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new JournalCorruptError(path, text, cause);
  }
  if (typeof value !== 'object' || value === null) throw new JournalCorruptError(path, text);
  return value;
}
