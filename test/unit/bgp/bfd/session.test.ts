import { describe, expect, it } from 'vitest';
import type { BfdState, ControlPacket } from '../../../../src/bgp/bfd/packet.ts';
import {
  type BfdSession,
  changeParameters,
  createBfdSession,
  detectionTime,
  detectionTimeExpired,
  disable,
  jittered,
  nextPacket,
  receivePacket,
  transmitInterval,
} from '../../../../src/bgp/bfd/session.ts';

const SECOND = 1_000_000;
const FAST = { desiredMinTx: 50_000, requiredMinRx: 60_000, multiplier: 3 };

function packet(state: BfdState, fields: Partial<ControlPacket> = {}): ControlPacket {
  return {
    diagnostic: 0,
    state,
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    multiplier: 4,
    myDiscriminator: 99,
    yourDiscriminator: 7,
    desiredMinTx: 80_000,
    requiredMinRx: 40_000,
    requiredMinEchoRx: 0,
    ...fields,
  };
}

const fresh = createBfdSession(7, FAST);

function after(session: BfdSession, ...packets: ControlPacket[]): BfdSession {
  return packets.reduce((before, next) => receivePacket(before, next).session, session);
}

const init = after(fresh, packet('Down'));
const up = after(init, packet('Init'));
/** The Poll Sequence of going up is over. */
const settled = after(up, packet('Up', { final: true }));
const disabled = disable(up).session;

describe('a BFD session', () => {
  /** RFC 5880 §6.8.6, all of it: state, what the peer says, state after, and the diagnostic if it changes. */
  it.each<[BfdState, BfdSession, BfdState, BfdState, number]>([
    ['Down', fresh, 'AdminDown', 'Down', 0],
    ['Down', fresh, 'Down', 'Init', 0],
    ['Down', fresh, 'Init', 'Up', 0],
    ['Down', fresh, 'Up', 'Down', 0],
    ['Init', init, 'AdminDown', 'Down', 3],
    ['Init', init, 'Down', 'Init', 0],
    ['Init', init, 'Init', 'Up', 0],
    ['Init', init, 'Up', 'Up', 0],
    ['Up', up, 'AdminDown', 'Down', 3],
    ['Up', up, 'Down', 'Down', 3],
    ['Up', up, 'Init', 'Up', 0],
    ['Up', up, 'Up', 'Up', 0],
    ['AdminDown', disabled, 'AdminDown', 'AdminDown', 7],
    ['AdminDown', disabled, 'Down', 'AdminDown', 7],
    ['AdminDown', disabled, 'Init', 'AdminDown', 7],
    ['AdminDown', disabled, 'Up', 'AdminDown', 7],
  ])(
    'in %s that hears %4$s of the peer is as RFC 5880 has it',
    (state, before, heard, expected, diagnostic) => {
      expect(before.state).toBe(state);
      expect(after(before, packet(heard))).toMatchObject({ state: expected, diagnostic });
    },
  );

  it('says at once what has changed, and nothing out of rhythm otherwise', () => {
    expect(receivePacket(fresh, packet('Down')).send).toBe('now');
    expect(receivePacket(init, packet('Init')).send).toBe('now');
    expect(receivePacket(settled, packet('Up')).send).toBeUndefined();
    expect(detectionTimeExpired(settled).send).toBe('now');
  });

  it('answers a Poll with Final, but not while it is disabled', () => {
    expect(receivePacket(settled, packet('Up', { poll: true })).send).toBe('final');
    expect(nextPacket(up, true).packet).toMatchObject({ final: true, poll: false });
    expect(receivePacket(disabled, packet('Up', { poll: true })).send).not.toBe('final');
  });

  it('sends once a second until it is up, then as often as both sides want', () => {
    expect(transmitInterval(fresh)).toBe(SECOND);
    expect(transmitInterval(init)).toBe(SECOND);
    expect(nextPacket(init, false).packet).toMatchObject({ desiredMinTx: SECOND, requiredMinRx: 60_000 });
    expect(transmitInterval(up)).toBe(50_000);
    expect(transmitInterval(after(up, packet('Up', { requiredMinRx: 90_000 })))).toBe(90_000);
    expect(transmitInterval(after(up, packet('Down')))).toBe(SECOND);
  });

  it('sends nothing to a peer that wants nothing, or is in demand mode', () => {
    expect(transmitInterval(after(settled, packet('Up', { requiredMinRx: 0 })))).toBeUndefined();
    expect(transmitInterval(after(settled, packet('Up', { demand: true })))).toBeUndefined();
    expect(transmitInterval(after(up, packet('Up', { demand: true })))).toBe(50_000);
  });

  it("waits for the peer's multiplier times the slower of its sending and our receiving", () => {
    expect(detectionTime(fresh)).toBeUndefined();
    expect(detectionTime(up)).toBe(4 * 80_000);
    expect(detectionTime(after(up, packet('Up', { desiredMinTx: 10_000, multiplier: 2 })))).toBe(2 * 60_000);
  });

  it('goes down in silence, forgets the peer and says why', () => {
    const { session } = detectionTimeExpired(settled);
    expect(session).toMatchObject({ state: 'Down', diagnostic: 1, remote: undefined });
    expect(nextPacket(session, false).packet).toMatchObject({
      state: 'Down',
      diagnostic: 1,
      yourDiscriminator: 0,
    });
    expect(detectionTimeExpired(init).session).toMatchObject({ state: 'Down', diagnostic: 1 });
    const waiting = after(settled, packet('Down'));
    expect(detectionTimeExpired(waiting)).toMatchObject({ session: { diagnostic: 3 }, send: undefined });
  });

  it('polls until the peer has confirmed', () => {
    const first = nextPacket(up, false);
    expect(first.packet).toMatchObject({ state: 'Up', poll: true, desiredMinTx: 50_000 });
    expect(nextPacket(first.session, false).packet.poll).toBe(true);
    expect(nextPacket(settled, false).packet.poll).toBe(false);
  });

  it('sends less often, and waits for less, only when the peer has confirmed', () => {
    const slower = changeParameters(settled, { desiredMinTx: 70_000, requiredMinRx: 200_000, multiplier: 3 });
    expect(slower.send).toBe('now');
    expect(transmitInterval(slower.session)).toBe(50_000);
    expect(detectionTime(slower.session)).toBe(4 * 200_000);
    const confirmed = after(slower.session, packet('Up', { final: true }));
    expect(transmitInterval(confirmed)).toBe(70_000);
    const faster = changeParameters(confirmed, {
      desiredMinTx: 10_000,
      requiredMinRx: 100_000,
      multiplier: 3,
    });
    expect(transmitInterval(faster.session)).toBe(40_000);
    expect(detectionTime(faster.session)).toBe(4 * 200_000);
    expect(detectionTime(after(faster.session, packet('Up', { final: true })))).toBe(4 * 100_000);
  });

  it('lets a packet without P stand between two Poll Sequences', () => {
    const again = changeParameters(up, { ...FAST, desiredMinTx: 300_000 }).session;
    const stale = after(again, packet('Up', { final: true }));
    expect(transmitInterval(stale)).toBe(50_000);
    const between = nextPacket(stale, false);
    expect(between.packet).toMatchObject({ poll: false, desiredMinTx: 300_000 });
    expect(nextPacket(between.session, false).packet.poll).toBe(true);
    expect(transmitInterval(after(between.session, packet('Up', { final: true })))).toBe(300_000);
  });

  it('takes other parameters over silently while it is not up, and nothing happens if they are the same', () => {
    const changed = changeParameters(fresh, { ...FAST, desiredMinTx: 3 * SECOND });
    expect(changed).toMatchObject({ send: undefined, session: { poll: 'idle' } });
    expect(transmitInterval(changed.session)).toBe(3 * SECOND);
    expect(changeParameters(settled, FAST)).toEqual({ session: settled, send: undefined });
  });

  it('draws its jitter between three quarters and all, and below nine tenths with a multiplier of 1', () => {
    expect([jittered(100, 3, 0), jittered(100, 3, 1)]).toEqual([100, 75]);
    expect([jittered(100, 1, 0), jittered(100, 1, 1)]).toEqual([90, 75]);
  });
});
