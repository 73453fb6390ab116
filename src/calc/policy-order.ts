/** The order in which tiers and policies are evaluated (Calico `felix/calc/policy_sorter.go`, reference §1.4). */
import type { Tier } from '../model/kinds/tier.ts';

/** A tier in force. */
export interface TierOrder {
  readonly name: string;
  readonly order: number;
  readonly defaultAction: 'deny' | 'pass';
}

/** Tiers that exist without being written. */
const builtInTiers: readonly TierOrder[] = [
  { name: 'kube-admin', order: 1_000, defaultAction: 'pass' },
  { name: 'default', order: 1_000_000, defaultAction: 'deny' },
  { name: 'kube-baseline', order: 10_000_000, defaultAction: 'pass' },
];

const builtIn = new Map(builtInTiers.map((tier) => [tier.name, tier]));

/** The tiers of a cluster by name. */
export class TierTable {
  private readonly written = new Map<string, TierOrder>();

  /** Sets a tier; undefined: the resource is gone. */
  set(name: string, spec: Tier['spec'] | undefined): void {
    if (spec === undefined) this.written.delete(name);
    else {
      const defaultAction = spec.defaultAction === 'Pass' ? 'pass' : 'deny';
      this.written.set(name, { name, order: spec.order, defaultAction });
    }
  }

  get(name: string): TierOrder | undefined {
    return this.written.get(name) ?? builtIn.get(name);
  }

  /**
   * The tier by name, or what stands for one that does not exist: its policies drop what they select, and because
   * its true place is unknown it comes before all others, lest another tier accept what it would have denied.
   */
  getOrFailClosed(name: string): TierOrder {
    return this.get(name) ?? { name, order: Number.NEGATIVE_INFINITY, defaultAction: 'deny' };
  }
}

/** By order, then by name. */
export function compareTiers(a: TierOrder, b: TierOrder): number {
  return compareNumbers(a.order, b.order) || compareText(a.name, b.name);
}

/** A policy's place within its tier. */
export interface PolicyOrder {
  /** Infinity if the policy states none. */
  readonly order: number;
  /** `name/namespace/kind`. */
  readonly tieBreak: string;
}

/** By order, then by name, namespace and kind. */
export function comparePolicies(a: PolicyOrder, b: PolicyOrder): number {
  return compareNumbers(a.order, b.order) || compareText(a.tieBreak, b.tieBreak);
}

/** Unlike subtraction, two infinities compare as equal. */
function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
