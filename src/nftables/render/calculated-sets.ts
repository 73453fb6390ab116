/**
 * The sets that the calculation keeps, as the table has them: a half for each family. A half that never had a member
 * is only made where a rule needs it to be there: a rule that asks for a member of it can match nothing and is left
 * out until the first member comes. The kernel finds a set by walking a list, so a cluster of one family would
 * otherwise pay for twice the sets.
 */
import type { CompiledRule, SetDelta, SetId } from '../../calc/output.ts';
import { type Family, familyOf } from '../../net/address.ts';
import type { DesiredTable } from '../reconciler.ts';
import type { Match, NamedSet, Rule } from '../ruleset.ts';
import { calculatedSet, calculatedSetName } from './set-names.ts';
import { Users } from './sharing.ts';

interface Half {
  readonly id: SetId;
  set: NamedSet;
  /** It has or had members. */
  peopled: boolean;
  /** Its members, while the kernel refuses them and the table goes without them. */
  refused?: Set<string>;
}

/** Every set that a rule asks about, members or not. */
export function setsOfRule({ source, destination }: CompiledRule): SetId[] {
  return [source, destination].flatMap((peer) => [
    ...peer.sets,
    ...peer.notSets,
    ...peer.namedPortSets,
    ...peer.notNamedPortSets,
  ]);
}

interface KnownSet {
  readonly kind: SetDelta['kind'];
  readonly description: string;
  /** Members of families that are not in the table. */
  readonly unwritten: Set<string>;
}

export class CalculatedSets {
  private readonly sets = new Map<SetId, KnownSet>();
  /** By name. */
  private readonly halves = new Map<string, Half>();
  /** Families in the table: those that were ever asked for. */
  private readonly families: Set<Family>;
  /** Who looks a half up, by its name: it must be there then. */
  private readonly users = new Users<true>();
  /** Which chains are made of rules that ask about a set. */
  private readonly askers = new Users<true>();

  constructor(
    private readonly desired: DesiredTable,
    families: readonly Family[],
  ) {
    this.families = new Set(families);
  }

  /** Takes a change of members in. Returns the chains to render again, because a half got its first member or may be made again. */
  change(id: SetId, delta: SetDelta): string[] {
    const { kind, description, added, removed } = delta;
    const { unwritten } = this.sets.get(id) ?? { unwritten: new Set<string>() };
    this.sets.set(id, { kind, description, unwritten });
    const isWritten = (member: string): boolean => this.families.has(familyOf(member));
    for (const member of removed) if (!isWritten(member)) unwritten.delete(member);
    for (const member of added) if (!isWritten(member)) unwritten.add(member);
    const begun = [...this.families].filter((family) => this.write(id, family, delta));
    return begun.length > 0 ? this.askers.usersOf(id) : [];
  }

  /** Whether that was the half's first member. */
  private write(id: SetId, family: Family, { kind, description, added, removed }: SetDelta): boolean {
    const own = (members: readonly string[]): string[] =>
      members.filter((member) => familyOf(member) === family);
    const set = calculatedSet(kind, id, family, description);
    const half: Half = this.halves.get(set.name) ?? { id, set, peopled: false };
    half.set = set;
    this.halves.set(set.name, half);
    const members = own(added);
    if (half.refused !== undefined) return this.tryAgain(half, own(removed), members);
    const first = members.length > 0 && !half.peopled;
    half.peopled ||= first;
    if (this.isWanted(set.name)) {
      this.desired.setSet(set);
      this.desired.removeElements(set.name, own(removed));
      this.desired.addElements(
        set.name,
        members.map((key) => ({ key })),
      );
    }
    return first;
  }

  /** Members that were refused have changed: the kernel may take them now. */
  private tryAgain(half: Half, removed: readonly string[], added: readonly string[]): boolean {
    const members = half.refused!;
    if (removed.length === 0 && added.length === 0) return false;
    for (const member of removed) members.delete(member);
    for (const member of added) members.add(member);
    delete half.refused;
    this.desired.setSet(half.set);
    this.desired.addElements(
      half.set.name,
      [...members].map((key) => ({ key })),
    );
    return true;
  }

  /** The chains made of rules that ask about a set of the table. */
  askersOf(name: string): string[] {
    const half = this.halves.get(name);
    return half === undefined ? [] : this.askers.usersOf(half.id);
  }

  /** Leaves a set that the kernel refuses out of the table until it changes. False if it is not ours, or in use. */
  refuse(name: string): boolean {
    const half = this.halves.get(name);
    if (half === undefined || half.refused !== undefined || this.users.usersOf(name).length > 0) return false;
    half.refused = new Set(this.desired.keysOf(name));
    this.desired.removeSet(name);
    return true;
  }

  /** A family that workloads get addresses of only now. Every chain is to be rendered again afterwards. */
  addFamilies(families: readonly Family[]): void {
    for (const family of families) {
      if (this.families.has(family)) continue;
      this.families.add(family);
      for (const [id, { kind, description, unwritten }] of this.sets) {
        const added = [...unwritten].filter((member) => familyOf(member) === family);
        this.write(id, family, { kind, description, added, removed: [] });
        for (const member of added) unwritten.delete(member);
      }
    }
  }

  remove(id: SetId): void {
    const kind = this.sets.get(id)?.kind;
    if (kind === undefined) return;
    this.sets.delete(id);
    for (const family of this.families) {
      const name = calculatedSetName(kind, id, family);
      if (this.isWanted(name)) this.desired.removeSet(name);
      this.halves.delete(name);
    }
  }

  /** Whether a match asks for a member of a half that never had one. */
  readonly isVain = ({ op, right }: Match): boolean => {
    if (op !== '==' || typeof right !== 'string' || !right.startsWith('@')) return false;
    return this.halves.get(right.slice(1))?.peopled === false;
  };

  /** Makes a chain of these rules the user of the halves that it looks up, and of `asked` sets. */
  use(chain: string, rules: readonly Rule[], asked: Iterable<SetId>): void {
    this.askers.use(chain, new Map([...asked].map((id) => [id, true])));
    const names = new Map<string, true>();
    for (const { expr } of rules) {
      for (const statement of expr) {
        if (!('match' in statement)) continue;
        const { right } = statement.match;
        if (typeof right === 'string' && this.halves.has(right.slice(1))) names.set(right.slice(1), true);
      }
    }
    const { made, gone } = this.users.use(chain, names);
    for (const name of made)
      if (!this.halves.get(name)!.peopled) this.desired.setSet(this.halves.get(name)!.set);
    for (const name of gone) if (this.halves.get(name)?.peopled === false) this.desired.removeSet(name);
  }

  private isWanted(name: string): boolean {
    return this.halves.get(name)?.peopled === true || this.users.usersOf(name).length > 0;
  }
}
