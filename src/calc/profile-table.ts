/** Profiles: in use while an endpoint of this node names them, dropping everything while nobody defines them. */
import { ActiveRules } from './active-rules.ts';
import { MultiMap } from './multi-map.ts';
import type { ActivePolicy } from './output.ts';
import type { ProblemLog } from './problem-log.ts';
import type { Rule } from '../model/rule.ts';
import { compileRules } from './rule-compiler.ts';
import type { SetRegistry } from './set-registry.ts';

/** What a profile resource, or what is converted to one, says. */
export interface ProfileDefinition {
  /** The resource to report problems of, by `keyText`. */
  readonly resource: string;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

export class ProfileTable {
  private readonly definitions = new Map<string, ProfileDefinition>();
  private readonly users = new MultiMap<string, string>();
  private readonly active: ActiveRules;
  private readonly dirty = new Set<string>();
  private readonly reported = new Map<string, string>();

  constructor(
    registry: SetRegistry,
    private readonly problems: ProblemLog,
  ) {
    this.active = new ActiveRules(registry);
  }

  idOf(name: string): string {
    return `profile/Profile//${name}`;
  }

  set(name: string, definition: ProfileDefinition | undefined): void {
    if (definition === undefined) this.definitions.delete(name);
    else this.definitions.set(name, definition);
    this.dirty.add(name);
  }

  /** Notes that an endpoint names other profiles than before. */
  setUse(endpoint: string, before: readonly string[], after: readonly string[]): void {
    for (const name of before) {
      this.users.delete(name, endpoint);
      if (this.users.get(name).size === 0) this.dirty.add(name);
    }
    for (const name of after) {
      if (this.users.get(name).size === 0) this.dirty.add(name);
      this.users.add(name, endpoint);
    }
  }

  flush(): Map<string, ActivePolicy | undefined> {
    for (const name of this.dirty) this.resolve(name);
    this.dirty.clear();
    return this.active.flush();
  }

  private resolve(name: string): void {
    const id = this.idOf(name);
    const reported = this.reported.get(name);
    this.reported.delete(name);
    if (reported !== undefined) this.problems.report(reported, 'rules', undefined);
    if (this.users.get(name).size === 0) {
      this.active.deactivate(id);
      return;
    }
    const definition = this.definitions.get(name);
    const context = { policy: id, namespace: undefined };
    const ingress = compileRules(definition?.ingress ?? [], { ...context, direction: 'ingress' });
    const egress = compileRules(definition?.egress ?? [], { ...context, direction: 'egress' });
    const policy = { id, tier: 'profile', kind: 'Profile', namespace: '', name };
    this.active.activate(
      {
        ...policy,
        ingress: ingress.rules,
        egress: egress.rules,
        ...(definition === undefined ? { failClosed: `profile ${name} does not exist` } : {}),
      },
      [...ingress.sets, ...egress.sets],
    );
    const problems = [...ingress.problems, ...egress.problems];
    if (definition !== undefined && problems.length > 0) {
      this.problems.report(definition.resource, 'rules', problems.join('; '));
      this.reported.set(name, definition.resource);
    }
  }
}
