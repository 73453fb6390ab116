/**
 * Metrics and health over HTTP, as FelixConfiguration asks for them (reference: Calico's prometheusMetrics… and
 * health… parameters): `/metrics`, `/liveness`, `/readiness`.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { FelixParameters } from '../calc/felix-config.ts';
import { HttpEndpoint, type HttpAnswer } from './http-endpoint.ts';
import { type MetricFacts, agentMetrics } from './metrics.ts';
import { METRICS_TYPE, prometheusText } from './prometheus-text.ts';

/** What decides about health. */
export interface HealthFacts {
  /** The datastore was read whole, and what it says is in the kernel. */
  readonly ready: boolean;
  /** Milliseconds since the work that is going on now began; undefined if none is. */
  readonly busyFor: number | undefined;
  /** In words, for whoever asks. */
  readonly detail: string;
}

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: () => HealthFacts;
  /** Everything but the process's own figures. */
  readonly metrics: () => Promise<Omit<MetricFacts, 'process' | 'now'>>;
}

type Parameters = Pick<
  FelixParameters,
  | 'healthEnabled'
  | 'healthHost'
  | 'healthPort'
  | 'prometheusMetricsEnabled'
  | 'prometheusMetricsHost'
  | 'prometheusMetricsPort'
  | 'prometheusProcessMetricsEnabled'
>;

/** Milliseconds after which work that does not end is no longer alive (Calico's timeout of the internal dataplane). */
const STUCK = 90_000;

export class Telemetry {
  private readonly metrics: HttpEndpoint;
  private readonly health: HttpEndpoint;
  private processMetrics = true;

  constructor(private readonly options: TelemetryOptions) {
    const { clock, log } = options;
    this.metrics = new HttpEndpoint('metrics', { '/metrics': () => this.metricsPage() }, clock, log);
    this.health = new HttpEndpoint(
      'health',
      { '/liveness': () => this.livenessPage(), '/readiness': () => this.readinessPage() },
      clock,
      log,
    );
  }

  /** Why something is not served, though it should be. */
  get problems(): string[] {
    return [this.metrics.problem, this.health.problem].filter((problem) => problem !== undefined);
  }

  /** Ports that are served now, for tests. */
  get ports(): { readonly metrics: number | undefined; readonly health: number | undefined } {
    return { metrics: this.metrics.port, health: this.health.port };
  }

  async follow(parameters: Parameters): Promise<void> {
    this.processMetrics = parameters.prometheusProcessMetricsEnabled;
    await this.metrics.follow(
      parameters.prometheusMetricsEnabled
        ? { host: parameters.prometheusMetricsHost, port: parameters.prometheusMetricsPort }
        : undefined,
    );
    await this.health.follow(
      parameters.healthEnabled ? { host: parameters.healthHost, port: parameters.healthPort } : undefined,
    );
  }

  async close(): Promise<void> {
    await this.metrics.close();
    await this.health.close();
  }

  /** When tries to listen that have begun are done, for tests. */
  async settled(): Promise<void> {
    await this.metrics.settled();
    await this.health.settled();
  }

  private async metricsPage(): Promise<HttpAnswer> {
    const facts = await this.options.metrics();
    const { user, system } = process.cpuUsage();
    const own = {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
      startSeconds: Date.now() / 1000 - process.uptime(),
    };
    const families = agentMetrics({
      ...facts,
      now: Date.now(),
      ...(this.processMetrics ? { process: own } : {}),
    });
    return { status: 200, type: METRICS_TYPE, body: prometheusText(families) };
  }

  private livenessPage(): HttpAnswer {
    const { busyFor = 0, detail } = this.options.health();
    return answer(busyFor < STUCK, busyFor < STUCK ? detail : `busy for ${Math.round(busyFor / 1000)} s`);
  }

  private readinessPage(): HttpAnswer {
    const { ready, detail } = this.options.health();
    return answer(ready, detail);
  }
}

function answer(good: boolean, detail: string): HttpAnswer {
  return { status: good ? 200 : 503, type: 'text/plain', body: `${detail}\n` };
}
