import { describe, expect, it } from 'vitest';
import { StreamLedger } from '../../../src/lab/traffic-stream.ts';

function ledgerOf(sent: number, answers: readonly number[]): StreamLedger {
  const ledger = new StreamLedger();
  for (let index = 0; index < sent; index++) ledger.send(index * 10);
  for (const sequence of answers) ledger.receive(sequence, sequence * 10 + 1);
  return ledger;
}

describe('the book-keeping of a stream', () => {
  it('counts what was never answered, as ranges', () => {
    expect(ledgerOf(8, [0, 3, 4, 7]).report()).toMatchObject({
      sent: 8,
      received: 4,
      lost: 4,
      lostRanges: [
        [1, 2],
        [5, 6],
      ],
      longestGap: 30,
    });
  });

  it('counts an answer that came after that of a later datagram as reordered', () => {
    expect(ledgerOf(4, [0, 2, 1, 3]).report()).toMatchObject({ lost: 0, reordered: 1 });
  });

  it('counts a second answer to one datagram as a duplicate, not as received', () => {
    expect(ledgerOf(2, [0, 0, 1]).report()).toMatchObject({ received: 2, lost: 0, duplicates: 1 });
  });

  it('ignores numbers that were never sent', () => {
    expect(ledgerOf(1, [0, 5, Number.NaN]).report()).toMatchObject({ received: 1, lost: 0 });
  });

  it('reports a stream that nobody answered', () => {
    expect(ledgerOf(3, []).report()).toMatchObject({ lost: 3, lostRanges: [[0, 2]], roundTrip: undefined });
  });
});
