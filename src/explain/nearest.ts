/** Of what was denied: which rules came closest to allowing it, and what would have to be different. */
import type { Direction } from '../calc/output.ts';
import type { EndpointWalk } from './evaluate.ts';
import type { FieldCheck } from './match.ts';

export interface NearMiss {
  readonly rule: string;
  readonly direction: Direction;
  readonly workload: string;
  /** Every field that failed. */
  readonly failed: readonly FieldCheck[];
  /** The change that would let this rule match, one sentence for each field. */
  readonly suggestions: readonly string[];
}

const shown = 3;

/** Allowing rules that were looked at and missed, where the walk denied; fewest failed fields first. */
export function nearestMisses(walks: readonly EndpointWalk[]): NearMiss[] {
  const misses = walks
    .filter(({ verdict }) => verdict === 'deny')
    .flatMap(({ direction, workload, tiers, profiles }) =>
      [...tiers.flatMap(({ policies }) => policies), ...profiles].flatMap(({ rules }) =>
        rules
          .filter(({ action, outcome }) => action === 'allow' && outcome === 'miss')
          .map(({ id, checks }): NearMiss => {
            const failed = checks.filter(({ outcome }) => outcome === 'miss');
            return { rule: id, direction, workload, failed, suggestions: failed.map(suggestion) };
          }),
      ),
    );
  const once = [...new Map(misses.map((miss) => [miss.rule, miss])).values()];
  return once.toSorted((a, b) => a.failed.length - b.failed.length).slice(0, shown);
}

/** What to change, by the last part of the field's name. */
const changes: Readonly<Record<string, (check: FieldCheck, side: string) => string>> = {
  selector: ({ wanted, found }, side) => `label the ${side} ${found} so that ${wanted} holds`,
  notSelector: ({ wanted, found }, side) => `label the ${side} ${found} so that it is ${wanted}`,
  nets: ({ found }, side) => `add ${found} to the rule's ${side}.nets`,
  notNets: ({ found }, side) => `take ${found} out of the rule's ${side}.notNets`,
  ports: ({ found }, side) => `add port ${found} to the rule's ${side}.ports`,
  notPorts: ({ found }, side) => `take port ${found} out of the rule's ${side}.notPorts`,
};

function suggestion(check: FieldCheck): string {
  const [side, name] = check.field.split('.') as [string, string | undefined];
  const change = name === undefined ? undefined : changes[name];
  return (
    change?.(check, side) ?? `let the rule's ${check.field} match ${check.found}, not only ${check.wanted}`
  );
}
