/** Who uses what is shared: chains that several jump to, sets that several look up. */
import type { DesiredTable } from '../reconciler.ts';
import type { SetValue } from '../ruleset.ts';

/** Shared things by name, each with its users by name. A thing without users is forgotten. */
export class Users<Thing> {
  private readonly things = new Map<string, { readonly thing: Thing; readonly users: Set<string> }>();
  private readonly usedBy = new Map<string, ReadonlySet<string>>();

  get(name: string): Thing | undefined {
    return this.things.get(name)?.thing;
  }

  /** Everything that has users, by name. */
  all(): [string, Thing][] {
    return [...this.things].map(([name, { thing }]) => [name, thing]);
  }

  usersOf(name: string): string[] {
    return [...(this.things.get(name)?.users ?? [])];
  }

  /** Makes `user` use exactly these things. Returns which got their first user and which lost their last. */
  use(user: string, things: ReadonlyMap<string, Thing>): { made: string[]; gone: string[] } {
    const made: string[] = [];
    const gone: string[] = [];
    for (const [name, thing] of things) {
      const known = this.things.get(name);
      if (known !== undefined) {
        known.users.add(user);
        continue;
      }
      this.things.set(name, { thing, users: new Set([user]) });
      made.push(name);
    }
    for (const name of this.usedBy.get(user) ?? []) {
      if (things.has(name)) continue;
      const { users } = this.things.get(name)!;
      users.delete(user);
      if (users.size > 0) continue;
      this.things.delete(name);
      gone.push(name);
    }
    if (things.size === 0) this.usedBy.delete(user);
    else this.usedBy.set(user, new Set(things.keys()));
    return { made, gone };
  }
}

/** Sets named by their content, declared while a chain uses them. */
export class SharedSets {
  private readonly users = new Users<SetValue>();

  constructor(private readonly desired: DesiredTable) {}

  usersOf(set: string): string[] {
    return this.users.usersOf(set);
  }

  /** Makes `chain` use exactly these sets. */
  use(chain: string, sets: readonly SetValue[]): void {
    const { made, gone } = this.users.use(chain, new Map(sets.map((set) => [set.name, set])));
    for (const name of gone) this.desired.removeSet(name);
    for (const name of made) {
      const { elements, ...set } = this.users.get(name)!;
      this.desired.setSet(set);
      this.desired.addElements(name, elements);
    }
  }
}
