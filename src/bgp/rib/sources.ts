/**
 * Who tells routes, each under a small number, and how many routes they have told in one family. Whether a route is
 * fresh, stale (RFC 4724 §4.2) or to go is told by its epoch: a peer that is lost begins a new one, and what it told
 * before becomes stale, or nothing, without a look at each route.
 */
import { addressToInteger } from '../../net/address.ts';
import { InternalError } from '../../base/errors.ts';
import type { Source } from './route.ts';

/** Number of a source; 0 is ourselves. */
export type SourceId = number;

export const OWN: SourceId = 0;
/** Sources there can be. */
const LIMIT = 0xffff;
const NO_EPOCH = -1;

export class Sources {
  private readonly values: (Source | undefined)[] = [undefined];
  private readonly free: SourceId[] = [];
  /** BGP Identifier as a number. */
  private readonly identifiers: number[] = [0];
  private readonly externals: boolean[] = [false];
  private readonly metricCosts: number[] = [0];

  add(source: Source): SourceId {
    const id = this.free.shift() ?? this.values.length;
    if (id >= LIMIT) throw new InternalError(`more than ${LIMIT} sources of routes`);
    this.set(id, source);
    return id;
  }

  set(id: SourceId, source: Source): void {
    this.values[id] = source;
    this.identifiers[id] = Number(addressToInteger(source.identifier));
    this.externals[id] = source.external;
    this.metricCosts[id] = source.metricCost ?? 0;
  }

  remove(id: SourceId): void {
    this.values[id] = undefined;
    this.free.push(id);
  }

  /** Undefined for our own routes. */
  get(id: SourceId): Source | undefined {
    return this.values[id];
  }

  identifier(id: SourceId): number {
    return this.identifiers[id]!;
  }

  external(id: SourceId): boolean {
    return this.externals[id]!;
  }

  /** What the way to it adds to an accumulated metric. */
  metricCost(id: SourceId): number {
    return this.metricCosts[id]!;
  }

  /** Negative if the address of `a` is the lower; an IPv4 address is lower than any IPv6 address. */
  compareAddresses(a: SourceId, b: SourceId): number {
    const one = addressOrder(this.values[a]);
    const two = addressOrder(this.values[b]);
    return one < two ? -1 : one > two ? 1 : 0;
  }
}

function addressOrder(source: Source | undefined): bigint {
  if (source === undefined) return -1n;
  const value = addressToInteger(source.address);
  return source.address.includes(':') ? value + (1n << 32n) : value;
}

/** What the sources have told in one family. */
export class SourceBooks {
  private readonly books: Book[] = [];

  /** The epoch of what the source tells now. */
  epoch(source: SourceId): number {
    return this.book(source).epoch;
  }

  isStale(source: SourceId, epoch: number): boolean {
    return this.book(source).staleEpoch === epoch;
  }

  /** Told before the source was lost for good, or never confirmed: to be removed. */
  isGone(source: SourceId, epoch: number): boolean {
    const book = this.book(source);
    return epoch !== book.epoch && epoch !== book.staleEpoch;
  }

  /** Routes held, stale ones included, and the stale ones among them. */
  count(source: SourceId): { readonly received: number; readonly stale: number } {
    const { fresh, stale } = this.book(source);
    return { received: fresh + stale, stale };
  }

  /** A route of the epoch has come (1) or gone (-1). */
  add(source: SourceId, epoch: number, change: 1 | -1): void {
    const book = this.book(source);
    if (epoch === book.epoch) book.fresh += change;
    else if (epoch === book.staleEpoch) book.stale += change;
  }

  /** What was told becomes stale; what was stale is gone. Returns how many are gone. */
  turnStale(source: SourceId): number {
    const book = this.book(source);
    const gone = book.stale;
    book.staleEpoch = book.epoch;
    book.stale = book.fresh;
    book.epoch = (book.epoch + 1) & 0xff;
    book.fresh = 0;
    return gone;
  }

  /** What is stale is gone. Returns how many that are. */
  dropStale(source: SourceId): number {
    const book = this.book(source);
    const gone = book.stale;
    book.staleEpoch = NO_EPOCH;
    book.stale = 0;
    return gone;
  }

  /** All is gone. Returns how many routes that are. */
  drop(source: SourceId): number {
    const gone = this.turnStale(source);
    return gone + this.dropStale(source);
  }

  private book(source: SourceId): Book {
    return (this.books[source] ??= { epoch: 0, staleEpoch: NO_EPOCH, fresh: 0, stale: 0 });
  }
}

interface Book {
  epoch: number;
  staleEpoch: number;
  fresh: number;
  stale: number;
}
