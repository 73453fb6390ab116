/** Rules as the kernel compares them: compiled once per value, and fingerprinted. */
import type { RuleDump } from '../kernel.ts';
import type { Rule } from '../ruleset.ts';
import { compile } from './compile.ts';
import { type Instruction, encodeInstructions } from './instruction.ts';

export interface CompiledRule {
  readonly instructions: readonly Instruction[];
  /** Content of NFTA_RULE_EXPRESSIONS. */
  readonly encoded: Uint8Array;
  /** See {@link fingerprint}. */
  readonly fingerprint: string;
}

const compiled = new WeakMap<Rule, CompiledRule>();

/** Compiles a rule; the result is kept as long as the rule value. */
export function compileRule(rule: Rule): CompiledRule {
  let result = compiled.get(rule);
  if (result === undefined) {
    const instructions = compile(rule.expr);
    const encoded = encodeInstructions(instructions);
    result = { instructions, encoded, fingerprint: join(encoded, rule.comment) };
    compiled.set(rule, result);
  }
  return result;
}

/** A rule that the kernel has, as a value that can be added again: it does the same and carries the same comment. */
export function adoptRule({ instructions, comment }: Pick<RuleDump, 'instructions' | 'comment'>): Rule {
  const rule: Rule = { expr: [], ...(comment === undefined ? {} : { comment }) };
  const zeroed = withoutCounts(instructions);
  const encoded = encodeInstructions(zeroed);
  compiled.set(rule, { instructions: zeroed, encoded, fingerprint: join(encoded, comment) });
  return rule;
}

/**
 * A text that is equal for rules that do the same and carry the same comment: the canonical encoding, counters at
 * zero. What a kernel adds to a dump (defaults, operation codes) is not in it.
 */
export function fingerprint(instructions: readonly Instruction[], comment: string | undefined): string {
  return join(encodeInstructions(withoutCounts(instructions)), comment);
}

function withoutCounts(instructions: readonly Instruction[]): readonly Instruction[] {
  return instructions.map((instruction) =>
    instruction.name === 'counter' ? { ...instruction, packets: 0n, bytes: 0n } : instruction,
  );
}

function join(encoded: Uint8Array, comment: string | undefined): string {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length).toString('latin1');
  return `${comment ?? ''}\n${bytes}`;
}
