/** The selector language's tokens. Whitespace is space and tab; strings have no escapes; labels at most 512 long. */
import { MargayError } from '../../base/errors.ts';

/** A selector that does not parse: `offset` is where, in characters from 0. */
export class SelectorError extends MargayError {
  constructor(
    readonly selector: string,
    readonly offset: number,
    /** What is wrong, without the place. */
    readonly reason: string,
    fix?: string,
  ) {
    super(
      'model.selector',
      `column ${offset + 1} of selector ${JSON.stringify(selector)}: ${reason}`,
      fix === undefined ? {} : { fix },
    );
  }
}

export type TokenType =
  | '('
  | ')'
  | '{'
  | '}'
  | ','
  | '&&'
  | '||'
  | '!'
  | '=='
  | '!='
  | 'in'
  | 'not in'
  | 'contains'
  | 'starts with'
  | 'ends with'
  | 'has'
  | 'all()'
  | 'global()'
  | 'label'
  | 'string'
  | 'end';

export interface Token {
  readonly type: TokenType;
  /** The label's name (for `has` too), the string's content, or the token as written. */
  readonly text: string;
  readonly offset: number;
}

const maximumLabelLength = 512;
const signs = ['&&', '||', '==', '!=', '(', ')', '{', '}', ',', '!'] as const;

/** Operators in words, which are read only where a label has just ended. */
const words: readonly { readonly type: TokenType; readonly pattern: RegExp }[] = [
  { type: 'contains', pattern: /contains(?![A-Za-z0-9_./-])/y },
  { type: 'starts with', pattern: /starts[ \t]*with(?![A-Za-z0-9_./-])/y },
  { type: 'ends with', pattern: /ends[ \t]*with(?![A-Za-z0-9_./-])/y },
  { type: 'not in', pattern: /not[ \t]*in(?![A-Za-z0-9_./-])/y },
  { type: 'in', pattern: /in(?![A-Za-z0-9_./-])/y },
];

const spacePattern = /[ \t]*/y;
const labelPattern = /[A-Za-z0-9_./-]+/y;
const hasPattern = /has\([ \t]*([A-Za-z0-9_./-]+)[ \t]*\)/y;
const hasOpening = /has\([ \t]*/y;
const callPatterns: readonly { readonly type: 'all()' | 'global()'; readonly pattern: RegExp }[] = [
  { type: 'all()', pattern: /all\([ \t]*\)/y },
  { type: 'global()', pattern: /global\([ \t]*\)/y },
];

function match(pattern: RegExp, text: string, offset: number): RegExpExecArray | null {
  pattern.lastIndex = offset;
  return pattern.exec(text);
}

/** The tokens of `text`, closed by an `end`. Throws {@link SelectorError}. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  for (;;) {
    offset += match(spacePattern, text, offset)![0].length;
    if (offset === text.length) {
      tokens.push({ type: 'end', text: '', offset });
      return tokens;
    }
    const { token, length } = nextToken(text, offset, tokens.at(-1)?.type === 'label');
    tokens.push(token);
    offset += length;
  }
}

function nextToken(text: string, offset: number, afterLabel: boolean): { token: Token; length: number } {
  const character = text[offset]!;
  if (character === '"' || character === "'") {
    const end = text.indexOf(character, offset + 1);
    if (end < 0) {
      throw new SelectorError(text, offset, `string is not closed`, `add the closing ${character}`);
    }
    return {
      token: { type: 'string', text: text.slice(offset + 1, end), offset },
      length: end + 1 - offset,
    };
  }
  const sign = signs.find((candidate) => text.startsWith(candidate, offset));
  if (sign !== undefined) return { token: { type: sign, text: sign, offset }, length: sign.length };
  if (afterLabel) {
    for (const { type, pattern } of words) {
      const word = match(pattern, text, offset);
      if (word !== null) return { token: { type, text: word[0], offset }, length: word[0].length };
    }
  } else {
    const has = match(hasPattern, text, offset);
    if (has !== null) {
      checkLabelLength(text, has[1]!, offset);
      return { token: { type: 'has', text: has[1]!, offset }, length: has[0].length };
    }
    const opening = match(hasOpening, text, offset);
    if (opening !== null) {
      throw new SelectorError(text, offset + opening[0].length, 'expected a label name and ")" after "has("');
    }
    for (const { type, pattern } of callPatterns) {
      const call = match(pattern, text, offset);
      if (call !== null) return { token: { type, text: call[0], offset }, length: call[0].length };
    }
  }
  const label = match(labelPattern, text, offset);
  if (label !== null) {
    checkLabelLength(text, label[0], offset);
    return { token: { type: 'label', text: label[0], offset }, length: label[0].length };
  }
  throw new SelectorError(text, offset, `unexpected ${JSON.stringify(character)}`, hint(character));
}

function checkLabelLength(text: string, label: string, offset: number): void {
  if (label.length > maximumLabelLength) {
    throw new SelectorError(text, offset, `label name is longer than ${maximumLabelLength} characters`);
  }
}

function hint(character: string): string | undefined {
  if (character === '=') return 'write == to compare';
  if (character === '&') return 'write && for "and"';
  if (character === '|') return 'write || for "or"';
  if (character === '\n' || character === '\r') return 'write the selector on one line';
  return undefined;
}
