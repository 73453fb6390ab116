/** Recursive-descent parser of the selector language; see selector.ts for the grammar's tree. */
import { type LabelOperator, type Selector, everything, labelSet } from './selector.ts';
import { SelectorError, type Token, type TokenType, tokenize } from './tokenizer.ts';

/** Beyond this depth of parentheses and negations a selector is refused instead of overflowing the stack. */
const maximumDepth = 200;

const cache = new Map<string, Selector>();
const cacheLimit = 4096;

/**
 * Parses a selector; the empty one selects everything. Throws {@link SelectorError} with the offset of the fault.
 * Trees are immutable and remembered, because many resources repeat the same selector.
 */
export function parseSelector(text: string): Selector {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const parsed = new Parser(text, tokenize(text)).parse();
  if (cache.size >= cacheLimit) cache.clear();
  cache.set(text, parsed);
  return parsed;
}

class Parser {
  private next = 0;

  constructor(
    private readonly text: string,
    private readonly tokens: readonly Token[],
  ) {}

  parse(): Selector {
    if (this.peek().type === 'end') return everything;
    const selector = this.or(0);
    if (this.peek().type !== 'end') throw this.unexpected('"&&", "||" or the end');
    return selector;
  }

  private peek(): Token {
    return this.tokens[this.next]!;
  }

  private accept(type: TokenType): Token | undefined {
    const token = this.peek();
    if (token.type !== type) return undefined;
    this.next++;
    return token;
  }

  private unexpected(expected: string): SelectorError {
    const token = this.peek();
    const found = token.type === 'end' ? 'the selector ends' : `found ${JSON.stringify(token.text)}`;
    return new SelectorError(this.text, token.offset, `expected ${expected}, but ${found}`);
  }

  private or(depth: number): Selector {
    return this.chain('||', 'or', () => this.chain('&&', 'and', () => this.unary(depth)));
  }

  private chain(sign: '&&' | '||', type: 'and' | 'or', operand: () => Selector): Selector {
    const operands = [operand()];
    while (this.accept(sign)) operands.push(operand());
    return operands.length === 1 ? operands[0]! : { type, operands };
  }

  private unary(depth: number): Selector {
    if (depth > maximumDepth) {
      throw new SelectorError(this.text, this.peek().offset, `more than ${maximumDepth} levels deep`);
    }
    let negated = false;
    while (this.accept('!')) negated = !negated;
    const selector = this.primary(depth);
    if (!negated) return selector;
    // `!(!x)`: the canonical text has no parentheses around a negation, so two cancel out here as in `!!x`.
    return selector.type === 'not' ? selector.operand : { type: 'not', operand: selector };
  }

  private primary(depth: number): Selector {
    if (this.accept('(')) {
      const inner = this.or(depth + 1);
      if (!this.accept(')')) throw this.unexpected('"&&", "||" or ")"');
      return inner;
    }
    if (this.accept('all()')) return everything;
    if (this.accept('global()')) return { type: 'global' };
    const has = this.accept('has');
    if (has !== undefined) return { type: 'has', label: has.text };
    const label = this.accept('label');
    if (label !== undefined) return this.operation(label.text);
    throw this.unexpected('a label, has(), all() or "("');
  }

  private operation(label: string): Selector {
    const operator = this.peek().type;
    if (isLabelOperator(operator)) {
      this.next++;
      const value = this.accept('string');
      if (value === undefined) throw this.unexpected('a string in quotes');
      return { type: operator, label, value: value.text };
    }
    if (operator === 'in' || operator === 'not in') {
      this.next++;
      return labelSet(operator, label, this.strings());
    }
    throw this.unexpected(
      `an operator (==, !=, in, not in, contains, starts with, ends with) after label "${label}"`,
    );
  }

  /** `{` strings `}`; a comma may follow the last. */
  private strings(): string[] {
    const values: string[] = [];
    if (!this.accept('{')) throw this.unexpected('"{"');
    while (!this.accept('}')) {
      const value = this.accept('string');
      if (value === undefined) throw this.unexpected('a string in quotes or "}"');
      values.push(value.text);
      if (!this.accept(',') && this.peek().type !== '}') throw this.unexpected('"," or "}"');
    }
    return values;
  }
}

const labelOperators: ReadonlySet<string> = new Set<LabelOperator>([
  '==',
  '!=',
  'contains',
  'starts with',
  'ends with',
]);

function isLabelOperator(type: TokenType): type is LabelOperator {
  return labelOperators.has(type);
}
