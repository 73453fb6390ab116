/** Owns background promises, so that none floats and the first failure is seen. */
export class TaskGroup {
  private readonly running = new Set<Promise<void>>();

  /** `onFailure` is told of every task that rejects. */
  constructor(private readonly onFailure: (name: string, error: unknown) => void) {}

  /** Starts a task; its rejection goes to `onFailure`. */
  spawn(name: string, task: () => Promise<void>): void {
    const promise = (async () => {
      try {
        await task();
      } catch (error) {
        this.onFailure(name, error);
      }
    })();
    this.running.add(promise);
    void promise.finally(() => this.running.delete(promise));
  }

  /** Resolves when every task has ended. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
