/** Engines over a wire that can be cut, slow down or lose packets, on a clock that is moved by hand. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Clock, ManualClock } from '../../../src/base/clock.ts';
import { KernelError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { type BfdArrival, BfdEngine } from '../../../src/bgp/bfd-engine.ts';
import type { BfdHandle, BfdReport, BfdTarget } from '../../../src/bgp/bfd-service.ts';
import { decodeControlPacket } from '../../../src/bgp/bfd/packet.ts';
import { type Address, address } from '../../../src/net/address.ts';

const A = address('10.0.0.1');
const B = address('10.0.0.2');
const PARAMETERS = { desiredMinTx: 50_000, requiredMinRx: 50_000, multiplier: 3 };

class Wire {
  readonly receivers = new Map<Address, (arrival: BfdArrival) => void>();
  readonly sent: { readonly at: number; readonly from: Address; readonly bytes: Uint8Array }[] = [];
  /** Senders whose packets are lost. */
  readonly cut = new Set<Address>();
  loss: (from: Address) => boolean = () => false;
  problem: string | undefined;
  /** Packets that have arrived and are not read: the receiver's thread is elsewhere. */
  held: (() => void)[] | undefined;

  constructor(private readonly clock: Clock) {}

  engine(own: Address): BfdEngine {
    let seed = own === A ? 1 : 2;
    return new BfdEngine({
      clock: this.clock,
      log: silentLogger(),
      random: () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647,
      transport: (receive) => {
        this.receivers.set(own, receive);
        return {
          open: (target) => this.open(own, target, () => this.receivers.get(own) === receive),
          whenRead: (callback) => {
            for (const read of this.held?.splice(0) ?? []) read();
            callback();
          },
          close: () => this.receivers.delete(own),
        };
      },
    });
  }

  /** Whoever comes after on an address has killed the one before. */
  private open(own: Address, { remote, multihop }: BfdTarget, alive: () => boolean) {
    if (this.problem !== undefined) throw new KernelError('open UDP socket', 'EADDRINUSE', this.problem);
    return {
      send: (bytes: Uint8Array) => {
        this.sent.push({ at: this.clock.now(), from: own, bytes });
        if (this.cut.has(own) || this.loss(own) || !alive()) return;
        const deliver = (): void => this.receivers.get(remote)?.({ bytes, remote: own, multihop });
        this.clock.after(1, () => {
          if (this.held === undefined || remote !== A) deliver();
          else this.held.push(deliver);
        });
      },
      close: () => undefined,
    };
  }
}

interface End {
  readonly engine: BfdEngine;
  readonly handle: BfdHandle;
  readonly reports: BfdReport[];
  readonly verdicts: () => readonly string[];
  readonly status: () => BfdReport['status'];
}

let clock: ManualClock;
let wire: Wire;

beforeEach(() => {
  clock = new ManualClock();
  wire = new Wire(clock);
});

function end(own: Address, parameters = PARAMETERS, multihop = false): End {
  const reports: BfdReport[] = [];
  const engine = wire.engine(own);
  const target = { local: own, remote: own === A ? B : A, multihop };
  const handle = engine.open(target, parameters, (report) => reports.push(report));
  return {
    engine,
    handle,
    reports,
    verdicts: () => reports.flatMap(({ verdict }) => (verdict === undefined ? [] : [verdict])),
    status: () => reports.at(-1)!.status,
  };
}

function pair(): readonly [End, End] {
  const ends = [end(A), end(B)] as const;
  clock.advance(2000);
  for (const { status } of ends) expect(status()).toMatchObject({ state: 'Up', remoteState: 'Up' });
  return ends;
}

describe('two BFD engines', () => {
  it('come up and then send every 50 ms less jitter', () => {
    const [a, b] = pair();
    expect(a.verdicts()).toEqual(['alive']);
    expect(b.status()).toMatchObject({ transmitInterval: 50, detectionTime: 150, diagnostic: '' });
    wire.sent.length = 0;
    clock.advance(10_000);
    const times = wire.sent.filter(({ from }) => from === A).map(({ at }) => at);
    const gaps = times.slice(1).map((at, index) => at - times[index]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(37);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(50);
    expect(new Set(gaps).size).toBeGreaterThan(10);
  });

  it('find a path dead that is dead one way: in a detection time, and the other end by hearing of it', () => {
    const [a, b] = pair();
    wire.cut.add(B);
    clock.advance(150);
    expect(a.status()).toMatchObject({ state: 'Down', diagnostic: 'Control Detection Time Expired' });
    expect(b.status()).toMatchObject({ state: 'Down', diagnostic: 'Neighbor Signaled Session Down' });
    expect(a.verdicts()).toEqual(['alive', 'lost']);
    expect(b.verdicts()).toEqual(['alive', 'lost']);
    wire.cut.clear();
    clock.advance(3000);
    expect(a.verdicts()).toEqual(['alive', 'lost', 'alive']);
    expect(a.status()).toMatchObject({ state: 'Up', remoteDiagnostic: '' });
  });

  it('send but once a second to a peer that is not there', () => {
    end(A);
    clock.advance(60_000);
    expect(wire.sent.length).toBeGreaterThanOrEqual(60);
    expect(wire.sent.length).toBeLessThanOrEqual(80);
  });

  it('never take their own absence for silence of the peer', () => {
    const [a] = pair();
    wire.held = [];
    clock.advance(5000);
    expect(a.verdicts()).toEqual(['alive']);
    wire.cut.add(B);
    clock.advance(400);
    expect(a.verdicts()).toEqual(['alive', 'lost']);
  });

  it('say goodbye without alarm: a session that is closed, an engine that stops', async () => {
    const [a, b] = pair();
    a.handle.close();
    clock.advance(1000);
    expect(b.verdicts()).toEqual(['alive', 'unwatched']);
    expect(b.status()).toMatchObject({ state: 'Down', remoteDiagnostic: 'Administratively Down' });
    expect(a.verdicts()).toEqual(['alive']);
    const [c, d] = pair();
    const stopped = c.engine.stop();
    for (let step = 0; step < 4; step++) {
      clock.advance(50);
      await Promise.resolve();
    }
    await stopped;
    expect(d.verdicts()).toEqual(['alive', 'unwatched']);
  });

  it('confirm a peer that is there, and not one that only was', () => {
    const [a] = pair();
    a.handle.confirm();
    clock.advance(50);
    expect(a.verdicts()).toEqual(['alive', 'alive']);
    wire.cut.add(B);
    clock.advance(5);
    a.handle.confirm();
    clock.advance(200);
    expect(a.verdicts()).toEqual(['alive', 'alive', 'lost']);
  });

  it('go over to other timers by a Poll Sequence, without going down', () => {
    const [a, b] = pair();
    b.handle.change({ desiredMinTx: 200_000, requiredMinRx: 100_000, multiplier: 5 });
    clock.advance(1000);
    expect(a.status()).toMatchObject({ state: 'Up', transmitInterval: 100, detectionTime: 1000 });
    expect(b.status()).toMatchObject({ state: 'Up', transmitInterval: 200, detectionTime: 300 });
    expect(a.verdicts()).toEqual(['alive']);
    wire.sent.length = 0;
    clock.advance(1000);
    for (const { bytes } of wire.sent)
      expect(decodeControlPacket(bytes)).toMatchObject({ poll: false, final: false });
  });

  it('meet again after one of them has started anew, with another discriminator', () => {
    const [a] = pair();
    const again = end(B);
    clock.advance(3000);
    expect(again.status()).toMatchObject({ state: 'Up' });
    expect(a.verdicts()).toEqual(['alive', 'lost', 'alive']);
  });

  it('drop what is not of their session', () => {
    const [a] = pair();
    const { bytes } = wire.sent.findLast(({ from }) => from === B)!;
    const receive = wire.receivers.get(A)!;
    wire.cut.add(B);
    for (let time = 0; time < 300; time += 50) {
      receive({ bytes, remote: address('10.0.0.9'), multihop: false });
      receive({ bytes, remote: B, multihop: true });
      receive({ bytes: bytes.subarray(1), remote: B, multihop: false });
      clock.advance(50);
    }
    expect(a.status()).toMatchObject({ state: 'Down' });
  });

  it('say why they cannot run, and run once they can', () => {
    wire.problem = 'another BFD runs here';
    const a = end(A);
    end(B);
    expect(a.status()).toMatchObject({
      state: 'Down',
      problem: expect.stringMatching(/another BFD runs here/),
    });
    wire.problem = undefined;
    clock.advance(5000);
    expect(a.status()).toMatchObject({ state: 'Up' });
    expect(a.status().problem).toBeUndefined();
  });

  it('stay up for as long as no three packets in a row are lost', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 40, maxLength: 200 }), (pattern) => {
        clock = new ManualClock();
        wire = new Wire(clock);
        const [a] = pair();
        let position = 0;
        const inARow = new Map([A, B].map((own) => [own, 0]));
        wire.loss = (from) => {
          const lost = pattern[position++ % pattern.length]! && inARow.get(from)! < 2;
          inARow.set(from, lost ? inARow.get(from)! + 1 : 0);
          return lost;
        };
        clock.advance(5000);
        expect(a.verdicts()).toEqual(['alive']);
      }),
      { numRuns: 30 },
    );
  });
});
