import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AnswerPatience, Pulse } from '../../../src/datastore/etcd/pulse.ts';

describe('the pulse of a watch on etcd', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A pulse whose server answers as told, and what happened to it. */
  function pulse(patience = new AnswerPatience()) {
    const seen = { asked: 0, lost: 0, isReading: true };
    const watching = new Pulse({
      patience,
      ask: () => void seen.asked++,
      isReading: () => seen.isReading,
      onLost: () => void seen.lost++,
    });
    return { seen, watching, patience };
  }

  it('asks at once and after a second of silence, and not while anything arrives', async () => {
    const { seen, watching } = pulse();
    watching.heard(true);
    for (let tenths = 0; tenths < 50; tenths++) {
      await vi.advanceTimersByTimeAsync(100);
      watching.heard(false);
    }
    expect(seen.asked).toBe(1);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(seen.asked).toBe(2);
    watching.stop();
  });

  it('gives a stream up that answered before and does not now', async () => {
    const { seen, watching, patience } = pulse();
    watching.heard(true);
    await vi.advanceTimersByTimeAsync(2_400);
    expect(seen).toMatchObject({ asked: 2, lost: 0 });
    await vi.advanceTimersByTimeAsync(200);
    expect(seen.lost).toBe(1);
    expect(patience.milliseconds).toBe(3_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toMatchObject({ asked: 2, lost: 1 });
  });

  it('waits longer for an answer with each that it missed, up to 12 s, until one comes', () => {
    const patience = new AnswerPatience();
    const waits = Array.from({ length: 5 }, () => {
      const { milliseconds } = patience;
      patience.missed();
      return milliseconds;
    });
    expect(waits).toEqual([1_500, 3_000, 6_000, 12_000, 12_000]);
    patience.answered();
    expect(patience.milliseconds).toBe(1_500);
  });

  it('asks a server once that never answers, and does not give it up', async () => {
    const { seen, watching } = pulse();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen).toMatchObject({ asked: 1, lost: 0 });
    watching.stop();
  });

  it('takes events in the place of an answer', async () => {
    const { seen, watching } = pulse();
    watching.heard(true);
    for (let second = 0; second < 30; second++) {
      await vi.advanceTimersByTimeAsync(1_300);
      watching.heard(false);
    }
    expect(seen.lost).toBe(0);
    watching.stop();
  });

  it('does not take a stream that waits for its reader for lost', async () => {
    const { seen, watching } = pulse();
    watching.heard(true);
    await vi.advanceTimersByTimeAsync(1_100);
    seen.isReading = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen.lost).toBe(0);
    watching.stop();
  });

  it('says nothing after it was stopped', async () => {
    const { seen, watching } = pulse();
    watching.heard(true);
    await vi.advanceTimersByTimeAsync(1_100);
    watching.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toMatchObject({ asked: 2, lost: 0 });
  });
});
