/**
 * Make before break: a session that the configuration no longer wants stays until those that come in its place have
 * told their routes. So a mesh turns into reflectors, or reflectors into another set of them, and no route is lost.
 *
 * The sessions of the mesh stay for some seconds in any case, because the other nodes learn of the change when they
 * do, and because what a reflector passes on comes after its own end-of-RIB.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';

/** Milliseconds that a session of the mesh stays at least, and any session at most. */
const MESH_STAY = 5_000;
const LONGEST_STAY = 60_000;

export interface HandoverOptions {
  readonly clock: Clock;
  /** A session may go now. */
  readonly over: (name: string) => void;
}

interface Leaving {
  /** Past the time that it stays in any case. */
  free: boolean;
  readonly timers: readonly TimerHandle[];
}

export class Handover {
  /** New sessions, each with the end of the time that it is waited for. */
  private readonly awaited = new Map<string, TimerHandle>();
  private readonly leaving = new Map<string, Leaving>();

  constructor(private readonly options: HandoverOptions) {}

  isLeaving(name: string): boolean {
    return this.leaving.has(name);
  }

  /** A session is new, and what it will tell is waited for. */
  expect(name: string): void {
    this.awaited.get(name)?.cancel();
    this.awaited.set(
      name,
      this.options.clock.after(LONGEST_STAY, () => this.delivered(name)),
    );
  }

  /** A session has told its routes, or will not any more. */
  delivered(name: string): void {
    const timer = this.awaited.get(name);
    if (timer === undefined) return;
    timer.cancel();
    this.awaited.delete(name);
    this.check();
  }

  /** A session is no longer wanted. Says when it may go, at once perhaps. */
  leave(name: string, mesh: boolean): void {
    this.delivered(name);
    if (this.leaving.has(name)) return;
    const { clock } = this.options;
    const timers = [clock.after(LONGEST_STAY, () => this.end(name))];
    if (mesh) {
      timers.push(
        clock.after(MESH_STAY, () => {
          this.leaving.get(name)!.free = true;
          this.check();
        }),
      );
    }
    this.leaving.set(name, { free: !mesh, timers });
    this.check();
  }

  /** A session is wanted again, or gone. */
  forget(name: string): void {
    for (const timer of this.leaving.get(name)?.timers ?? []) timer.cancel();
    this.leaving.delete(name);
    this.delivered(name);
  }

  /** Waits for nothing any more, and lets nothing go. */
  stop(): void {
    for (const { timers } of this.leaving.values()) for (const timer of timers) timer.cancel();
    for (const timer of this.awaited.values()) timer.cancel();
    this.leaving.clear();
    this.awaited.clear();
  }

  private check(): void {
    if (this.awaited.size > 0) return;
    for (const [name, { free }] of this.leaving) if (free) this.end(name);
  }

  private end(name: string): void {
    this.forget(name);
    this.options.over(name);
  }
}
