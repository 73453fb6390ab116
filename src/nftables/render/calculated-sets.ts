/**
 * The sets that the calculation keeps, as the table has them: a half for each family. A half that never had a member
 * is only made where a rule needs it to be there: a rule that asks for a member of it can match nothing and is left
 * out until the first member comes. The kernel finds a set by walking a list, so a cluster of one family would
 * otherwise pay for twice the sets.
 *
 * Most sets hold nothing but hosts. Those are hashes, which take half the elements of an interval set and find a member
 * at once. With the first network in it a half becomes an interval set, under another name; it stays one.
 */
import type { CompiledRule, SetDelta, SetId } from '../../calc/output.ts';
import { type Family, familyOf } from '../../net/address.ts';
import { type Prefix, isHostPrefix, prefixAddress } from '../../net/prefix.ts';
import type { DesiredTable } from '../reconciler.ts';
import type { Match, NamedSet, Rule } from '../ruleset.ts';
import type { KnownSets } from './rule.ts';
import { calculatedSet, calculatedSetName } from './set-names.ts';
import { Users } from './sharing.ts';

interface Half {
  readonly id: SetId;
  set: NamedSet;
  /** It has or had members. */
  peopled: boolean;
  /** Its members, while the kernel refuses them and the table goes without them. */
  refused?: Set<string>;
  /** By what the calculation calls them. Kept of hosts alone, which may have to move. */
  readonly hosts: Set<string>;
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

export class CalculatedSets implements KnownSets {
  private readonly sets = new Map<SetId, KnownSet>();
  private readonly halves = new Map<string, Half>();
  /** The halves again, by the name of their set. */
  private readonly byName = new Map<string, Half>();
  /** Sets that became interval sets; gone once no rule asks about them. */
  private readonly outgrown = new Set<string>();
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

  /** Whether rules about the half are to be rendered again: it got its first member, or another name. */
  private write(id: SetId, family: Family, delta: SetDelta): boolean {
    const { kind, description } = delta;
    const added = ofFamily(delta.added, family);
    const removed = ofFamily(delta.removed, family);
    const changes = added.length + removed.length > 0;
    if (!changes && this.halves.has(halfKey(id, family))) return false;
    const half = this.halfOf(kind, id, family, description);
    const { refused } = half;
    if (refused === undefined) return this.fill(half, family, description, added, removed);
    // Members that were refused have changed: the kernel may take them now.
    for (const member of removed) refused.delete(member);
    for (const member of added) refused.add(member);
    delete half.refused;
    this.desired.setSet(half.set);
    this.fill(half, family, description, [...refused], []);
    return true;
  }

  private fill(
    half: Half,
    family: Family,
    description: string,
    added: readonly string[],
    removed: readonly string[],
  ): boolean {
    const outgrows = isHosts(half) && !added.every(isHostMember);
    if (outgrows) this.outgrow(half, family, description);
    const first = added.length > 0 && !half.peopled;
    half.peopled ||= first;
    if (this.isWanted(half)) {
      const { name } = half.set;
      this.desired.setSet(half.set);
      const key = isHosts(half) ? hostAddress : asItIs;
      this.desired.removeElements(name, removed.map(key));
      this.desired.addElements(
        name,
        added.map((member) => ({ key: key(member) })),
      );
    }
    if (isHosts(half)) {
      for (const member of removed) half.hosts.delete(member);
      for (const member of added) half.hosts.add(member);
    }
    return first || outgrows;
  }

  /** The chains made of rules that ask about a set of the table. */
  askersOf(name: string): string[] {
    const half = this.byName.get(name);
    return half === undefined ? [] : this.askers.usersOf(half.id);
  }

  /** Leaves a set that the kernel refuses out of the table until it changes. False if it is not ours, or in use. */
  refuse(name: string): boolean {
    const half = this.byName.get(name);
    if (half === undefined || half.refused !== undefined || this.users.usersOf(name).length > 0) return false;
    half.refused = new Set(isHosts(half) ? half.hosts : this.desired.keysOf(name));
    half.hosts.clear();
    this.desired.removeSet(name);
    return true;
  }

  private halfOf(kind: SetDelta['kind'], id: SetId, family: Family, description: string): Half {
    const key = halfKey(id, family);
    let half = this.halves.get(key);
    if (half === undefined) {
      const set = calculatedSet(kind === 'addresses' ? 'hosts' : 'ports', id, family, description);
      half = { id, set, peopled: false, hosts: new Set() };
      this.halves.set(key, half);
      this.byName.set(set.name, half);
    }
    return half;
  }

  private outgrow(half: Half, family: Family, description: string): void {
    const { name } = half.set;
    if (this.isWanted(half)) this.outgrown.add(name);
    this.byName.delete(name);
    half.set = calculatedSet('networks', half.id, family, description);
    half.peopled = true;
    this.byName.set(half.set.name, half);
    this.desired.setSet(half.set);
    this.desired.addElements(
      half.set.name,
      [...half.hosts].map((key) => ({ key })),
    );
    half.hosts.clear();
  }

  /** Drops what no rule asks about any more, after rules were rendered again. */
  settle(): void {
    for (const name of this.outgrown) this.desired.removeSet(name);
    this.outgrown.clear();
  }

  readonly addressSetName = (id: SetId, family: Family): string =>
    this.halves.get(halfKey(id, family))?.set.name ?? calculatedSetName('hosts', id, family);

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
    if (!this.sets.delete(id)) return;
    for (const family of this.families) {
      const half = this.halves.get(halfKey(id, family));
      if (half === undefined) continue;
      if (this.isWanted(half)) this.desired.removeSet(half.set.name);
      this.halves.delete(halfKey(id, family));
      this.byName.delete(half.set.name);
    }
  }

  /** Whether a match asks for a member of a half that never had one. */
  readonly isVain = ({ op, right }: Match): boolean => {
    if (op !== '==' || typeof right !== 'string' || !right.startsWith('@')) return false;
    return this.byName.get(right.slice(1))?.peopled === false;
  };

  /** Makes a chain of these rules the user of the halves that it looks up, and of `asked` sets. */
  use(chain: string, rules: readonly Rule[], asked: Iterable<SetId>): void {
    this.askers.use(chain, new Map([...asked].map((id) => [id, true])));
    const names = new Map<string, true>();
    for (const { expr } of rules) {
      for (const statement of expr) {
        if (!('match' in statement)) continue;
        const { right } = statement.match;
        if (typeof right === 'string' && this.byName.has(right.slice(1))) names.set(right.slice(1), true);
      }
    }
    const { made, gone } = this.users.use(chain, names);
    for (const name of made) {
      const half = this.byName.get(name)!;
      if (!half.peopled) this.desired.setSet(half.set);
    }
    for (const name of gone) if (this.byName.get(name)?.peopled === false) this.desired.removeSet(name);
  }

  private isWanted({ set, peopled }: Half): boolean {
    return peopled || this.users.usersOf(set.name).length > 0;
  }
}

function halfKey(id: SetId, family: Family): string {
  return `${family} ${id}`;
}

function ofFamily(members: readonly string[], family: Family): readonly string[] {
  return members.length === 0 ? members : members.filter((member) => familyOf(member) === family);
}

function isHosts({ set }: Half): boolean {
  return !set.interval && set.type.length === 1;
}

function isHostMember(member: string): boolean {
  return isHostPrefix(member as Prefix);
}

function hostAddress(member: string): string {
  return prefixAddress(member as Prefix);
}

function asItIs(member: string): string {
  return member;
}
