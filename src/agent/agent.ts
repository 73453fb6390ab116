/**
 * One node's agent: the datastore's stream goes into the calculation, what comes out goes into the kernel and to the
 * BGP speaker, and what is in force is told on the local socket.
 *
 *     Syncer ──update──► CalcGraph ──delta──► Dataplane ──acknowledged──► revision in force
 *                            └──routing plan──► speaker (worker thread)
 *
 * Work is coalesced: while one delta is being applied, everything that arrives makes the next one. Nothing is written
 * before the datastore is in sync (design D8); until then the kernel keeps what an earlier agent left.
 */
import { join } from 'node:path';
import { Backoff } from '../base/backoff.ts';
import { pause, systemClock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { TaskGroup } from '../base/task-group.ts';
import { VERSION } from '../base/version.ts';
import { Wakeup } from '../base/wakeup.ts';
import { FelixConfig } from '../calc/felix-config.ts';
import { CalcGraph } from '../calc/graph.ts';
import type { RoutingPlan } from '../calc/output.ts';
import { ensureDefaults } from '../datastore/bootstrap.ts';
import { type Datastore, DatastoreError, type WatchEvent } from '../datastore/datastore.ts';
import { Syncer } from '../datastore/syncer.ts';
import type { Socket } from '../explain/lockout.ts';
import { PolicyState } from '../explain/policy-state.ts';
import { Dataplane } from '../dataplane/dataplane.ts';
import type { FelixSpec } from '../model/felix-settings.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import { Conntrack } from '../netlink/conntrack.ts';
import { notifyManager } from '../sys/notify.ts';
import { bgpHandlers } from './bgp-requests.ts';
import { routeOwner } from './route-owner.ts';
import { awaitDrain, drainConfig } from './drain-request.ts';
import { ConnectionCutter } from './connection-cutter.ts';
import { LocalRequestError, LocalServer } from './local-server.ts';
import { LockoutWatch } from './lockout-watch.ts';
import type { AgentOptions } from './options.ts';
import { AutoHostEndpoints } from './auto-host-endpoints.ts';
import { type HealthFacts, Telemetry } from './telemetry.ts';
import { SpeakerControl } from './speaker-control.ts';

/** Milliseconds between tries while the datastore cannot be reached at the first start. */
const RETRY = { initial: 200, maximum: 5_000 };

const DEFAULT_WAIT = 10_000;

interface StartOptions extends AgentOptions {
  /** Parameters that this node sets for itself. */
  readonly felix: FelixSpec;
  /** Where the datastore is reached, as far as its address is known. */
  readonly datastoreSockets: readonly Socket[];
}

export class Agent {
  private readonly graph: CalcGraph;
  private readonly wakeup = new Wakeup();
  private readonly stopping = new AbortController();
  private readonly tasks: TaskGroup;
  private readonly startedAt = new Date();
  /** Policy as the kernel has it or is about to, to be asked what becomes of a packet. */
  private readonly state = new PolicyState();
  private readonly cutter: ConnectionCutter;
  private readonly lockouts: LockoutWatch;
  private readonly hostEndpoints: AutoHostEndpoints;
  private readonly waiters = new Set<{ readonly revision: number; readonly resolve: () => void }>();
  private readonly invalid = new Map<string, string>();
  private readonly telemetry: Telemetry;
  private readonly applies = { count: 0, failures: 0, seconds: 0 };
  /** Milliseconds on the clock: since when the kernel is being brought up to date. */
  private applyingSince: number | undefined;
  private local: LocalServer | undefined;
  private inSync = false;
  private revision = 0;
  private revisionInForce = 0;
  private datastoreProblem: DatastoreError | undefined;
  private applyProblem: string | undefined;
  private failure: unknown;

  private constructor(
    private readonly options: StartOptions,
    private readonly datastore: Datastore,
    private readonly dataplane: Dataplane,
    private readonly speaker: SpeakerControl,
    private readonly log: Logger,
  ) {
    this.graph = new CalcGraph({ nodeName: options.node, felix: options.felix });
    this.hostEndpoints = new AutoHostEndpoints({
      node: options.node,
      datastore,
      interfaces: () => dataplane.hostInterfaces(),
      clock: systemClock,
      log,
    });
    this.lockouts = new LockoutWatch(this.state, options.datastoreSockets, log);
    this.cutter = new ConnectionCutter(this.state, {
      open: () => new Conntrack({}),
      isHost: (address) => dataplane.hasAddress(address),
      hostEndpointAt: (address) => dataplane.hostEndpointAt(address),
      hostEndpointsTowards: () => dataplane.hostEndpointsTowards(),
      log,
    });
    this.telemetry = new Telemetry({
      clock: systemClock,
      log,
      health: () => this.health(),
      metrics: async () => ({
        status: await this.status(),
        neighbors: await this.speaker.neighbors(),
        applies: this.applies,
      }),
    });
    this.tasks = new TaskGroup((name, error) => {
      // A task that ends early is a defect: stop, so that the supervisor starts a fresh agent; the kernel keeps all.
      this.failure ??= error;
      this.log.fatal({ task: name, err: error }, 'agent task failed');
      this.stopping.abort();
    });
  }

  /** Opens the kernel and the local socket, then starts to follow the datastore. */
  static async start(
    options: StartOptions,
    datastore: Datastore,
    workerFile: string,
    log: Logger,
  ): Promise<Agent> {
    const dataplane = await Dataplane.open({ tableOwnership: options.tableOwnership, log });
    const speaker = new SpeakerControl({
      workerFile,
      enabled: options.bgp,
      gracefulRestart: options.gracefulRestart,
      secretsDir: options.secretsDir,
      logLevel: options.logLevel,
      log,
    });
    const agent = new Agent(options, datastore, dataplane, speaker, log);
    try {
      agent.local = await LocalServer.listen(
        join(options.runDir, `${options.node}.sock`),
        agent.handlers(),
        log,
      );
    } catch (error) {
      dataplane.close();
      throw error;
    }
    // Health is asked before the datastore has answered, so what this node says itself counts until then.
    const own = new FelixConfig(options.node, options.felix).flush();
    if (own !== undefined) await agent.telemetry.follow(own);
    dataplane.onDisturbance = () => agent.wakeup.raise();
    dataplane.onInterfaces = () => {
      if (agent.inSync) void agent.hostEndpoints.run();
    };
    agent.tasks.spawn('syncer', () => agent.follow());
    agent.tasks.spawn('apply', () => agent.applyLoop());
    notifyManager('READY=1');
    return agent;
  }

  /** Resolves when the agent has been told to stop or a task has failed; rejects with that failure. */
  async stopped(): Promise<void> {
    if (!this.stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.stopping.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.wakeup.raise();
    await this.tasks.settled();
    await this.local?.close();
    await this.telemetry.close();
    await this.speaker.stop();
    this.cutter.close();
    this.hostEndpoints.close();
    this.dataplane.close();
    await this.datastore.close();
    if (this.failure !== undefined) throw this.failure;
  }

  /** Begins to stop. Kernel state stays, and BGP sessions end so that graceful restart holds (design D20). */
  stop(): void {
    notifyManager('STOPPING=1');
    this.stopping.abort();
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      try {
        await ensureDefaults(this.datastore);
        this.datastoreAway(undefined);
        break;
      } catch (error) {
        if (!(error instanceof DatastoreError)) throw error;
        this.datastoreAway(error);
        await pause(systemClock, backoff.delay(), signal);
      }
    }
    const syncer = new Syncer(this.datastore, {
      updates: (batch, revision) => this.receive(batch, revision),
      inSync: (revision) => {
        if (!this.inSync) this.log.info({ revision }, 'datastore in sync');
        this.inSync = true;
        this.revision = Math.max(this.revision, revision);
        this.wakeup.raise();
      },
      problem: (error) => this.datastoreAway(error),
    });
    await syncer.run(signal);
  }

  /** Milliseconds, or until the agent is told to stop. */
  private async pause(milliseconds: number): Promise<void> {
    const { signal } = this.stopping;
    await new Promise<void>((resolve) => {
      const timer = systemClock.after(milliseconds, resolve);
      signal.addEventListener('abort', () => (timer.cancel(), resolve()), { once: true });
    });
  }

  /** `undefined`: it can be read again. */
  private datastoreAway(error: DatastoreError | undefined): void {
    const before = this.datastoreProblem;
    this.datastoreProblem = error;
    if (error === undefined) {
      if (before !== undefined) this.log.info('datastore is back');
      return;
    }
    // The words change from try to try (reset, refused, no answer); what is to be done does not.
    const known = before !== undefined && error.code === before.code && error.fix === before.fix;
    this.log[known ? 'debug' : 'error'](
      { reason: describeError(error) },
      'datastore cannot be read; the last good state stays in force',
    );
  }

  private receive(batch: readonly WatchEvent[], revision: number): void {
    for (const event of batch) {
      const name = `${event.key.kind}/${event.key.namespace === undefined ? '' : `${event.key.namespace}/`}${event.key.name}`;
      if (event.type === 'invalid') {
        this.log.warn(
          { resource: name, reason: event.error.message },
          'resource refused; its last good state stays',
        );
        this.invalid.set(name, event.error.message);
        this.hostEndpoints.doubt(event.key);
        continue;
      }
      this.invalid.delete(name);
      const resource = event.type === 'put' ? event.resource : undefined;
      this.graph.update(event.key, resource);
      this.hostEndpoints.follow(event.key, resource);
    }
    this.revision = Math.max(this.revision, revision);
    this.wakeup.raise();
  }

  private async applyLoop(): Promise<void> {
    const { signal } = this.stopping;
    const backoff = new Backoff({ initial: 50, maximum: 5_000 });
    while (!signal.aborted) {
      await this.wakeup.wait();
      if (signal.aborted) continue;
      if (!this.inSync) {
        await this.hold();
        continue;
      }
      const { revision } = this;
      const delta = this.graph.flush();
      for (const [resource, problem] of delta.problems) {
        if (problem === undefined) this.log.info({ resource }, 'resource is usable again');
        else this.log.warn({ resource, problem }, 'resource cannot be used as it is');
      }
      this.dataplane.update(delta);
      this.state.apply(delta);
      this.cutter.follow(delta);
      this.lockouts.follow(delta);
      if (delta.felix !== undefined) await this.telemetry.follow(delta.felix);
      try {
        await this.applyTimed();
        this.applyProblem = undefined;
        backoff.reset();
      } catch (error) {
        // What was planned is still wanted: the next round computes the difference again.
        this.applies.failures++;
        const reason = describeError(error);
        if (reason !== this.applyProblem)
          this.log.error({ reason }, 'kernel could not be brought up to date; trying again');
        this.applyProblem = reason;
        systemClock.after(backoff.delay(), () => this.wakeup.raise());
        this.routingChanged(delta.routing);
        continue;
      }
      this.routingChanged(delta.routing);
      void this.cutter.run();
      void this.hostEndpoints.run();
      this.inForce(revision);
    }
  }

  /** Nothing is written before the datastore is in sync, but what is there must not be taken from us meanwhile. */
  private async hold(): Promise<void> {
    try {
      await this.dataplane.hold();
    } catch (error) {
      this.log.error({ reason: describeError(error) }, 'the table of an earlier agent could not be repaired');
    }
  }

  private routingChanged(plan: RoutingPlan | undefined): void {
    if (plan !== undefined) this.speaker.follow(plan);
  }

  private inForce(revision: number): void {
    this.revisionInForce = revision;
    for (const waiter of this.waiters) {
      if (waiter.revision > revision) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }

  private async applyTimed(): Promise<void> {
    const start = systemClock.now();
    this.applyingSince = start;
    try {
      await this.dataplane.apply();
    } finally {
      this.applyingSince = undefined;
      this.applies.count++;
      this.applies.seconds += (systemClock.now() - start) / 1000;
    }
  }

  private health(): HealthFacts {
    const applied = this.inSync && this.revisionInForce > 0 && this.applyProblem === undefined;
    return {
      ready: applied,
      busyFor: this.applyingSince === undefined ? undefined : systemClock.now() - this.applyingSince,
      detail: !this.inSync
        ? 'the datastore has not been read yet'
        : (this.applyProblem ?? (applied ? 'ok' : 'nothing has been applied yet')),
    };
  }

  private handlers(): ReadonlyMap<string, (query: URLSearchParams) => unknown> {
    return new Map<string, (query: URLSearchParams) => unknown>([
      ['GET /status', () => this.status()],
      ['GET /wait', (query) => this.waitForRevision(query)],
      ['GET /routes', () => this.speaker.routes()],
      ...bgpHandlers({
        look: (name, params) => this.speaker.look(name, params),
        owner: (address) => routeOwner(this.datastore, address),
        servicesWith: (address) => this.graph.servicesWith(address),
      }),
      [
        'POST /drain',
        (query) => {
          const config = drainConfig(query);
          this.speaker.drain(config);
          return this.drainReaches('drained', config.delay);
        },
      ],
      [
        'POST /undrain',
        () => {
          this.speaker.drain(undefined);
          return this.drainReaches('serving', 0);
        },
      ],
    ]);
  }

  private drainReaches(wanted: 'drained' | 'serving', delay: number): Promise<{ readonly drain: string }> {
    return awaitDrain(() => this.speaker.status(), wanted, delay, systemClock, this.stopping.signal);
  }

  /** Answers when everything up to `revision` is in force, or 408 after `timeout` milliseconds. */
  private async waitForRevision(query: URLSearchParams): Promise<{ readonly revisionInForce: number }> {
    const revision = Number(query.get('revision'));
    const timeout = Number(query.get('timeout') ?? DEFAULT_WAIT);
    if (!Number.isInteger(revision) || !(timeout >= 0)) {
      throw new LocalRequestError(400, 'use /wait?revision=NUMBER&timeout=MILLISECONDS');
    }
    if (this.revisionInForce < revision || !this.inSync) {
      await new Promise<void>((resolve, reject) => {
        const timer = systemClock.after(timeout, () => {
          this.waiters.delete(waiter);
          reject(
            new LocalRequestError(
              408,
              `revision ${revision} is not in force after ${timeout} ms, only ${this.revisionInForce}`,
            ),
          );
        });
        const waiter = {
          revision,
          resolve: () => {
            timer.cancel();
            resolve();
          },
        };
        this.waiters.add(waiter);
      });
    }
    return { revisionInForce: this.revisionInForce };
  }

  private async status(): Promise<AgentStatus> {
    const dataplane = this.dataplane.status();
    return {
      node: this.options.node,
      version: VERSION,
      pid: process.pid,
      startedAt: this.startedAt.toISOString(),
      datastore: {
        type: this.datastore.type,
        inSync: this.inSync,
        revision: this.revision,
        ...(this.datastoreProblem === undefined ? {} : { error: this.datastoreProblem.message }),
        invalid: [...this.invalid].map(([resource, error]) => ({ resource, error })),
        problems: [...this.state.problems].map(([resource, problem]) => ({ resource, problem })),
      },
      dataplane: {
        revisionInForce: this.revisionInForce,
        ...dataplane,
        problems: [
          ...(this.applyProblem === undefined ? [] : [this.applyProblem]),
          ...dataplane.problems,
          ...this.telemetry.problems,
        ],
      },
      bgp: await this.speaker.status(),
    };
  }
}
