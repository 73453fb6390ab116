/** Random choices that a seed repeats. */
export class Random {
  private state: number;

  constructor(seed: number) {
    // Seeds that follow one another must not give sequences that do.
    this.state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** From 0 to 1, without 1 (mulberry32). */
  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** From `first` to `last`, both included. */
  integer(first: number, last: number): number {
    return first + Math.floor(this.fraction() * (last - first + 1));
  }

  one<const T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }

  /** `minimum` to `maximum` different ones. */
  some<const T>(choices: readonly T[], minimum: number, maximum: number): T[] {
    const left = [...choices];
    const wanted = Math.min(this.integer(minimum, maximum), left.length);
    return Array.from({ length: wanted }, () => left.splice(this.integer(0, left.length - 1), 1)[0]!);
  }
}
