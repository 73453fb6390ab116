/**
 * `-o custom-columns=`: either kubectl's `HEADING:path,HEADING:path`, or calicoctl's list of headings of the kind's
 * own tables, `NAME,ORDER`. Both may be mixed.
 */
import { ConfigError } from '../../base/errors.ts';
import { type JsonPath, evaluateJsonPath, parseJsonPath, resultText } from './json-path.ts';

export interface CustomColumn {
  readonly heading: string;
  /** Undefined for a column of the kind's own tables. */
  readonly path: JsonPath | undefined;
}

const NONE = '<none>';

/** Throws a ConfigError for a list or path that cannot be read. */
export function parseCustomColumns(text: string): CustomColumn[] {
  const columns = splitOutsideBrackets(text).map((part): CustomColumn => {
    const colon = part.indexOf(':');
    const heading = (colon < 0 ? part : part.slice(0, colon)).trim();
    if (heading === '') {
      throw new ConfigError('ctl.output', `custom-columns: a column without a heading in "${text}"`, {
        fix: 'write HEADING:path, such as NAME:.metadata.name, with commas between',
      });
    }
    return { heading, path: colon < 0 ? undefined : parseJsonPath(part.slice(colon + 1)) };
  });
  return columns;
}

/** The text of one column of one resource. */
export function customCell(path: JsonPath, document: unknown): string {
  const values = evaluateJsonPath(path, document).filter((value) => value !== undefined && value !== null);
  return values.length === 0 ? NONE : values.map(resultText).join(',');
}

/** Splits at commas that are not inside brackets, parentheses or quotes: those belong to a path. */
function splitOutsideBrackets(text: string): string[] {
  const parts = [''];
  let depth = 0;
  let quote: string | undefined;
  for (const character of text) {
    if (quote !== undefined) quote = character === quote ? undefined : quote;
    else if (character === '"' || character === "'") quote = character;
    else if ('[({'.includes(character)) depth += 1;
    else if ('])}'.includes(character)) depth -= 1;
    else if (character === ',' && depth === 0) {
      parts.push('');
      continue;
    }
    parts[parts.length - 1] += character;
  }
  return parts;
}
