import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { BfdReport, BfdTarget, BfdVerdict } from '../../../src/bgp/bfd-service.ts';
import { Liveness } from '../../../src/bgp/liveness.ts';
import { address } from '../../../src/net/address.ts';

const TARGET: BfdTarget = { remote: address('10.0.0.2'), local: address('10.0.0.1'), multihop: false };
const CONFIG = { interval: 50, multiplier: 3 };

let clock: ManualClock;
/** What was asked of BFD and of BGP, in order. */
let log: string[];
let report: (report: BfdReport) => void;
let liveness: Liveness;

beforeEach(() => {
  clock = new ManualClock();
  log = [];
  liveness = new Liveness({
    clock,
    log: silentLogger,
    service: () => ({
      open: ({ local }, { desiredMinTx }, listener) => {
        log.push(`open ${local} ${desiredMinTx}`);
        report = listener;
        return {
          change: (parameters) => log.push(`change ${parameters.desiredMinTx}`),
          confirm: () => log.push('confirm'),
          close: () => log.push('close'),
        };
      },
      stop: () => Promise.resolve(),
    }),
    drop: () => {
      log.push('drop');
      liveness.disconnected();
    },
    release: () => log.push('release'),
    abandon: () => log.push('abandon'),
  });
});

function say(verdict: BfdVerdict, controlPlaneIndependent = false): void {
  const status = { diagnostic: '', remoteDiagnostic: '', multihop: false, since: '' } as const;
  report({
    status: { ...status, state: verdict === 'alive' ? 'Up' : 'Down' },
    verdict,
    controlPlaneIndependent,
  });
}

/** What has happened since the last call. */
function happened(): string[] {
  return log.splice(0);
}

describe('a BGP session that BFD watches', () => {
  it('is not touched by a BFD session that has never been up', () => {
    liveness.established(TARGET, CONFIG);
    expect(happened()).toEqual(['open 10.0.0.1 50000']);
    say('lost');
    expect(happened()).toEqual([]);
  });

  it('ends when the path is dead, and may come again when the path is back', () => {
    liveness.established(TARGET, CONFIG);
    say('alive');
    say('lost');
    expect(happened()).toEqual(['open 10.0.0.1 50000', 'drop']);
    say('alive');
    expect(happened()).toEqual(['release']);
    liveness.established(TARGET, CONFIG);
    expect(happened()).toEqual(['change 50000', 'confirm']);
  });

  it.each<[string, () => void]>([
    ['half a minute has passed', () => clock.advance(1)],
    ['the peer has no BFD any more', () => say('unwatched')],
    ['BFD is no longer wanted', () => liveness.close()],
  ])('that was ended may come again when %s, too', (_, cause) => {
    liveness.established(TARGET, CONFIG);
    say('alive');
    say('lost');
    happened();
    clock.advance(29_999);
    expect(happened()).toEqual([]);
    cause();
    expect(happened()).toContain('release');
    clock.advance(60_000);
    expect(happened()).toEqual([]);
  });

  it('stays when the peer gives up BFD', () => {
    liveness.established(TARGET, CONFIG);
    say('alive');
    say('unwatched');
    say('lost');
    expect(happened()).toEqual(['open 10.0.0.1 50000']);
  });

  it('that is new is not ended by the silence of the peer that was before it', () => {
    liveness.established(TARGET, CONFIG);
    say('alive');
    liveness.disconnected();
    liveness.established(TARGET, CONFIG);
    say('lost');
    expect(happened()).not.toContain('drop');
    say('alive');
    say('lost');
    expect(happened()).toContain('drop');
  });

  it("leaves a restart of the peer alone, unless the peer's BFD outlives its restarts", () => {
    liveness.established(TARGET, CONFIG);
    say('alive');
    liveness.disconnected();
    say('lost');
    expect(happened()).toEqual(['open 10.0.0.1 50000']);
    say('lost', true);
    expect(happened()).toEqual(['abandon']);
  });

  it('moves its BFD with its addresses, and takes other timers over', () => {
    liveness.established(TARGET, CONFIG);
    liveness.change({ interval: 100, multiplier: 3 });
    liveness.disconnected();
    liveness.established({ ...TARGET, local: address('10.0.0.9') }, CONFIG);
    expect(happened()).toEqual(['open 10.0.0.1 50000', 'change 100000', 'close', 'open 10.0.0.9 50000']);
  });
});
