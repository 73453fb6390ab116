/** Kubernetes label selectors as selectors of our language. */
import type { LabelSelector } from '../kinds/label-selector.ts';
import { orchestratorLabel } from '../labels.ts';
import { parseSelector } from '../selector/parser.ts';
import { SelectorError } from '../selector/tokenizer.ts';
import { type Selector, allOf, formatSelector, labelSet } from '../selector/selector.ts';

type Path = readonly (string | number)[];

/** Tells of a fault; its result takes the place of what could not be made. */
export type Report = (path: Path, message: string, allowed?: string) => undefined;

/**
 * The selector; nothing stated selects everything. What cannot be expressed is reported, and the whole is undefined:
 * part of a selector would select too much.
 */
export function convertLabelSelector(
  selector: LabelSelector,
  path: Path,
  report: Report,
): Selector | undefined {
  const parts: (Selector | undefined)[] = [];
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [label, value] of labels) {
    const part: Selector = { type: '==', label, value };
    parts.push(sound(part) ? part : report([...path, 'matchLabels', label], 'not a label'));
  }
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = [...path, 'matchExpressions', index];
    const part = requirement(key, operator, values);
    if (part === undefined) {
      report([...at, 'operator'], 'not an operator', 'In, NotIn, Exists, DoesNotExist');
      parts.push(undefined);
    } else if ((part.type === 'in' || part.type === 'not in') && part.values.length === 0) {
      parts.push(report([...at, 'values'], `${operator} needs values`));
    } else if (part.type !== 'in' && part.type !== 'not in' && values.length > 0) {
      parts.push(report([...at, 'values'], `${operator} takes no values`));
    } else {
      parts.push(sound(part) ? part : report(at, 'not a label or value'));
    }
  }
  return parts.every((part) => part !== undefined) ? allOf(parts) : undefined;
}

/** Pods, which are endpoints of Kubernetes, by label; undefined and reported as {@link convertLabelSelector} does. */
export function podSelectorText(selector: LabelSelector, path: Path, report: Report): string | undefined {
  const converted = convertLabelSelector(selector, path, report);
  if (converted === undefined) return undefined;
  const pods = { type: '==', label: orchestratorLabel, value: 'k8s' } as const;
  return formatSelector(
    converted.type === 'all'
      ? pods
      : { type: 'and', operands: [pods, ...(converted.type === 'and' ? converted.operands : [converted])] },
  );
}

function requirement(label: string, operator: string, values: readonly string[]): Selector | undefined {
  switch (operator) {
    case 'In':
      return labelSet('in', label, values);
    case 'NotIn':
      return labelSet('not in', label, values);
    case 'Exists':
      return { type: 'has', label };
    case 'DoesNotExist':
      return { type: 'not', operand: { type: 'has', label } };
    default:
      return undefined;
  }
}

/** Whether the selector can be written down and read back: the language has no escapes. */
function sound(selector: Selector): boolean {
  const text = formatSelector(selector);
  try {
    return formatSelector(parseSelector(text)) === text;
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}
