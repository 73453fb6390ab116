/** A flag that a loop waits for. Setting it twice before the loop looks is one wake-up: work is coalesced. */
export class Wakeup {
  private set = false;
  private resume: (() => void) | undefined;

  /** Wakes the waiter, or lets the next wait return at once. */
  raise(): void {
    this.set = true;
    this.resume?.();
  }

  /** Waits until raised, and lowers the flag. One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.set) {
      await new Promise<void>((resolve) => {
        this.resume = resolve;
      });
      this.resume = undefined;
    }
    this.set = false;
  }
}
