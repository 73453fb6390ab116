import { beforeEach, describe, expect, it } from 'vitest';
import { Rib } from '../../../../src/bgp/rib/rib.ts';
import { OWN, type SourceId } from '../../../../src/bgp/rib/sources.ts';
import { type Address, address } from '../../../../src/net/address.ts';
import { prefixBits } from '../../../../src/net/prefix-bits.ts';
import { type Prefix, prefix } from '../../../../src/net/prefix.ts';
import { attributes, source } from './make.ts';

const P = prefix('192.0.2.0/24');
const Q = prefix('198.51.100.0/24');
const [near, far, away] = ['10.0.0.2', '10.1.0.2', '10.2.0.2'].map(address) as [Address, Address, Address];

let rib: Rib;
let watched: Map<Address, boolean>;
let dead: Set<Address>;
let a: SourceId;
let b: SourceId;
/** Prefixes that were decided. */
let decided: Prefix[];

beforeEach(() => {
  watched = new Map();
  dead = new Set();
  decided = [];
  rib = new Rib({
    watch: (host) => {
      expect(watched.has(host)).toBe(false);
      watched.set(host, true);
      return !dead.has(host);
    },
    unwatch: (host) => {
      expect(watched.delete(host)).toBe(true);
    },
  });
  a = rib.addSource(source('10.0.0.2'));
  b = rib.addSource(source('10.0.0.3'));
});

function tell(
  from: SourceId,
  to: Prefix,
  nextHop: Address | undefined,
  asNumbers: readonly number[] = [1],
): void {
  const values = attributes({ asPath: [{ type: 'sequence', asNumbers: [...asNumbers] }] });
  const id = rib.attributes.internRoute({ attributes: values, nextHop: nextHop && { address: nextHop } });
  rib.announce(from, to, id);
  rib.attributes.release(id);
  select();
}

function select(): void {
  const family = rib.families[4];
  family.select(1000, (id) => decided.push(family.prefixes.text(id)));
}

function turn(host: Address, reachable: boolean): void {
  if (reachable) dead.delete(host);
  else dead.add(host);
  rib.changeReachability(new Map([[host, reachable]]));
  select();
}

/** The next hop of the best path, and the step that decided. */
function best(of: Prefix): string | undefined {
  const family = rib.families[4];
  const selection = family.selection(family.find(prefixBits(of)));
  if (selection === undefined) return undefined;
  return `${rib.path(4, selection.best).route.nextHop?.address} by ${selection.decidedBy}`;
}

describe('a path whose next hop leads nowhere (RFC 4271 §9.1.2.1)', () => {
  it('loses against any that leads somewhere, from the first and later', () => {
    dead.add(near);
    tell(a, P, near);
    expect(best(P)).toBeUndefined();
    expect(rib.unreachable).toBe(1);
    tell(b, P, far, [1, 2, 3]);
    expect(best(P)).toBe(`${far} by next-hop`);
    expect(rib.unreachable).toBe(0);
    turn(near, true);
    expect(best(P)).toBe(`${near} by as-path-length`);
    turn(near, false);
    turn(far, false);
    expect(best(P)).toBeUndefined();
    turn(far, true);
    expect(best(P)).toBe(`${far} by next-hop`);
  });

  it('has only those prefixes decided again that it concerns', () => {
    tell(a, P, near);
    tell(a, Q, far);
    decided.length = 0;
    turn(near, false);
    turn(near, false);
    turn(away, false);
    expect(decided).toEqual([P]);
    expect(best(Q)).toBe(`${far} by only`);
  });

  it('never is an own route', () => {
    tell(OWN, P, undefined);
    tell(a, P, near);
    expect(best(P)).toBe('undefined by own');
  });

  it('is no longer watched when nobody tells it any more', () => {
    tell(a, P, near);
    tell(b, P, near);
    tell(a, Q, far);
    expect([...watched.keys()]).toEqual([near, far]);
    rib.withdraw(a, P);
    rib.withdraw(a, Q);
    select();
    expect([...watched.keys()]).toEqual([near]);
    turn(near, false);
    rib.withdraw(b, P);
    select();
    expect(watched.size).toBe(0);
    expect(rib.unreachable).toBe(0);
    expect(rib.families[4].prefixes.size).toBe(0);
    tell(a, Q, far);
    expect([...watched.keys()]).toEqual([far]);
    expect(best(Q)).toBe(`${far} by only`);
  });

  it('on the link of the session counts as there, for it ends with that link', () => {
    tell(a, P, address('fe80::2'));
    expect(watched.size).toBe(0);
    expect(best(P)).toBe('fe80::2 by only');
  });
});
