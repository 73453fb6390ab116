import { describe, expect, it } from 'vitest';
import {
  isLeaked,
  markedOnExport,
  markedOnImport,
  staysDown,
} from '../../../../src/bgp/policy/only-to-customer.ts';
import type { Role } from '../../../../src/bgp/wire/role.ts';
import { attributes } from '../rib/make.ts';

const PEER_AS = 65001;
const LOCAL_AS = 64512;
const unmarked = attributes();
const byPeer = attributes({ onlyToCustomer: PEER_AS });
const byOther = attributes({ onlyToCustomer: 65009 });

/** By our role: is a route marked by the peer, by another a leak; is an unmarked one marked on the way in, out; may a marked one go. */
const TABLE: readonly (readonly [Role | undefined, boolean, boolean, boolean, boolean, boolean])[] = [
  [undefined, false, false, false, false, true],
  ['provider', true, true, false, true, true],
  ['rs', true, true, false, true, true],
  ['customer', false, false, true, false, false],
  ['rs-client', false, false, true, false, false],
  ['peer', false, true, true, true, false],
];

describe('Only to Customer (RFC 9234 §5), by our role', () => {
  it.each(TABLE)('%s', (role, leakByPeer, leakByOther, markedIn, markedOut, mayGo) => {
    expect(isLeaked(unmarked, role, PEER_AS)).toBe(false);
    expect(isLeaked(byPeer, role, PEER_AS)).toBe(leakByPeer);
    expect(isLeaked(byOther, role, PEER_AS)).toBe(leakByOther);
    expect(markedOnImport(unmarked, role, PEER_AS).onlyToCustomer).toBe(markedIn ? PEER_AS : undefined);
    expect(markedOnExport(unmarked, role, LOCAL_AS).onlyToCustomer).toBe(markedOut ? LOCAL_AS : undefined);
    expect(markedOnImport(byOther, role, PEER_AS)).toBe(byOther);
    expect(markedOnExport(byOther, role, LOCAL_AS)).toBe(byOther);
    expect(staysDown(byOther, role)).toBe(!mayGo);
    expect(staysDown(unmarked, role)).toBe(false);
  });
});
