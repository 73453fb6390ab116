import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import { type Negotiated, localOpen, negotiate } from '../../../../src/bgp/fsm/negotiate.ts';
import type { SessionConfig } from '../../../../src/bgp/fsm/session.ts';
import type { Capability, OpenMessage } from '../../../../src/bgp/wire/message.ts';
import type { Role } from '../../../../src/bgp/wire/role.ts';
import { toHex } from '../wire/bytes.ts';
import { CONFIG, GRACEFUL, peerOpen } from './sessions.ts';

function agree(ours: Partial<SessionConfig>, open: OpenMessage): Negotiated {
  const result = negotiate({ ...CONFIG, ...ours }, open);
  if ('type' in result) throw new Error(`refused: ${result.code}/${result.subcode}`);
  return result;
}

function role(name: Role, strict = false): NonNullable<SessionConfig['role']> {
  return { name, strict };
}

/** The OPEN of a peer in another AS. */
function otherOpen(change: Partial<SessionConfig> = {}): OpenMessage {
  return peerOpen({ localAs: 65001, ...change });
}

function withCapability(open: OpenMessage, capability: Capability): OpenMessage {
  return { ...open, capabilities: [...open.capabilities, capability] };
}

describe('an OPEN is refused (RFC 4271 §6.2)', () => {
  const cases: readonly (readonly [string, Partial<SessionConfig>, OpenMessage, number, string])[] = [
    ['another AS than configured', {}, peerOpen({ localAs: 64999 }), 2, ''],
    ['AS 0, whatever is configured (RFC 7607)', { peerAs: undefined }, peerOpen({ localAs: 0 }), 2, ''],
    ['identifier zero', {}, peerOpen({ routerId: address('0.0.0.0') }), 3, ''],
    ['our own identifier within the AS', {}, peerOpen({ routerId: CONFIG.routerId }), 3, ''],
    ['a hold time of one second', {}, peerOpen({ holdTime: 1 }), 6, ''],
    ['a hold time of two seconds', {}, peerOpen({ holdTime: 2 }), 6, ''],
    ['no family in common (RFC 5492 §5)', { families: [6] }, peerOpen({ families: [4] }), 7, '010400020001'],
    [
      'two providers (RFC 9234 §4.2)',
      { peerAs: 65001, role: role('provider') },
      otherOpen({ role: role('provider') }),
      11,
      '',
    ],
    [
      'no role in strict mode (RFC 9234 §4.2)',
      { peerAs: 65001, role: role('peer', true) },
      otherOpen(),
      11,
      '',
    ],
    [
      'two roles, of which one is right (RFC 9234 §4.2)',
      { peerAs: 65001, role: role('customer') },
      withCapability(otherOpen({ role: role('provider') }), { type: 'role', role: 4 }),
      11,
      '',
    ],
  ];
  it.each(cases)('%s', (_name, ours, open, subcode, data) => {
    const result = negotiate({ ...CONFIG, ...ours }, open);
    expect(result).toMatchObject({ type: 'notification', code: 2, subcode });
    if ('type' in result) expect(toHex(result.data)).toBe(data);
  });
});

describe('an OPEN is accepted', () => {
  it('with our own identifier from another AS (RFC 6286 §2.2)', () => {
    const open = peerOpen({ localAs: 65001, routerId: CONFIG.routerId });
    expect(agree({ peerAs: 65001 }, open).wire.external).toBe(true);
  });

  it('from any AS if none is configured', () => {
    expect(agree({ peerAs: undefined }, peerOpen({ localAs: 65001 })).peerAs).toBe(65001);
  });

  it.each([
    ['provider', 'customer', 3],
    ['customer', 'provider', 0],
    ['rs', 'rs-client', 2],
    ['rs-client', 'rs', 1],
    ['peer', 'peer', 4],
  ] as const)('with roles that go together: %s and %s (RFC 9234 §4.2)', (ours, theirs, code) => {
    const open = otherOpen({ role: role(theirs) });
    expect(agree({ peerAs: 65001, role: role(ours, true) }, open).peerRole).toBe(code);
  });

  it('without a role, where ours is not strict', () => {
    expect(agree({ peerAs: 65001, role: role('peer') }, otherOpen()).peerRole).toBeUndefined();
  });

  it('within an AS whatever the roles', () => {
    const open = withCapability(peerOpen(), { type: 'role', role: 0 });
    expect(agree({ role: role('provider') }, open).peerRole).toBe(0);
    const { capabilities } = localOpen({ ...CONFIG, role: role('provider') });
    expect(capabilities.map(({ type }) => type)).not.toContain('role');
  });
});

describe('what is agreed', () => {
  it.each([
    [90, 30, 30, 10],
    [30, 90, 30, 10],
    [90, 0, 0, 0],
    [0, 90, 0, 0],
    [3, 90, 3, 1],
    [4, 90, 4, 1],
  ])(
    'hold times %i and %i: %i, keepalives every %i (RFC 4271 §4.2)',
    (ours, theirs, holdTime, keepaliveTime) => {
      expect(agree({ holdTime: ours }, peerOpen({ holdTime: theirs }))).toMatchObject({
        holdTime,
        keepaliveTime,
      });
    },
  );

  it('a shorter keepalive time if configured, never a longer one', () => {
    expect(agree({ keepaliveTime: 5 }, peerOpen()).keepaliveTime).toBe(5);
    expect(agree({ keepaliveTime: 60 }, peerOpen()).keepaliveTime).toBe(30);
  });

  it('families both offer, IPv4 for a peer that offers none (RFC 4760 §8)', () => {
    expect(agree({}, peerOpen({ families: [6] })).families).toEqual([6]);
    const bare = { ...peerOpen(), capabilities: [] };
    expect(agree({}, bare)).toMatchObject({
      families: [4],
      routeRefresh: false,
      wire: { fourOctetAs: false, extendedMessages: false },
    });
  });

  it('extended messages and IPv6 next hops only if both offer them (RFC 8654, RFC 8950)', () => {
    const ours = { extendedMessages: true, extendedNextHop: true };
    expect(agree(ours, peerOpen(ours)).wire).toMatchObject(ours);
    expect(agree(ours, peerOpen({ extendedMessages: false })).wire).toMatchObject({
      extendedMessages: false,
      extendedNextHop: false,
    });
  });

  it('path identifiers in the direction that one sends and the other receives (RFC 7911 §4)', () => {
    const sender = { addPath: { send: true, receive: false } };
    const receiver = { addPath: { send: false, receive: true } };
    expect(agree(sender, peerOpen(receiver)).wire).toMatchObject({ addPathSend: [4, 6], addPathReceive: [] });
    expect(agree(receiver, peerOpen(sender)).wire).toMatchObject({ addPathSend: [], addPathReceive: [4, 6] });
    expect(agree(sender, peerOpen(sender)).wire).toMatchObject({ addPathSend: [], addPathReceive: [] });
  });

  it('the peer’s graceful restart, for families that the session carries (RFC 4724 §3)', () => {
    const open = peerOpen({
      gracefulRestart: { restartTime: 60, restarting: true, forwarding: [6] },
      longLivedStaleTime: 600,
    });
    const ours = { families: [6], gracefulRestart: GRACEFUL, longLivedStaleTime: 300 } as const;
    expect(agree(ours, open)).toMatchObject({
      gracefulRestart: {
        restarting: true,
        notification: true,
        restartTime: 60,
        families: [{ family: 6, forwarding: true }],
      },
      longLivedStale: [{ family: 6, staleTime: 600, forwarding: true }],
    });
    expect(agree({ families: [6] }, open)).toMatchObject({ gracefulRestart: undefined, longLivedStale: [] });
  });

  it('the last graceful restart that the peer tells of, if there are several (RFC 4724 §3)', () => {
    const first = peerOpen({ gracefulRestart: { restartTime: 60, restarting: true, forwarding: [4] } });
    const last: Capability = {
      type: 'graceful-restart',
      restarting: false,
      notification: false,
      restartTime: 30,
      families: [{ afi: 2, safi: 1, forwarding: true }],
    };
    expect(agree({ gracefulRestart: GRACEFUL }, withCapability(first, last)).gracefulRestart).toEqual({
      restarting: false,
      notification: false,
      restartTime: 30,
      families: [{ family: 6, forwarding: true }],
    });
  });

  it('nothing of long-lived graceful restart from a peer without graceful restart (RFC 9494 §4.1)', () => {
    const longLived: Capability = {
      type: 'long-lived-graceful-restart',
      families: [{ afi: 1, safi: 1, forwarding: true, staleTime: 600 }],
    };
    const ours = { gracefulRestart: GRACEFUL, longLivedStaleTime: 300 };
    expect(agree(ours, withCapability(peerOpen(), longLived))).toMatchObject({
      knowsLongLived: false,
      longLivedStale: [],
    });
    const both = withCapability(peerOpen({ gracefulRestart: GRACEFUL }), longLived);
    expect(agree(ours, both).knowsLongLived).toBe(true);
  });

  it('families that the peer lists in several capabilities of one kind (RFC 5492 §4)', () => {
    const addPath = (afi: number): Capability => ({
      type: 'add-path',
      families: [{ afi, safi: 1, mode: 'both' }],
    });
    const nextHop = (safi: number): Capability => ({
      type: 'extended-next-hop',
      families: [{ afi: 1, safi, nextHopAfi: 2 }],
    });
    const open = [addPath(1), addPath(2), nextHop(2), nextHop(1)].reduce(withCapability, peerOpen());
    const ours = { addPath: { send: true, receive: true }, extendedNextHop: true };
    expect(agree(ours, open).wire).toMatchObject({
      addPathSend: [4, 6],
      addPathReceive: [4, 6],
      extendedNextHop: true,
    });
  });
});
