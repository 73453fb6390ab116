import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { Handover } from '../../../src/bgp/handover.ts';

function make() {
  const clock = new ManualClock();
  const over: string[] = [];
  const handover = new Handover({ clock, over: (name) => over.push(`${name} at ${clock.now() / 1000}`) });
  return { clock, over, handover };
}

describe('a session that the configuration no longer wants', () => {
  it('goes at once if nothing comes in its place', () => {
    const { handover, over } = make();
    handover.leave('tor', false);
    expect(over).toEqual(['tor at 0']);
    expect(handover.isLeaving('tor')).toBe(false);
  });

  it('stays until every new session has told its routes, or has gone', () => {
    const { handover, over } = make();
    handover.expect('a');
    handover.expect('b');
    handover.leave('tor', false);
    handover.delivered('a');
    expect(over).toEqual([]);
    expect(handover.isLeaving('tor')).toBe(true);
    handover.forget('b');
    expect(over).toEqual(['tor at 0']);
  });

  it('of the mesh stays for five seconds in any case', () => {
    const { clock, handover, over } = make();
    handover.leave('mesh', true);
    handover.expect('reflector');
    clock.advance(4_999);
    handover.delivered('reflector');
    expect(over).toEqual([]);
    clock.advance(1);
    expect(over).toEqual(['mesh at 5']);
  });

  it('waits a minute at most, for a new session as for its own end', () => {
    const { clock, handover, over } = make();
    handover.expect('unreachable');
    clock.advance(30_000);
    handover.leave('first', true);
    clock.advance(30_000);
    expect(over).toEqual(['first at 60']);
    handover.leave('second', false);
    expect(over).toEqual(['first at 60', 'second at 60']);
    handover.expect('another');
    handover.expect('another');
    handover.leave('third', true);
    clock.advance(60_000);
    expect(over.slice(2)).toEqual(['third at 120']);
  });

  it('stays for good if it is wanted again', () => {
    const { clock, handover, over } = make();
    handover.leave('mesh', true);
    handover.forget('mesh');
    clock.advance(120_000);
    expect(over).toEqual([]);
  });

  it('is left alone once the speaker ends', () => {
    const { clock, handover, over } = make();
    handover.expect('new');
    handover.leave('mesh', true);
    handover.stop();
    clock.advance(120_000);
    expect(over).toEqual([]);
  });
});
