import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { RestartGate } from '../../../src/bgp/restart-gate.ts';
import type { Family } from '../../../src/net/address.ts';

const BOTH: Family[] = [4, 6];

function makeGate(...names: string[]) {
  const clock = new ManualClock();
  const opened: string[] = [];
  const told: string[] = [];
  const gate = new RestartGate(
    {
      clock,
      peerWaitTime: 15,
      deferralTime: 120,
      opened: (family, reason) => opened.push(`${family}: ${reason} at ${clock.now() / 1000}`),
      told: (family, reason) => told.push(`${family}: ${reason} at ${clock.now() / 1000}`),
    },
    names.map((name) => ({ name, families: BOTH })),
  );
  return { clock, gate, opened, told };
}

describe('the restart gate (RFC 4724 §4.1)', () => {
  it('opens at once when there is nobody to wait for', () => {
    const { opened, told } = makeGate();
    expect(opened).toEqual(['4: end-of-rib from all peers at 0', '6: end-of-rib from all peers at 0']);
    expect(told).toEqual(opened);
  });

  it('opens each family when the last peer has sent its end-of-RIB', () => {
    const { gate, opened } = makeGate('a', 'b');
    for (const name of ['a', 'b'])
      gate.peerUp(name, { families: BOTH, restarting: false, restartingToo: true });
    gate.endOfRib('a', 4);
    gate.endOfRib('a', 6);
    gate.endOfRib('b', 6);
    expect(opened).toEqual(['6: end-of-rib from all peers at 0']);
    expect([gate.waiting(4), gate.waiting(6)]).toEqual([true, false]);
    gate.endOfRib('b', 4);
    expect(opened).toHaveLength(2);
  });

  it('does not wait for a peer that restarts too, nor for one without graceful restart for the family', () => {
    const { gate, opened } = makeGate('a', 'b');
    gate.peerUp('a', { families: BOTH, restarting: true, restartingToo: true });
    gate.peerUp('b', { families: [4], restarting: false, restartingToo: true });
    expect(opened).toEqual(['6: end-of-rib from all peers at 0']);
    gate.endOfRib('b', 4);
    expect(opened[1]).toBe('4: end-of-rib from all peers at 0');
  });

  it('keeps what is in the kernel until a peer that restarts too has told what it has', () => {
    const { clock, gate, opened, told } = makeGate('a', 'b', 'c');
    for (const name of ['a', 'b', 'c'])
      gate.peerUp(name, { families: BOTH, restarting: true, restartingToo: true });
    expect(opened).toHaveLength(2);
    for (const name of ['a', 'b']) for (const family of BOTH) gate.endOfRib(name, family);
    // Its second session is not one of a restart, but selection has begun.
    gate.peerDown('c');
    gate.peerUp('c', { families: BOTH, restarting: false, restartingToo: true });
    expect(told).toEqual([]);
    clock.advance(1_000);
    for (const family of BOTH) gate.endOfRib('c', family);
    expect(told).toEqual(['4: end-of-rib from all peers at 1', '6: end-of-rib from all peers at 1']);
    clock.advance(200_000);
    expect([opened.length, told.length]).toEqual([2, 2]);
  });

  it('names the peers that tell us something and do not wait for us, for what a reflector tells others', () => {
    const { gate } = makeGate('a', 'b', 'c');
    expect([...gate.telling(4)]).toEqual([]);
    gate.peerUp('a', { families: BOTH, restarting: true, restartingToo: true });
    // It waits for us, who do not look to it like one that restarts: two that wait for each other end nothing.
    gate.peerUp('b', { families: BOTH, restarting: true, restartingToo: false });
    gate.peerUp('c', { families: [4], restarting: false, restartingToo: true });
    expect([...gate.telling(4)]).toEqual(['a', 'c']);
    expect([...gate.telling(6)]).toEqual(['a']);
    gate.endOfRib('a', 4);
    gate.peerDown('c');
    expect([...gate.telling(4)]).toEqual([]);
  });

  it('gives up a peer that restarts too and does not stay', () => {
    const { clock, gate, opened, told } = makeGate('a');
    gate.peerUp('a', { families: BOTH, restarting: true, restartingToo: true });
    gate.peerDown('a');
    expect([opened.length, told.length]).toEqual([2, 0]);
    clock.advance(15_000);
    expect(told).toEqual(['4: peers unreachable at 15', '6: peers unreachable at 15']);
  });

  it('waits for one that has come by itself, unless it is open by then', () => {
    const { clock, gate, opened } = makeGate('template');
    gate.peerCame({ name: 'guest', families: BOTH });
    gate.peerUp('guest', { families: [4], restarting: false, restartingToo: true });
    clock.advance(15_000);
    expect(opened).toEqual(['6: peers unreachable at 15']);
    gate.peerCame({ name: 'late', families: [6] });
    expect(gate.waiting(6)).toBe(false);
    gate.endOfRib('guest', 4);
    expect(opened[1]).toBe('4: end-of-rib from all peers at 15');
  });

  it('gives up peers that do not come up within the peer wait time', () => {
    const { clock, gate, opened } = makeGate('a', 'dead');
    gate.peerUp('a', { families: BOTH, restarting: false, restartingToo: true });
    gate.endOfRib('a', 4);
    clock.advance(14_999);
    expect(opened).toEqual([]);
    clock.advance(1);
    expect(opened).toEqual(['4: peers unreachable at 15']);
    gate.endOfRib('a', 6);
    expect(opened).toHaveLength(2);
  });

  it('waits again for a peer whose session breaks early, and not for one that breaks late', () => {
    const { clock, gate, opened } = makeGate('a');
    gate.peerUp('a', { families: BOTH, restarting: false, restartingToo: true });
    gate.peerDown('a');
    expect(opened).toEqual([]);
    gate.peerUp('a', { families: BOTH, restarting: false, restartingToo: true });
    clock.advance(20_000);
    expect(opened).toEqual([]);
    gate.peerDown('a');
    expect(opened).toEqual(['4: peers unreachable at 20', '6: peers unreachable at 20']);
  });

  it('opens at the deferral timer whatever is missing', () => {
    const { clock, gate, opened } = makeGate('slow');
    gate.peerUp('slow', { families: BOTH, restarting: false, restartingToo: true });
    clock.advance(120_000);
    expect(opened).toEqual(['4: deferral timer at 120', '6: deferral timer at 120']);
  });

  it('forgets a peer that is no longer configured', () => {
    const { gate, opened } = makeGate('gone');
    gate.peerRemoved('gone');
    expect(opened).toHaveLength(2);
  });

  it('opens a family only once, and never after it was stopped', () => {
    const { clock, gate, opened } = makeGate('a');
    gate.stop();
    clock.advance(200_000);
    gate.endOfRib('a', 4);
    expect(opened).toEqual([]);
  });
});
