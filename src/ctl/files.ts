/** Reading resources from what `-f` names: files, directories, standard input. */
import { readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import { type ParsedResource, parseResources } from '../model/yaml.ts';

export interface SourceOptions {
  /** Descend into directories (`-R`). */
  readonly recursive: boolean;
  /** Namespace of namespaced resources that state none. */
  readonly namespace: string;
  /** A file or directory may hold no resource. */
  readonly skipEmpty: boolean;
}

const STANDARD_INPUT = 0;
const RESOURCE_FILE = /\.(ya?ml|json)$/;

/**
 * Every document of the sources, in order. Throws a ConfigError for a source that cannot be read, and for one that
 * holds no resource unless `skipEmpty`.
 */
export function readSources(sources: readonly string[], options: SourceOptions): ParsedResource[] {
  return sources.flatMap((source) => {
    const documents =
      source === '-'
        ? parse(readFileSync(STANDARD_INPUT, 'utf8'), '<stdin>', options)
        : filesOf(source, options.recursive).flatMap((file) => {
            const found = parse(readText(file), file, options);
            if (found.length === 0) requireNotEmpty(file, options);
            return found;
          });
    if (documents.length === 0) requireNotEmpty(source, options);
    return documents;
  });
}

function parse(text: string, file: string, { namespace }: SourceOptions): ParsedResource[] {
  return parseResources(text, { file, defaultNamespace: namespace });
}

function requireNotEmpty(source: string, { skipEmpty }: SourceOptions): void {
  if (skipEmpty) return;
  throw new ConfigError('ctl.file', `no resources specified in ${source === '-' ? '<stdin>' : source}`, {
    fix: 'write a resource into it, add -R to descend into directories, or pass it over with --skip-empty',
  });
}

/** The file itself, or the resource files of a directory, in order of their names. */
function filesOf(path: string, recursive: boolean): string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (cause) {
    throw new ConfigError('ctl.file', `cannot read ${path}`, {
      cause,
      fix: 'give an existing file or directory, or - for standard input',
    });
  }
  if (!isDirectory) return [path];
  return readdirSync(path, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return recursive ? filesOf(child, true) : [];
      return RESOURCE_FILE.test(entry.name) ? [child] : [];
    });
}

/** A file's text. Throws a ConfigError. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError('ctl.file', `cannot read ${file}`, {
      cause,
      fix: 'check the path and its permissions',
    });
  }
}

/** Replaces a file as a whole: an interruption leaves the old one. Throws a ConfigError. */
export function writeWhole(file: string, content: string | Buffer): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new ConfigError('ctl.file', `cannot write ${file}`, {
      cause,
      fix: 'check the folder and its permissions',
    });
  }
}
