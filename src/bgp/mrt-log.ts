/** The update log: what peers tell, as MRT records (RFC 6396 §4.4), appended to a file. */
import { appendFile } from 'node:fs/promises';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { ByteWriter } from '../net/bytes.ts';
import type { MonitoredSession, SessionMonitor } from './session-monitor.ts';
import { MRT_STATES, type MrtSession, writeMessage, writeStateChange } from './wire/mrt.ts';

/** Milliseconds that records wait for others. The file is opened anew each time, so that it may be moved away. */
const GATHER = 500;
/** Octets that may wait for a disk that is slow; more are dropped, and said so. */
const LARGEST_BACKLOG = 64 << 20;

export interface MrtLogOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class MrtLog implements SessionMonitor {
  private readonly writer = new ByteWriter(1 << 16);
  private timer: TimerHandle | undefined;
  private writing: Promise<void> | undefined;
  private dropped = 0;
  private failing = false;

  constructor(private readonly options: MrtLogOptions) {}

  up(session: MonitoredSession): void {
    this.append((now) => {
      writeStateChange(this.writer, now, ends(session), MRT_STATES.OpenConfirm, MRT_STATES.Established);
    });
  }

  down(session: MonitoredSession): void {
    this.append((now) => {
      writeStateChange(this.writer, now, ends(session), MRT_STATES.Established, MRT_STATES.Idle);
    });
  }

  /** The log is of what peers say. */
  readonly wantsPolicy = false;

  accepted(): void {}

  received(session: MonitoredSession, update: Uint8Array): void {
    this.append((now) => writeMessage(this.writer, now, ends(session), update));
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    await this.writing;
    await this.write();
  }

  private append(record: (now: number) => void): void {
    if (this.writer.length > LARGEST_BACKLOG) {
      this.dropped++;
      return;
    }
    record(this.options.clock.wall());
    this.timer ??= this.options.clock.after(GATHER, () => {
      this.timer = undefined;
      this.writing = this.write();
    });
  }

  private async write(): Promise<void> {
    const { file, log } = this.options;
    if (this.writer.length === 0) return;
    const bytes = this.writer.copy();
    this.writer.truncate(0);
    try {
      await appendFile(file, bytes, { mode: 0o640 });
      this.failing = false;
    } catch (error) {
      if (!this.failing)
        log.error({ file, reason: describeError(error) }, 'bgp update log cannot be written');
      this.failing = true;
      return;
    }
    if (this.dropped === 0) return;
    log.warn({ file, records: this.dropped }, 'bgp update log was too slow: records are missing');
    this.dropped = 0;
  }
}

function ends(session: MonitoredSession): MrtSession {
  return {
    peerAs: session.asNumber,
    localAs: session.localAs,
    peerAddress: session.address,
    localAddress: session.localAddress,
    fourOctetAs: session.fourOctetAs,
  };
}
