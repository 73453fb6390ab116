/**
 * Reads the plain block style of YAML in which resources are written (by us and by most people), ten times as fast as a
 * whole YAML parser: a directory of 20,000 files is to be read in seconds. What it reads is what YAML 1.2 means by it;
 * of everything else (flow style, anchors, tags, block scalars, several documents, any error) it says undefined, and
 * the whole parser decides. A property test holds the two together.
 */

/** Line breaks and printable ASCII: no tabs, no carriage returns, nothing whose width or meaning is in question. */
const PLAIN_TEXT = /^[\n\x20-\x7e]*$/;

/** A field: a plain key that can be nothing but text, or a quoted one. */
const ENTRY = /^([A-Za-z][\w./-]*|"(?:[^"\\]|\\.)*"):(?: +(.*))?$/;

/** Plain words that are no text, or that other versions of YAML read otherwise. */
const WORDS = /^(true|false|null|yes|no|on|off|y|n)$/i;
const VALUES: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

const WHOLE_NUMBER = /^(0|-?[1-9][0-9]{0,14})$/;
/** What is, or may be, a number of another form. */
const OTHER_NUMBER = /^[-+]?(0[xob].*|[0-9_]+\.?[0-9_]*(e[-+]?[0-9]+)?)$/i;

interface Line {
  indent: number;
  text: string;
}

/** Thrown and caught here: the text is for the whole parser. */
const notPlain = new Error('not in plain block style');

/** The value of a text and the line where it begins (from 1); undefined if the text is not in that style. */
export function parseBlockYaml(text: string): { readonly value: unknown; readonly line: number } | undefined {
  if (!PLAIN_TEXT.test(text)) return undefined;
  const lines: Line[] = [];
  let first = 0;
  for (const [index, whole] of text.split('\n').entries()) {
    const content = whole.trim();
    if (content === '' || content.startsWith('#')) continue;
    if (lines.length === 0) first = index + 1;
    lines.push({ indent: whole.length - whole.trimStart().length, text: content });
  }
  if (lines.length === 0 || lines[0]!.indent !== 0) return undefined;
  try {
    const reader = new Reader(lines);
    const value = reader.map(0);
    return reader.atEnd ? { value, line: first } : undefined;
  } catch (error) {
    if (error !== notPlain) throw error;
    return undefined;
  }
}

class Reader {
  private at = 0;

  constructor(private readonly lines: readonly Line[]) {}

  get atEnd(): boolean {
    return this.at === this.lines.length;
  }

  /** Fields at one indentation. */
  map(indent: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (let line = this.lines[this.at]; line?.indent === indent; line = this.lines[this.at]) {
      const [, key, rest] = ENTRY.exec(line.text) ?? [];
      if (key === undefined) throw notPlain;
      const name = key.startsWith('"') ? quoted(key) : key;
      if (WORDS.test(key) || Object.hasOwn(value, name) || name === '__proto__') throw notPlain;
      this.at++;
      value[name] = rest === undefined || rest === '' ? this.below(indent) : this.onLine(rest, indent);
    }
    return value;
  }

  /** A list whose dashes are at one indentation. */
  private list(indent: number): unknown[] {
    const value: unknown[] = [];
    for (let line = this.lines[this.at]; line?.indent === indent; line = this.lines[this.at]) {
      const [, dash, rest] = /^(- +)([^ ].*)$/.exec(line.text) ?? [];
      // Fields of the map around it go on, at the same indentation.
      if (dash === undefined && value.length > 0 && !line.text.startsWith('-')) return value;
      if (dash === undefined || rest!.startsWith('- ') || rest === '-') throw notPlain;
      if (ENTRY.test(rest!)) {
        line.indent += dash.length;
        line.text = rest!;
        value.push(this.map(line.indent));
      } else {
        this.at++;
        value.push(this.onLine(rest!, indent));
      }
    }
    return value;
  }

  /** The value of a field that has none on its own line. */
  private below(indent: number): unknown {
    const next = this.lines[this.at];
    const isList = next !== undefined && next.text.startsWith('- ');
    if (next === undefined || next.indent < indent || (next.indent === indent && !isList)) return null;
    return isList ? this.list(next.indent) : this.map(next.indent);
  }

  /** A scalar, which must not go on in the next line. */
  private onLine(text: string, indent: number): unknown {
    const next = this.lines[this.at];
    if (next !== undefined && next.indent > indent) throw notPlain;
    return scalar(text);
  }
}

function scalar(text: string): unknown {
  if (text === '{}') return {};
  if (text === '[]') return [];
  if (text.startsWith('"')) return quoted(text);
  if (WHOLE_NUMBER.test(text)) return Number(text);
  if (VALUES.has(text)) return VALUES.get(text);
  const isText =
    /^[A-Za-z0-9(/_]/.test(text) &&
    !WORDS.test(text) &&
    !OTHER_NUMBER.test(text) &&
    !text.includes(': ') &&
    !text.endsWith(':') &&
    !text.includes(' #');
  if (!isText) throw notPlain;
  return text;
}

/** Double-quoted text, as far as JSON and YAML agree on it. */
function quoted(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw notPlain;
}
