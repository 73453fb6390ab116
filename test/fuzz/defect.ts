/**
 * Defects planted on purpose: what a differential test is worth is how soon it sees them. Each changes what one of
 * the three judges sees: resources on their way into the calculation, or its result on the way to the evaluator and
 * the kernel, or to the kernel alone. And what such changes are made of.
 */
import type { CalcDelta } from '../../src/calc/output.ts';
import type { Document } from './policy-world.ts';

export interface Defect {
  readonly name: string;
  /** Whether it is looked for in worlds with host endpoints, or in those without. */
  readonly hosts: boolean;
  readonly documents?: (documents: readonly Document[]) => readonly Document[];
  readonly delta?: (delta: CalcDelta) => CalcDelta;
  /** For the kernel alone: the evaluator sees the delta as it is. */
  readonly kernel?: (delta: CalcDelta) => CalcDelta;
}

export type Change<Value> = (value: Value) => Value;

export function mapValues<Value>(
  map: ReadonlyMap<string, Value | undefined>,
  change: Change<Value>,
): Map<string, Value | undefined> {
  return new Map([...map].map(([key, value]) => [key, value === undefined ? undefined : change(value)]));
}

export function without<Value extends object, Key extends keyof Value>(
  value: Value,
  key: Key,
): Omit<Value, Key> {
  const { [key]: _, ...rest } = value;
  return rest;
}

/** Changes every object inside the specs of a kind. */
export const inside =
  (kinds: readonly string[], change: (value: Record<string, unknown>) => void) =>
  (documents: readonly Document[]): readonly Document[] => {
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Array.isArray(value)) change(value as Record<string, unknown>);
      for (const part of Object.values(value)) visit(part);
    };
    for (const { kind, spec } of documents) if (kinds.includes(kind)) visit(spec);
    return documents;
  };
