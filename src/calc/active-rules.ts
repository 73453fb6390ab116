/** Compiled policies (or profiles) in use by their id, each holding the sets that its rules refer to. */
import { isDeepStrictEqual } from 'node:util';
import { DeltaTracker } from '../base/delta.ts';
import { drain } from './drain.ts';
import type { ActivePolicy, SetId } from './output.ts';
import type { SetDefinition, SetRegistry } from './set-registry.ts';

export class ActiveRules {
  private readonly output = new DeltaTracker<string, ActivePolicy>(isDeepStrictEqual);
  private readonly setsOf = new Map<string, readonly SetId[]>();

  constructor(private readonly registry: SetRegistry) {}

  /** Puts a policy into use, or replaces it. */
  activate(policy: ActivePolicy, sets: readonly SetDefinition[]): void {
    for (const definition of sets) this.registry.acquire(definition);
    this.release(policy.id);
    this.setsOf.set(
      policy.id,
      sets.map(({ id }) => id),
    );
    this.output.setDesired(policy.id, policy);
  }

  /** Takes a policy out of use, if it is in. */
  deactivate(id: string): void {
    this.release(id);
    this.setsOf.delete(id);
    this.output.deleteDesired(id);
  }

  flush(): Map<string, ActivePolicy | undefined> {
    return drain(this.output);
  }

  private release(id: string): void {
    for (const set of this.setsOf.get(id) ?? []) this.registry.release(set);
  }
}
