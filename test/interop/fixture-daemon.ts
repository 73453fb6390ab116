/** A daemon of somebody else in a network namespace: its folder, its process, and what it says. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { spawnIn, terminate } from '../../src/sys/process.ts';
import { killChild } from './fixture-child.ts';

export abstract class Daemon {
  private readonly directory: string;
  private child: ChildProcess | undefined;
  private text = '';

  protected constructor(
    private readonly name: string,
    protected readonly namespace: string,
  ) {
    this.directory = mkdtempSync(join(tmpdir(), `margay-${name}-`));
    // Some give up their privileges before they read it.
    chmodSync(this.directory, 0o755);
  }

  /** Everything it has said. */
  get log(): string {
    return this.text;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  /** Sends a signal to the process, e.g. SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Kills it without a chance to say goodbye. */
  kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    return killChild(child);
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child !== undefined) {
      child.kill('SIGCONT');
      await terminate(child);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A file of its folder. */
  protected path(file: string): string {
    return join(this.directory, file);
  }

  /** Nothing is left of one that does not start. */
  protected async orStop(start: () => Promise<void>): Promise<this> {
    try {
      await start();
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this;
  }

  /** Starts the program and waits until it is ready. */
  protected async launch(
    program: string,
    args: readonly string[],
    isReady: () => Promise<boolean> | boolean,
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const child = spawnIn(program, [...args], {
      namespace: this.namespace,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.text += chunk.toString('utf8');
      });
    }
    await vi.waitFor(
      async () => {
        if (!(await isReady())) throw new Error(`${this.name} does not start: ${this.text}`);
      },
      { timeout: 15_000, interval: 50 },
    );
  }
}
