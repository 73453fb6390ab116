/**
 * JSONPath as kubectl understands it (RFC 9535 in spirit, kubectl's template in form). The subset:
 *
 *     text {…} text        text outside of braces is printed as it is
 *     {"\n"} {'\t'}        quoted text
 *     {.a.b} {$.a} {@.a}   fields; \. is a dot inside a name; ['a.b'] and ["a.b"] too
 *     [0] [-1] [0,2]       elements     [1:3] [::2]   slices     [*] .*   all     ['a','b']   several fields
 *     ..name               the field at any depth
 *     [?(@.a == "b")]      elements that compare; ==, !=, <, <=, >, >=; [?(@.a)] those that have the field
 *     {range .items[*]} … {end}
 *
 * A field that does not exist gives nothing. Several results are printed with a space between; maps and lists as JSON.
 */
import { ConfigError } from '../../base/errors.ts';

type Step =
  | { readonly type: 'fields'; readonly names: readonly string[] }
  | { readonly type: 'indexes'; readonly indexes: readonly number[] }
  | { readonly type: 'slice'; readonly first?: number; readonly end?: number; readonly step: number }
  | { readonly type: 'all' }
  | { readonly type: 'descend' }
  | {
      readonly type: 'filter';
      readonly left: Operand;
      readonly operator?: Operator;
      readonly right?: Operand;
    };

type Operand = { readonly path: JsonPath } | { readonly literal: unknown };

const OPERATORS = ['==', '!=', '<=', '>=', '<', '>'] as const;
type Operator = (typeof OPERATORS)[number];

/** A path, relative to the current value (`@`, the default) or to the root (`$`). */
export interface JsonPath {
  readonly fromRoot: boolean;
  readonly steps: readonly Step[];
}

type Piece =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'path'; readonly path: JsonPath }
  | { readonly type: 'range'; readonly path: JsonPath; readonly body: readonly Piece[] };

/** A template of `-o jsonpath=`. Throws a ConfigError that points at the fault. */
export function parseJsonPathTemplate(text: string): (root: unknown) => string {
  const pieces = new TemplateReader(text).read();
  return (root) => render(pieces, root, root);
}

/** A single path, with or without braces and leading dot, as columns are given. */
export function parseJsonPath(text: string): JsonPath {
  const inner = /^\{(.*)\}$/s.exec(text.trim())?.[1] ?? text.trim();
  const reader = new PathReader(/^[.[$@]/.test(inner) ? inner : `.${inner}`, 0);
  const path = reader.path();
  reader.mustEnd();
  return path;
}

/** Everything that the path leads to. */
export function evaluateJsonPath(path: JsonPath, root: unknown, current: unknown = root): unknown[] {
  let values: unknown[] = [path.fromRoot ? root : current];
  for (const step of path.steps) values = values.flatMap((value) => take(step, value, root));
  return values;
}

/** A result as text: scalars as they are, maps and lists as JSON. */
export function resultText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined ? '' : JSON.stringify(value);
}

function render(pieces: readonly Piece[], root: unknown, current: unknown): string {
  return pieces
    .map((piece) => {
      if (piece.type === 'text') return piece.text;
      const values = evaluateJsonPath(piece.path, root, current);
      return piece.type === 'path'
        ? values.map(resultText).join(' ')
        : values.map((value) => render(piece.body, root, value)).join('');
    })
    .join('');
}

function take(step: Step, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case 'fields':
      return step.names.flatMap((name) => (isMap(value) && Object.hasOwn(value, name) ? [value[name]] : []));
    case 'indexes':
      return step.indexes.flatMap((index) => {
        if (!Array.isArray(value)) return [];
        const at = index < 0 ? value.length + index : index;
        return at >= 0 && at < value.length ? [value[at] as unknown] : [];
      });
    case 'slice':
      return Array.isArray(value) ? slice(value, step) : [];
    case 'all':
      return children(value);
    case 'descend':
      return [value, ...children(value).flatMap((child) => take(step, child, root))];
    case 'filter':
      return children(value).filter((child) => holds(step, child, root));
  }
}

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return isMap(value) ? Object.values(value) : [];
}

function slice(list: readonly unknown[], { first, end, step }: Extract<Step, { type: 'slice' }>): unknown[] {
  const place = (index: number): number =>
    Math.min(list.length, Math.max(0, index < 0 ? list.length + index : index));
  const taken: unknown[] = [];
  for (let index = place(first ?? 0); index < place(end ?? list.length); index += step)
    taken.push(list[index]);
  return taken;
}

function holds(filter: Extract<Step, { type: 'filter' }>, current: unknown, root: unknown): boolean {
  const values = (operand: Operand): unknown[] =>
    'literal' in operand ? [operand.literal] : evaluateJsonPath(operand.path, root, current);
  const [left] = values(filter.left);
  if (filter.operator === undefined || filter.right === undefined) return values(filter.left).length > 0;
  const [right] = values(filter.right);
  return compare(left, filter.operator, right);
}

/** Whether a comparison holds; values of different types are unequal and not ordered. */
function compare(left: unknown, operator: Operator, right: unknown): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  const comparable =
    (typeof left === 'number' && typeof right === 'number') ||
    (typeof left === 'string' && typeof right === 'string');
  if (!comparable) return false;
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(text: string, at: number, problem: string): ConfigError {
  return new ConfigError(
    'ctl.jsonpath',
    `jsonpath: ${problem} at character ${at + 1} of ${JSON.stringify(text)}`,
    {
      fix: 'see the forms that are understood in margayctl get --help',
    },
  );
}

class TemplateReader {
  private at = 0;

  constructor(private readonly text: string) {}

  read(): Piece[] {
    const pieces = this.pieces(false);
    return pieces;
  }

  /** Up to the end of the text, or to `{end}` within a range. */
  private pieces(inRange: boolean): Piece[] {
    const pieces: Piece[] = [];
    while (this.at < this.text.length) {
      const open = this.text.indexOf('{', this.at);
      const plain = this.text.slice(this.at, open < 0 ? undefined : open);
      if (plain !== '') pieces.push({ type: 'text', text: plain });
      if (open < 0) {
        this.at = this.text.length;
        break;
      }
      const reader = new PathReader(this.text, open + 1);
      reader.spaces();
      if (reader.keyword('end')) {
        this.close(reader);
        if (!inRange) throw wrong(this.text, open, 'there is no range that {end} could end');
        return pieces;
      }
      if (reader.keyword('range')) {
        const path = reader.path();
        this.close(reader);
        pieces.push({ type: 'range', path, body: this.pieces(true) });
      } else {
        // Several expressions in one pair of braces are printed one after the other.
        while (!reader.closes()) {
          const quoted = reader.quoted();
          pieces.push(
            quoted === undefined ? { type: 'path', path: reader.path() } : { type: 'text', text: quoted },
          );
          reader.spaces();
        }
        this.close(reader);
      }
    }
    if (inRange) throw wrong(this.text, this.text.length, 'a range has no {end}');
    return pieces;
  }

  private close(reader: PathReader): void {
    this.at = reader.close();
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

class PathReader {
  constructor(
    private readonly text: string,
    private at: number,
  ) {}

  path(): JsonPath {
    this.spaces();
    const start = this.at;
    const sign = this.text[this.at];
    if (sign === '$' || sign === '@') this.at += 1;
    const steps: Step[] = [];
    for (;;) {
      const next = this.text[this.at];
      if (next === '.') steps.push(...this.dot());
      else if (next === '[') steps.push(this.bracket());
      else break;
    }
    if (this.at === start) throw wrong(this.text, start, 'expected a path such as .metadata.name');
    return { fromRoot: sign === '$', steps };
  }

  private dot(): Step[] {
    this.at += 1;
    if (this.text[this.at] === '.') {
      this.at += 1;
      return this.text[this.at] === '[' ? [{ type: 'descend' }] : [{ type: 'descend' }, this.field()];
    }
    // A lone dot is the value itself; a bracket may follow a dot.
    const next = this.text[this.at];
    if (next === undefined || /[\s})[\],=!<>]/.test(next)) return [];
    return [this.field()];
  }

  private field(): Step {
    if (this.text[this.at] === '*') {
      this.at += 1;
      return { type: 'all' };
    }
    let name = '';
    for (let next = this.text[this.at]; next !== undefined; next = this.text[this.at]) {
      if (next === '\\') {
        this.at += 1;
        name += this.text[this.at] ?? '';
      } else if (/[\s.[\]{}(),=!<>]/.test(next)) break;
      else name += next;
      this.at += 1;
    }
    if (name === '') throw wrong(this.text, this.at, 'expected the name of a field');
    return { type: 'fields', names: [name] };
  }

  private bracket(): Step {
    this.at += 1;
    this.spaces();
    if (this.text.startsWith('?(', this.at)) return this.filter();
    const start = this.at;
    const first = this.quoted();
    if (first !== undefined) {
      const names = [first];
      while (this.skip(',')) {
        const name = this.quoted();
        if (name === undefined) throw wrong(this.text, this.at, 'expected a quoted name');
        names.push(name);
      }
      this.expect(']');
      return { type: 'fields', names };
    }
    const end = this.text.indexOf(']', this.at);
    if (end < 0) throw wrong(this.text, start - 1, 'a bracket is not closed');
    const body = this.text.slice(start, end).trim();
    this.at = end + 1;
    if (body === '*') return { type: 'all' };
    if (/^-?\d+(\s*,\s*-?\d+)*$/.test(body)) return { type: 'indexes', indexes: body.split(',').map(Number) };
    const range = /^(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(\d+)?)?$/.exec(body);
    if (range === null)
      throw wrong(this.text, start, `[${body}] is neither an index, a slice nor a name in quotes`);
    const step = Number(range[3] ?? 1);
    if (step === 0) throw wrong(this.text, start, 'the step of a slice cannot be 0');
    return {
      type: 'slice',
      ...(range[1] === undefined ? {} : { first: Number(range[1]) }),
      ...(range[2] === undefined ? {} : { end: Number(range[2]) }),
      step,
    };
  }

  private filter(): Step {
    this.at += 2;
    const left = this.operand();
    this.spaces();
    const operator = OPERATORS.find((sign) => this.text.startsWith(sign, this.at));
    if (operator === undefined) {
      this.expect(')');
      this.expect(']');
      return { type: 'filter', left };
    }
    this.at += operator.length;
    const right = this.operand();
    this.expect(')');
    this.expect(']');
    return { type: 'filter', left, operator, right };
  }

  private operand(): Operand {
    this.spaces();
    const quoted = this.quoted();
    if (quoted !== undefined) return { literal: quoted };
    const literal = /^(-?\d+(?:\.\d+)?|true|false|null)(?=[\s)=!<>])/.exec(this.text.slice(this.at))?.[1];
    if (literal === undefined) return { path: this.path() };
    this.at += literal.length;
    return { literal: JSON.parse(literal) as unknown };
  }

  /** A text in quotes, if one begins here. */
  quoted(): string | undefined {
    this.spaces();
    const quote = this.text[this.at];
    if (quote !== '"' && quote !== "'") return undefined;
    let value = '';
    for (let at = this.at + 1; at < this.text.length; at++) {
      const character = this.text[at]!;
      if (character === quote) {
        this.at = at + 1;
        return value;
      }
      if (character === '\\' && at + 1 < this.text.length) {
        at += 1;
        value += ESCAPES[this.text[at]!] ?? this.text[at]!;
      } else value += character;
    }
    throw wrong(this.text, this.at, 'a quote is not closed');
  }

  keyword(word: string): boolean {
    if (!new RegExp(`^${word}(?![\\w.[])`).test(this.text.slice(this.at))) return false;
    this.at += word.length;
    this.spaces();
    return true;
  }

  spaces(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at += 1;
  }

  closes(): boolean {
    this.spaces();
    if (this.at >= this.text.length) throw wrong(this.text, this.at, 'a brace is not closed');
    return this.text[this.at] === '}';
  }

  /** Passes the closing brace and tells where it is past. */
  close(): number {
    this.expect('}');
    return this.at;
  }

  mustEnd(): void {
    this.spaces();
    if (this.at < this.text.length) throw wrong(this.text, this.at, 'this is not understood');
  }

  private skip(sign: string): boolean {
    this.spaces();
    if (!this.text.startsWith(sign, this.at)) return false;
    this.at += sign.length;
    return true;
  }

  private expect(sign: string): void {
    if (!this.skip(sign)) throw wrong(this.text, this.at, `expected ${sign}`);
  }
}
