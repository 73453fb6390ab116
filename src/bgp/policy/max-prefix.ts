/** How many prefixes a peer may tell in one family, and what happens beyond (RFC 4486 §4; RFC 4271 §6.7). */
import type { Family } from '../../net/address.ts';

/** Plain data. */
export interface MaxPrefix {
  readonly limit: number;
  /** Percent of the limit from which on there is a warning. */
  readonly warning: number;
  /** `warn` only; end the session until somebody starts it again; or start it again after some seconds. */
  readonly beyond: 'warn' | 'idle' | { readonly restart: number };
}

export type PrefixLevel = 'normal' | 'many' | 'too-many';

/** Levels of one session's families, which say when to speak up: once per rise. */
export class PrefixWatch {
  private readonly levels = new Map<Family, PrefixLevel>();

  /** The level that a family has risen to; undefined if it has not. */
  rise(
    family: Family,
    count: number,
    { limit, warning }: MaxPrefix,
  ): Exclude<PrefixLevel, 'normal'> | undefined {
    const level = count > limit ? 'too-many' : count * 100 >= limit * warning ? 'many' : 'normal';
    const before = this.levels.get(family) ?? 'normal';
    this.levels.set(family, level);
    if (level === before || level === 'normal') return undefined;
    return level === 'too-many' || before === 'normal' ? level : undefined;
  }

  /** A session begins. */
  reset(): void {
    this.levels.clear();
  }
}
