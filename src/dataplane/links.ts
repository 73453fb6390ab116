/** The links of this namespace as the managers need them: by name and index, kept by the monitor's events. */
import type { KernelEvent, Link } from '../netlink/kernel.ts';

export class LinkTable {
  private readonly byIndex = new Map<number, Link>();
  private readonly byName = new Map<string, Link>();

  named(name: string): Link | undefined {
    return this.byName.get(name);
  }

  all(): Iterable<Link> {
    return this.byIndex.values();
  }

  index(index: number): Link | undefined {
    return this.byIndex.get(index);
  }

  /** Takes over a full read-back; returns every name that was or is there. */
  replace(links: readonly Link[]): Set<string> {
    const names = new Set(this.byName.keys());
    this.byIndex.clear();
    this.byName.clear();
    for (const link of links) {
      this.set(link);
      names.add(link.name);
    }
    return names;
  }

  /** Follows an event; returns the names it touches (two for a rename), none for an event of another topic. */
  follow(event: KernelEvent): string[] {
    if (event.type === 'link') {
      const before = this.byIndex.get(event.link.index);
      if (before !== undefined && before.name !== event.link.name) this.byName.delete(before.name);
      this.set(event.link);
      return before === undefined ? [event.link.name] : [...new Set([before.name, event.link.name])];
    }
    if (event.type === 'link-deleted') {
      const before = this.byIndex.get(event.link.index);
      if (before === undefined) return [];
      this.byIndex.delete(before.index);
      if (this.byName.get(before.name)?.index === before.index) this.byName.delete(before.name);
      return [before.name];
    }
    return [];
  }

  private set(link: Link): void {
    this.byIndex.set(link.index, link);
    this.byName.set(link.name, link);
  }
}
