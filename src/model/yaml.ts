/** YAML and JSON texts of resources: reading with positions, and writing. */
import {
  type Document,
  LineCounter,
  type Pair,
  type Node as YamlNode,
  type ParsedNode,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  stringify,
  visit,
} from 'yaml';
import { parseBlockYaml } from './block-yaml.ts';
import { type EntryOptions, decodeEntry } from './decode.ts';
import type { Fault } from './fault-report.ts';
import type { Path, Problem } from './problem.ts';
import { type KnownResource, kindDefinition } from './registry.ts';
import type { Resource } from './resource.ts';
import { metadataSchema } from './metadata.ts';
import { inSchemaOrder, isPlainObject } from './schema-walk.ts';

/** One resource of a text, or all that is wrong with it. */
export type ParsedResource = {
  /** Line of the text where it begins, from 1. */
  readonly line: number;
} & (
  | { readonly resource: KnownResource; readonly problems?: undefined }
  | { readonly resource?: undefined; readonly problems: readonly Problem[] }
);

export interface ParseOptions extends EntryOptions {
  /** What problems call the text. */
  readonly file?: string;
}

/** More aliases than this in one document are refused: they can unfold to any size. */
const maximumAliases = 100;

/**
 * Reads a text of any number of YAML documents (JSON is one of them), each a resource or a `List` of resources. Empty
 * documents are left out. Never throws for what the text holds.
 */
export function parseResources(text: string, options: ParseOptions = {}): ParsedResource[] {
  const plain = parseBlockYaml(text);
  const decoded = plain === undefined ? undefined : decodeEntry(plain.value, options);
  // What is wrong with a document is told with places, which only the whole parser knows.
  if (decoded?.resource !== undefined) return [{ line: plain!.line, resource: decoded.resource }];
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    merge: true,
    prettyErrors: false,
  });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => new DocumentReader(document, lines, options).read());
}

const syntaxHints: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'duplicate field',
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
};

class DocumentReader {
  constructor(
    private readonly document: Document.Parsed<ParsedNode>,
    private readonly lines: LineCounter,
    private readonly options: ParseOptions,
  ) {}

  read(): ParsedResource[] {
    const line = this.lineOf(this.document.contents);
    const errors = [...this.document.errors, ...this.document.warnings];
    if (errors.length > 0) {
      const problems = errors.map((error) => {
        const message = syntaxHints[error.code] ?? error.message.split('\n')[0]!;
        return { ...this.placeOf(error.pos[0]), path: [], message };
      });
      return [{ line, problems }];
    }
    let value: unknown;
    try {
      value = this.document.toJS({ maxAliasCount: maximumAliases });
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      const problem = { ...this.placeOf(this.danglingAlias()), path: [], message: error.message };
      return [{ line, problems: [problem] }];
    }
    if (value === null || value === undefined) return [];
    return isPlainObject(value) && isList(value) ? this.readList(value) : [this.readOne(value, [])];
  }

  /** Where the first alias without an anchor stands, else the document's start. */
  private danglingAlias(): number {
    let offset: number | undefined;
    visit(this.document, {
      Alias: (_key, alias) => {
        if (alias.resolve(this.document) !== undefined) return undefined;
        offset = alias.range?.[0];
        return visit.BREAK;
      },
    });
    return offset ?? this.document.range[0];
  }

  private readList(list: Record<string, unknown>): ParsedResource[] {
    const items = list['items'];
    if (!Array.isArray(items)) {
      return [
        {
          line: this.lineOf(this.document.contents),
          problems: [this.problem({ path: ['items'], message: 'expected a list' })],
        },
      ];
    }
    // The items of a typed list may leave out what the list's own kind says.
    const { apiVersion, kind } = list;
    const itemKind = kind === 'List' ? undefined : String(kind).slice(0, -'List'.length);
    return items.map((item: unknown, index) => {
      const whole =
        isPlainObject(item) && itemKind !== undefined ? { apiVersion, kind: itemKind, ...item } : item;
      return this.readOne(whole, ['items', index]);
    });
  }

  private readOne(value: unknown, at: Path): ParsedResource {
    const line = this.lineOf(this.nodeAt(at).node);
    const decoded = decodeEntry(value, this.options);
    if (decoded.faults === undefined) return { line, resource: decoded.resource };
    const problems = decoded.faults.map((fault) => this.problem({ ...fault, path: [...at, ...fault.path] }));
    return { line, problems: problems.sort(byPlace) };
  }

  private lineOf(node: YamlNode | null | undefined): number {
    return this.lines.linePos(node?.range?.[0] ?? this.document.range[0]).line;
  }

  private placeOf(offset: number): Pick<Problem, 'file' | 'line' | 'column'> {
    const { line, col } = this.lines.linePos(offset);
    return { ...(this.options.file === undefined ? {} : { file: this.options.file }), line, column: col };
  }

  private problem(fault: Fault): Problem {
    const { at, offset, ...problem } = fault;
    const { node, key, exact } = this.nodeAt(fault.path);
    const target = exact && at !== 'key' ? (node ?? key) : (key ?? node);
    let start = target?.range?.[0] ?? this.document.range[0];
    if (offset !== undefined && exact) start += scalarOffset(node, offset);
    return { ...this.placeOf(start), ...problem };
  }

  /** The node at a path, or as far as the document has it; and the key under which it lies. */
  private nodeAt(path: Path): { node: YamlNode | null | undefined; key?: YamlNode; exact: boolean } {
    let node: YamlNode | null | undefined = this.document.contents;
    let key: YamlNode | undefined;
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.document);
      let next: YamlNode | null | undefined;
      if (isMap<YamlNode, YamlNode | null>(node)) {
        const pair: Pair<YamlNode, YamlNode | null> | undefined = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
        );
        if (pair === undefined) return { node, ...(key === undefined ? {} : { key }), exact: false };
        key = pair.key;
        next = pair.value;
      } else if (isSeq<YamlNode>(node) && typeof step === 'number') {
        if (node.items[step] === undefined)
          return { node, ...(key === undefined ? {} : { key }), exact: false };
        next = node.items[step];
        key = next;
      } else {
        return { node, ...(key === undefined ? {} : { key }), exact: false };
      }
      node = next;
    }
    return { node, ...(key === undefined ? {} : { key }), exact: true };
  }
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** How far into its text a scalar's character lies; 0 where escapes or folding hide it. */
function scalarOffset(node: YamlNode | null | undefined, offset: number): number {
  if (!isScalar(node) || typeof node.value !== 'string') return 0;
  const quoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
  if (!quoted && node.type !== 'PLAIN') return 0;
  const written = (node.range?.[1] ?? 0) - (node.range?.[0] ?? 0);
  if (written !== node.value.length + (quoted ? 2 : 0)) return 0;
  return offset + (quoted ? 1 : 0);
}

function isList(value: Record<string, unknown>): boolean {
  return 'items' in value && typeof value['kind'] === 'string' && value['kind'].endsWith('List');
}

/** What a user sees of a resource: its kind as users write it, fields in the order of their definition. */
export function toDocument(resource: Resource & { readonly status?: unknown }): Record<string, unknown> {
  const definition = kindDefinition(resource.kind);
  const spec = inSchemaOrder(definition?.spec(), resource.spec);
  return {
    apiVersion: resource.apiVersion,
    kind: definition?.externalKind ?? resource.kind,
    metadata: inSchemaOrder(metadataSchema(), resource.metadata),
    ...(definition?.layout === 'flat' && isPlainObject(spec) ? spec : { spec }),
    ...(resource.status === undefined ? {} : { status: inSchemaOrder(undefined, resource.status) }),
  };
}

/** A resource as YAML that {@link parseResources} reads back, the same text for the same resource. */
export function formatYaml(resource: Resource): string {
  return stringify(toDocument(resource), { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
}
