/** Reads what a daemon sends on one session and counts the prefixes that live: leanly, so as not to be what is measured. */
import { ROUND_BASE, prefixNumber } from './updates.ts';

const HEADER = 19;

export interface CounterEvents {
  readonly opened: () => void;
  readonly keepalive: () => void;
  readonly endOfRib: () => void;
  readonly notified: (code: number, subcode: number) => void;
}

export class Counter {
  live = 0;
  /** Prefixes of UPDATEs, as often as they came. */
  announced = 0;
  withdrawn = 0;
  /** Prefixes whose newest AS_PATH ends in {@link finalRound}. */
  final = 0;
  /** Longest time without a message since {@link watchSilence}, milliseconds. */
  longestSilence = 0;
  private last = 0;
  private readonly state: Uint8Array;
  private rest: Buffer = Buffer.alloc(0);

  /** Prefix numbers are below `prefixes`. */
  constructor(
    prefixes: number,
    private readonly finalRound: number,
    private readonly events: CounterEvents,
  ) {
    this.state = new Uint8Array(prefixes);
  }

  /** Begins to measure {@link longestSilence}. */
  watchSilence(): void {
    this.last = performance.now();
  }

  push(chunk: Buffer): void {
    const now = performance.now();
    if (this.last > 0) this.longestSilence = Math.max(this.longestSilence, now - this.last);
    if (this.last > 0) this.last = now;
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const length = (bytes[at + 16]! << 8) | bytes[at + 17]!;
      if (bytes.length - at < length) break;
      this.message(bytes, at, length);
      at += length;
    }
    this.rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }

  private message(bytes: Buffer, at: number, length: number): void {
    switch (bytes[at + 18]!) {
      case 1:
        this.events.opened();
        break;
      case 2:
        if (length === 23) this.events.endOfRib();
        else this.update(bytes, at, at + length);
        break;
      case 3:
        this.events.notified(bytes[at + 19]!, bytes[at + 20]!);
        break;
      case 4:
        this.events.keepalive();
        break;
      default:
        break;
    }
  }

  private update(bytes: Buffer, start: number, end: number): void {
    const { state } = this;
    const withdrawnEnd = start + 21 + ((bytes[start + 19]! << 8) | bytes[start + 20]!);
    for (let at = start + 21; at < withdrawnEnd; at += 1 + ((bytes[at]! + 7) >> 3)) {
      this.withdrawn++;
      const number = prefixNumber(bytes, at + 1);
      if (state[number]! > 0) this.live--;
      if (state[number] === 2) this.final--;
      state[number] = 0;
    }
    const attributesEnd = withdrawnEnd + 2 + ((bytes[withdrawnEnd]! << 8) | bytes[withdrawnEnd + 1]!);
    if (attributesEnd >= end) return;
    const value = this.isFinal(bytes, withdrawnEnd + 2, attributesEnd) ? 2 : 1;
    for (let at = attributesEnd; at < end; at += 1 + ((bytes[at]! + 7) >> 3)) {
      this.announced++;
      const number = prefixNumber(bytes, at + 1);
      const before = state[number]!;
      if (before === 0) this.live++;
      if (before !== value) this.final += value === 2 ? 1 : before === 2 ? -1 : 0;
      state[number] = value;
    }
  }

  /** Whether AS_PATH ends in the round that is waited for. */
  private isFinal(bytes: Buffer, start: number, end: number): boolean {
    for (let at = start; at < end;) {
      const long = (bytes[at]! & 0x10) !== 0;
      const length = long ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!;
      const next = at + (long ? 4 : 3) + length;
      if (bytes[at + 1] === 2)
        return length >= 4 && bytes.readUInt32BE(next - 4) === ROUND_BASE + this.finalRound;
      at = next;
    }
    return false;
  }
}
