/** The recorders of a speaker as its configuration names them: BMP stations, the update log. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { BmpExporter } from './bmp-exporter.ts';
import type { BmpStation, MonitoringConfig } from './config.ts';
import { MrtLog } from './mrt-log.ts';
import type { Neighbor } from './neighbor.ts';
import { SessionMonitors } from './session-monitor.ts';

export interface MonitoringOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Network namespace of sockets; the process's own if left out. */
  readonly namespace?: string;
  readonly neighbor: (name: string) => Neighbor | undefined;
}

export class Monitoring {
  readonly monitors = new SessionMonitors();
  private config: MonitoringConfig = {};
  private stations: BmpExporter[] = [];
  private updates: MrtLog | undefined;

  constructor(private readonly options: MonitoringOptions) {}

  /** Goes over to what is configured; recorders that stay the same are left alone. */
  follow(config: MonitoringConfig = {}): void {
    const before = this.config;
    this.config = config;
    if (!isDeepStrictEqual(before.bmp, config.bmp)) {
      this.closeStations();
      this.stations = (config.bmp ?? []).map((station) => this.exporter(station));
    }
    if (before.mrtUpdates === config.mrtUpdates) return;
    void this.closeUpdates();
    if (config.mrtUpdates === undefined) return;
    this.updates = new MrtLog({ ...this.options, file: config.mrtUpdates });
    this.monitors.add(this.updates);
  }

  /** Says goodbye, and writes what is left. */
  async close(): Promise<void> {
    this.closeStations();
    await this.closeUpdates();
  }

  private exporter(station: BmpStation): BmpExporter {
    const { neighbor } = this.options;
    const exporter = new BmpExporter({
      ...this.options,
      station,
      sessions: () => this.monitors.current,
      refresh: (name) => void neighbor(name)?.importAgain(),
      counts: (name) => neighbor(name)?.counts ?? [],
    });
    this.monitors.add(exporter);
    exporter.start();
    return exporter;
  }

  private closeStations(): void {
    for (const station of this.stations.splice(0)) {
      this.monitors.remove(station);
      station.close();
    }
  }

  private async closeUpdates(): Promise<void> {
    const { updates } = this;
    this.updates = undefined;
    if (updates === undefined) return;
    this.monitors.remove(updates);
    await updates.close();
  }
}
