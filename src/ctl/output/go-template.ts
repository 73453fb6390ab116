/**
 * `-o go-template=`: Go's text/template over the JSON document, as kubectl has it. What is understood:
 *
 *     {{.metadata.name}} {{$.items}} {{.}}    values; a missing one prints <no value>
 *     {{- trims -}} and comments
 *     {{if p}} {{else if p}} {{else}} {{end}}    {{with p}} {{else}} {{end}}
 *     {{range p}} {{else}} {{end}}    {{range $i, $v := p}}    {{break}} {{continue}}    maps in order of their keys
 *     {{$x := p}} {{$x = p}}    p | f    (p)    "text" `text` 12 1.5 true false nil
 *     and or not eq ne lt le gt ge len index slice print printf println join
 *
 * define, template, block and methods are not understood, and say so.
 */
import { ConfigError } from '../../base/errors.ts';
import { TEMPLATE_FUNCTIONS, goText, isTrue } from './go-functions.ts';

type Expression =
  | { readonly type: 'literal'; readonly value: unknown }
  | { readonly type: 'field'; readonly base: Expression; readonly names: readonly string[] }
  | { readonly type: 'dot' }
  | { readonly type: 'variable'; readonly name: string }
  | {
      readonly type: 'call';
      readonly name: string;
      readonly args: readonly Expression[];
      readonly at: number;
    };

interface Declaration {
  readonly names: readonly string[];
  readonly assign: boolean;
}

type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'print'; readonly value: Expression; readonly declare?: Declaration }
  | {
      readonly type: 'if' | 'with' | 'range';
      readonly value: Expression;
      readonly declare?: Declaration;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly type: 'break' | 'continue' };

/** Parses a template; the function gives its text for a document. Both throw ConfigErrors. */
export function parseGoTemplate(text: string): (document: unknown) => string {
  const nodes = new Parser(text).template();
  return (document) => {
    const output: string[] = [];
    run(nodes, document, new Scope(new Map([['$', document]])), output);
    return output.join('');
  };
}

class Scope {
  constructor(
    private readonly variables: Map<string, unknown>,
    private readonly outer?: Scope,
  ) {}

  inner(): Scope {
    return new Scope(new Map(), this);
  }

  get(name: string): unknown {
    if (this.variables.has(name)) return this.variables.get(name);
    if (this.outer === undefined) throw failed(`undefined variable ${name}`);
    return this.outer.get(name);
  }

  declare(name: string, value: unknown): void {
    this.variables.set(name, value);
  }

  assign(name: string, value: unknown): void {
    if (this.variables.has(name)) this.variables.set(name, value);
    else if (this.outer === undefined)
      throw failed(`undefined variable ${name}`, `declare it with ${name} :=`);
    else this.outer.assign(name, value);
  }
}

type Flow = 'next' | 'break' | 'continue';

function run(nodes: readonly Node[], dot: unknown, scope: Scope, output: string[]): Flow {
  for (const node of nodes) {
    switch (node.type) {
      case 'text':
        output.push(node.text);
        break;
      case 'break':
      case 'continue':
        return node.type;
      case 'print': {
        const value = evaluate(node.value, dot, scope);
        if (node.declare === undefined) output.push(goText(value));
        else if (node.declare.assign) scope.assign(node.declare.names[0]!, value);
        else scope.declare(node.declare.names[0]!, value);
        break;
      }
      case 'if':
      case 'with': {
        const inner = scope.inner();
        const value = evaluate(node.value, dot, scope);
        if (node.declare !== undefined) inner.declare(node.declare.names[0]!, value);
        const met = isTrue(value);
        const next = met && node.type === 'with' ? value : dot;
        const flow = run(met ? node.body : node.otherwise, next, inner, output);
        if (flow !== 'next') return flow;
        break;
      }
      case 'range': {
        const flow = runRange(node, dot, scope, output);
        if (flow !== 'next') return flow;
        break;
      }
    }
  }
  return 'next';
}

function runRange(
  node: Extract<Node, { readonly value: Expression; readonly body: readonly Node[] }>,
  dot: unknown,
  scope: Scope,
  output: string[],
): Flow {
  const elements = elementsOf(evaluate(node.value, dot, scope));
  if (elements.length === 0) return run(node.otherwise, dot, scope.inner(), output);
  for (const [key, value] of elements) {
    const inner = scope.inner();
    const names = node.declare?.names ?? [];
    if (names.length === 1) inner.declare(names[0]!, value);
    if (names.length === 2) {
      inner.declare(names[0]!, key);
      inner.declare(names[1]!, value);
    }
    if (run(node.body, value, inner, output) === 'break') break;
  }
  return 'next';
}

function elementsOf(value: unknown): [unknown, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((entry: unknown, index) => [index, entry]);
  if (typeof value === 'object') {
    return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
  if (typeof value === 'number' && Number.isInteger(value)) {
    return Array.from({ length: Math.max(0, value) }, (_, index) => [index, index]);
  }
  throw failed(`range can't iterate over ${goText(value)}`, 'give a list, a map or a number');
}

function evaluate(expression: Expression, dot: unknown, scope: Scope): unknown {
  switch (expression.type) {
    case 'literal':
      return expression.value;
    case 'dot':
      return dot;
    case 'variable':
      return scope.get(expression.name);
    case 'field': {
      let value = evaluate(expression.base, dot, scope);
      for (const name of expression.names) {
        if (value === undefined || value === null) return undefined;
        if (typeof value !== 'object' || Array.isArray(value)) {
          throw failed(`can't take field ${name} of ${goText(value)}`, 'only maps have fields');
        }
        value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
      }
      return value;
    }
    case 'call': {
      // `and` and `or` stop at the argument that decides, as Go's do.
      const { name, args } = expression;
      if (name === 'and' || name === 'or') {
        let value: unknown;
        for (const argument of args) {
          value = evaluate(argument, dot, scope);
          if (isTrue(value) === (name === 'or')) break;
        }
        return value;
      }
      return TEMPLATE_FUNCTIONS.get(name)!.call(args.map((argument) => evaluate(argument, dot, scope)));
    }
  }
}

function failed(
  problem: string,
  fix = 'see the forms that are understood in margayctl get --help',
): ConfigError {
  return new ConfigError('ctl.go-template', `go-template: ${problem}`, { fix });
}

/** Tokens of an action; `:=` and `=` and `|` and parentheses are their own. */
const TOKEN =
  /\s*(?:(?<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?<number>[-+]?\d+(?:\.\d+)?)|(?<variable>\$[A-Za-z_]\w*|\$)|(?<chain>\.(?:[A-Za-z_][\w-]*)?(?:\.[A-Za-z_][\w-]*)*)|(?<word>[A-Za-z_]\w*)|(?<sign>:=|[=|(),]))/y;

interface Token {
  readonly type: 'text' | 'number' | 'variable' | 'chain' | 'word' | 'sign';
  readonly text: string;
  readonly at: number;
  /** Whether white space or the beginning stands before it: `$x.a` is one value, `$x .a` two. */
  readonly spaced: boolean;
}

interface Action {
  readonly text: string;
  readonly at: number;
}

class Parser {
  private readonly parts: (string | Action)[];
  private next = 0;

  constructor(private readonly source: string) {
    this.parts = this.split();
  }

  template(): Node[] {
    const { nodes, end } = this.nodes();
    if (end !== undefined) throw this.wrong(end.at, `unexpected {{${end.text}}}`);
    return nodes;
  }

  /** Text and actions in turn, with the white space gone that `{{-` and `-}}` trim. */
  private split(): (string | Action)[] {
    const parts: (string | Action)[] = [];
    let at = 0;
    let trim = false;
    for (;;) {
      const open = this.source.indexOf('{{', at);
      let text = this.source.slice(at, open < 0 ? undefined : open);
      if (trim) text = text.trimStart();
      if (open < 0) return [...parts, text];
      let start = open + 2;
      if (/^-\s/.test(this.source.slice(start, start + 2))) {
        text = text.trimEnd();
        start += 1;
      }
      const close = this.endOfAction(start, open);
      let body = this.source.slice(start, close);
      trim = /\s-$/.test(body);
      if (trim) body = body.slice(0, -1);
      parts.push(text);
      const trimmed = body.trim();
      if (!(trimmed.startsWith('/*') && trimmed.endsWith('*/'))) parts.push({ text: trimmed, at: start });
      at = close + 2;
    }
  }

  /** Where `}}` closes the action: not inside quotes or a comment. */
  private endOfAction(start: number, open: number): number {
    const pattern = /\s*\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}|[\s\S]/y;
    pattern.lastIndex = start;
    for (let match = pattern.exec(this.source); match !== null; match = pattern.exec(this.source)) {
      if (match[0] === '}}') return match.index;
    }
    throw this.wrong(open, 'an action is not closed');
  }

  /** Nodes up to `end` or `else` of the surrounding block, which is returned too. */
  private nodes(): { nodes: Node[]; end?: Action } {
    const nodes: Node[] = [];
    while (this.next < this.parts.length) {
      const part = this.parts[this.next++]!;
      if (typeof part === 'string') {
        if (part !== '') nodes.push({ type: 'text', text: part });
        continue;
      }
      const keyword = /^[a-z]+(?![\w])/.exec(part.text)?.[0];
      switch (keyword) {
        case 'end':
        case 'else':
          return { nodes, end: part };
        case 'if':
        case 'with':
        case 'range':
          nodes.push(this.block(keyword, part, keyword.length));
          break;
        case 'break':
        case 'continue':
          nodes.push({ type: keyword });
          break;
        case 'define':
        case 'template':
        case 'block':
          throw this.wrong(part.at, `{{${keyword}}} is not supported`);
        case undefined:
        default: {
          const { value, declare } = this.pipelineOf(part, 0);
          nodes.push({ type: 'print', value, ...(declare === undefined ? {} : { declare }) });
        }
      }
    }
    return { nodes };
  }

  private block(type: 'if' | 'with' | 'range', action: Action, skip: number): Node {
    const { value, declare } = this.pipelineOf(action, skip);
    const { nodes: body, end } = this.nodes();
    let otherwise: Node[] = [];
    if (end?.text.startsWith('else') === true) {
      const chained = /^else\s+(if|with)\b/.exec(end.text);
      if (chained !== null) {
        // `else if` shares the one {{end}} with the block that it continues.
        otherwise = [this.block(chained[1] as 'if' | 'with', end, chained[0].length)];
        return { type, value, ...(declare === undefined ? {} : { declare }), body, otherwise };
      }
      if (end.text !== 'else') throw this.wrong(end.at, `unexpected {{${end.text}}}`);
      const rest = this.nodes();
      otherwise = rest.nodes;
      if (rest.end?.text !== 'end') throw this.wrong(action.at, `{{${type}}} has no {{end}}`);
    } else if (end?.text !== 'end') throw this.wrong(action.at, `{{${type}}} has no {{end}}`);
    return { type, value, ...(declare === undefined ? {} : { declare }), body, otherwise };
  }

  private pipelineOf(action: Action, skip: number): { value: Expression; declare?: Declaration } {
    const reader = new TokenReader(
      this.tokens(action, skip),
      (at, problem) => this.wrong(at, problem),
      action.at,
    );
    const declare = reader.declaration();
    const value = reader.pipeline();
    reader.mustEnd();
    return declare === undefined ? { value } : { value, declare };
  }

  private tokens({ text, at }: Action, skip: number): Token[] {
    const tokens: Token[] = [];
    TOKEN.lastIndex = skip;
    while (TOKEN.lastIndex < text.length && text.slice(TOKEN.lastIndex).trim() !== '') {
      const start = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (match === null) throw this.wrong(at + start, `"${text.slice(start).trim()}" is not understood`);
      const [type, value] = Object.entries(match.groups!).find(([, group]) => group !== undefined)!;
      const spaced = match[0].length > value.length || start === 0;
      tokens.push({ type: type as Token['type'], text: value, at: at + start, spaced });
    }
    return tokens;
  }

  private wrong(at: number, problem: string): ConfigError {
    return failed(`${problem} at character ${at + 1} of ${JSON.stringify(this.source)}`);
  }
}

class TokenReader {
  private next = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly wrong: (at: number, problem: string) => ConfigError,
    private readonly start: number,
  ) {}

  /** `$x :=`, `$x =` or `$i, $x :=`. */
  declaration(): Declaration | undefined {
    const signs = this.tokens.map(({ text }) => text);
    for (const [count, at] of [
      [1, 1],
      [2, 3],
    ] as const) {
      if (signs[at] !== ':=' && signs[at] !== '=') continue;
      const names = count === 1 ? [signs[0]!] : [signs[0]!, signs[2]!];
      if (!names.every((name) => name.startsWith('$')) || (count === 2 && signs[1] !== ',')) continue;
      this.next = at + 1;
      return { names, assign: signs[at] === '=' };
    }
    return undefined;
  }

  pipeline(): Expression {
    let value = this.command(undefined);
    while (this.peek()?.text === '|' && this.peek()?.type === 'sign') {
      this.next += 1;
      value = this.command(value);
    }
    return value;
  }

  mustEnd(): void {
    const token = this.peek();
    if (token !== undefined) throw this.wrong(token.at, `unexpected "${token.text}"`);
  }

  /** A value, or a function with its arguments; `piped` is its last argument. */
  private command(piped: Expression | undefined): Expression {
    const first = this.peek();
    if (first?.type === 'word' && !LITERALS.has(first.text)) {
      this.next += 1;
      const definition = TEMPLATE_FUNCTIONS.get(first.text);
      if (definition === undefined) throw this.wrong(first.at, `function "${first.text}" is not defined`);
      const args: Expression[] = [];
      while (this.startsOperand()) args.push(this.operand());
      if (piped !== undefined) args.push(piped);
      if (args.length < definition.least || args.length > definition.most) {
        throw this.wrong(first.at, `wrong number of arguments of ${first.text}: ${args.length}`);
      }
      return { type: 'call', name: first.text, args, at: first.at };
    }
    if (piped !== undefined) throw this.wrong(first?.at ?? this.start, 'a pipe must lead to a function');
    return this.operand();
  }

  private operand(): Expression {
    const token = this.peek();
    if (token === undefined) throw this.wrong(this.start, 'a value is missing');
    this.next += 1;
    switch (token.type) {
      case 'text':
        return { type: 'literal', value: literalText(token.text) };
      case 'number':
        return { type: 'literal', value: Number(token.text) };
      case 'variable':
        return this.fields({ type: 'variable', name: token.text });
      case 'chain': {
        const names = token.text.split('.').filter((name) => name !== '');
        return names.length === 0 ? { type: 'dot' } : { type: 'field', base: { type: 'dot' }, names };
      }
      case 'word': {
        if (LITERALS.has(token.text)) return { type: 'literal', value: LITERALS.get(token.text) };
        const definition = TEMPLATE_FUNCTIONS.get(token.text);
        if (definition === undefined) throw this.wrong(token.at, `function "${token.text}" is not defined`);
        throw this.wrong(token.at, `put (${token.text} …) in parentheses to use it as an argument`);
      }
      case 'sign': {
        if (token.text !== '(') throw this.wrong(token.at, `unexpected "${token.text}"`);
        const value = this.pipeline();
        if (this.peek()?.text !== ')') throw this.wrong(token.at, 'a parenthesis is not closed');
        this.next += 1;
        return this.fields(value);
      }
    }
  }

  private fields(base: Expression): Expression {
    const token = this.peek();
    if (token?.type !== 'chain' || token.spaced) return base;
    this.next += 1;
    return { type: 'field', base, names: token.text.split('.').filter((name) => name !== '') };
  }

  private startsOperand(): boolean {
    const token = this.peek();
    return token !== undefined && (token.type !== 'sign' || token.text === '(');
  }

  private peek(): Token | undefined {
    return this.tokens[this.next];
  }
}

const LITERALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['nil', undefined],
]);

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function literalText(token: string): string {
  const body = token.slice(1, -1);
  return token.startsWith('`')
    ? body
    : body.replace(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character);
}
