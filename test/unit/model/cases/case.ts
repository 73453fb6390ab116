/** The table of documents, rule by rule: what keeps a rule and what breaks it. */
import { valid } from './valid.ts';

/** What replaces a part of the kind's valid document, and the beginnings of the problems that this makes. */
export type Case = readonly [
  kind: string,
  part: 'spec' | 'metadata' | 'document',
  value: unknown,
  ...problems: string[],
];

/** A rule with its source in brackets, at least one document that keeps it and at least one that breaks it. */
export interface RuleCases {
  readonly rule: string;
  readonly rows: readonly Case[];
}

/** A document that is refused: what replaces the spec, and its problems. */
export type Refused = readonly [value: unknown, ...problems: string[]];

/** A rule on the spec of a kind; `accepted` and `refused` are whole specs. */
export function rule(
  kind: string,
  text: string,
  accepted: readonly unknown[],
  refused: readonly Refused[],
  part: Case[1] = 'spec',
): RuleCases {
  return {
    rule: `${kind}: ${text}`,
    rows: [
      ...accepted.map((value): Case => [kind, part, value]),
      ...refused.map(([value, ...problems]): Case => [kind, part, value, ...problems]),
    ],
  };
}

/** The kind's valid spec with one field, given as `a.b[0].c`, set to a value. */
export function withField(kind: string, path: string, value: unknown): unknown {
  const steps = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  return set(valid[kind]!.spec ?? {}, steps, value);
}

function set(target: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  const inner = (target as Record<string, unknown> | undefined)?.[step];
  if (/^\d+$/.test(step)) return [set(inner, rest, value)];
  return { ...(target as object | undefined), [step]: set(inner, rest, value) };
}

/** A rule on one field: values that it takes, and values that it refuses with the beginning of the message. */
export function fieldRule(
  kind: string,
  path: string,
  text: string,
  accepted: readonly unknown[],
  refused: readonly (readonly [value: unknown, message: string])[],
): RuleCases {
  return rule(
    kind,
    `${path} ${text}`,
    accepted.map((value) => withField(kind, path, value)),
    refused.map(([value, message]) => [withField(kind, path, value), `spec.${path}${message}`]),
  );
}
