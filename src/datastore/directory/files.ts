/** The YAML files of a directory datastore: finding, reading, replacing and removing them. */
import { createHash } from 'node:crypto';
import { type BigIntStats, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { MargayError } from '../../base/errors.ts';
import { ValidationError } from '../../model/problem.ts';
import { type Resource, type ResourceKey, keyOf, keyText } from '../../model/resource.ts';
import { kindDefinition } from '../../model/registry.ts';
import { formatYaml, parseResources } from '../../model/yaml.ts';
import { STRAY_KIND, withoutVersion } from '../stamp.ts';
import type { Content } from '../state.ts';
import { errorCode } from './directory-error.ts';
import type { FileMark } from './journal.ts';
import { OWN_FOLDER, isResourceFile, isResourceFolder, keyOfPath, pathOf, strayReason } from './layout.ts';

/**
 * A file that changed less than so many milliseconds ago may be in the middle of an edit, and on kernels before 6.13
 * another edit in the same clock tick would not show in its times.
 */
const SETTLING = 25;

/** The same for an empty one: an editor that writes in place empties a file before it fills it. */
const SETTLING_EMPTY = 500;

/** Files looked at between two turns of the event loop. */
const SLICE = 256;

/** What a file holds, and what it looked like when it was read. */
export interface ReadFile {
  readonly key: ResourceKey;
  readonly content: Exclude<Content, { type: 'deleted' }>;
  readonly file: FileMark;
}

export class ResourceFiles {
  constructor(private readonly root: string) {}

  /** Signature of a file; undefined if there is none. */
  signature(path: string): string | undefined {
    const stats = statSync(join(this.root, path), { bigint: true, throwIfNoEntry: false });
    return stats?.isFile() === true ? signatureOf(stats) : undefined;
  }

  /** Paths below the root of all files that hold resources, or seem to, with their signatures. */
  async scan(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const folder of ['', ...this.folders()]) {
      for (const [path, signature] of await this.scanFolder(folder)) found.set(path, signature);
    }
    return found;
  }

  /** All folders below the root where people may have put files; parents before children. */
  folders(below = ''): string[] {
    return this.subfolders(below).flatMap((name) => {
      const folder = below === '' ? name : `${below}/${name}`;
      return [folder, ...this.folders(folder)];
    });
  }

  private subfolders(folder: string): string[] {
    return this.entries(folder)
      .filter((entry) => entry.isDirectory() && isResourceFolder(entry.name) && entry.name !== OWN_FOLDER)
      .map((entry) => entry.name)
      .toSorted();
  }

  /** The same as {@link scan} of one folder, not of those below it. */
  async scanFolder(folder: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    let looked = 0;
    for (const entry of this.entries(folder)) {
      if (!isResourceFile(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const signature = this.signature(path);
      if (signature !== undefined && keyOfPath(path) !== undefined) found.set(path, signature);
      if (++looked % SLICE === 0) await nextTurn();
    }
    return found;
  }

  private entries(folder: string) {
    try {
      return readdirSync(join(this.root, folder), { withFileTypes: true });
    } catch (error) {
      // Removed, or replaced by a file, while we were looking.
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
      throw error;
    }
  }

  /** Reads a file once it has settled; undefined if there is none. `knownKey`: of the resource it held before. */
  async read(path: string, knownKey?: ResourceKey): Promise<ReadFile | undefined> {
    const absolute = join(this.root, path);
    for (let wait = unsettled(absolute); wait > 0; wait = unsettled(absolute)) await sleep(wait);
    let bytes: Buffer;
    let signature: string | undefined;
    try {
      // Taken before the content: a change in between makes the mark look old, and the file is read again.
      signature = this.signature(path);
      bytes = readFileSync(absolute);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const pathKey = knownKey ?? keyOfPath(path);
    if (signature === undefined || pathKey === undefined) return undefined;
    const file = { signature, hash: hashOf(bytes) };
    return { ...parseFile(absolute, path, pathKey, bytes.toString('utf8')), file };
  }

  /** Replaces (or makes) the file of a resource atomically, and durably. Only with the lock held. */
  async write(resource: Resource): Promise<FileMark> {
    const path = pathOf(keyOf(resource))!;
    const target = join(this.root, path);
    const bytes = Buffer.from(formatYaml(withoutVersion(resource)));
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    // One name suffices: there is one writer, and what a crash leaves there is overwritten.
    const temporary = join(this.root, OWN_FOLDER, 'writer', 'incoming');
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
      await rename(temporary, target);
      const signature = signatureOf(await handle.stat({ bigint: true }));
      await syncFolder(dirname(target));
      return { signature, hash: hashOf(bytes) };
    } finally {
      await handle.close();
    }
  }

  /** Removes the file of a key, if it is there, durably. Only with the lock held. */
  async remove(key: ResourceKey): Promise<void> {
    const target = join(this.root, pathOf(key)!);
    try {
      await unlink(target);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      return;
    }
    await syncFolder(dirname(target));
  }
}

/** Milliseconds until the next look at a file that may be in the middle of an edit; 0 for one that is not. */
function unsettled(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  const age = Date.now() - stats.mtimeMs;
  // The clock of the file system runs in finer steps than ours: "now" may be a little later than now.
  return Math.abs(age) < (stats.size === 0 ? SETTLING_EMPTY : SETTLING) ? SETTLING : 0;
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function signatureOf(stats: BigIntStats): string {
  return [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].map((value) => value.toString(36)).join('.');
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
}

/** What is wrong with a file that lies where no resource can, and where it belongs if that can be told. */
function strayError(absolute: string, path: string, text: string): MargayError {
  const documents = parseResources(text, { file: absolute, defaultNamespace: 'default' });
  const [document] = documents;
  const key = document?.resource === undefined ? undefined : keyOf(document.resource);
  const isStored = key !== undefined && kindDefinition(key.kind)?.storedAs === undefined;
  const belongs = documents.length === 1 && isStored ? pathOf(key) : undefined;
  return new MargayError('datastore.misplaced', `${absolute}: not read: ${strayReason(path)}`, {
    fix:
      belongs === undefined
        ? `use margayctl apply -f ${absolute}, which puts each resource where it belongs, and move the file away`
        : `move it to ${belongs}`,
  });
}

/** One document, which must be the resource that the path names. */
function parseFile(absolute: string, path: string, key: ResourceKey, text: string): Omit<ReadFile, 'file'> {
  const unreadable = (error: MargayError): Omit<ReadFile, 'file'> => ({
    key,
    content: { type: 'unreadable', error },
  });
  if (key.kind === STRAY_KIND) return unreadable(strayError(absolute, path, text));
  const documents = parseResources(text, {
    file: absolute,
    ...(key.namespace === undefined ? {} : { defaultNamespace: key.namespace }),
  });
  const [document] = documents;
  if (document === undefined) {
    return unreadable(
      new ValidationError([{ file: absolute, line: 1, path: [], message: 'the file holds no resource' }]),
    );
  }
  if (documents.length > 1) {
    const { line } = documents[1]!;
    return unreadable(
      new ValidationError([
        { file: absolute, line, path: [], message: 'the file holds more than one resource, allowed is one' },
      ]),
    );
  }
  if (document.problems !== undefined) return unreadable(new ValidationError(document.problems));
  const resource = withoutVersion(document.resource);
  const found = keyOf(resource);
  const expected = pathOf(found);
  if (expected !== path) {
    return unreadable(
      new MargayError(
        'datastore.misplaced',
        `${absolute}:${document.line}: the file holds ${keyText(found)}, which belongs in ${expected}`,
        { fix: 'rename the file, or change metadata.name and metadata.namespace to what the file is called' },
      ),
    );
  }
  return { key: found, content: { type: 'value', value: resource } };
}
