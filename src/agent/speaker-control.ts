/** The agent's hold on its BGP speaker: follows the routing plan, and tells the state in the words of the status. */
import type { BgpNeighborView, BgpQuestions } from '../base/bgp-view.ts';
import { systemClock } from '../base/clock.ts';
import { MargayError, describeError } from '../base/errors.ts';
import type { LogLevel, Logger } from '../base/log.ts';
import type { DrainConfig, PeerType, SpeakerConfig } from '../bgp/config.ts';
import type { RouteStatus, SpeakerStatus } from '../bgp/status.ts';
import { BgpWorkerHost } from '../bgp/worker-host.ts';
import type { RoutingPlan } from '../calc/output.ts';
import type { BgpPeerType, BgpStatus } from '../model/agent-status.ts';
import { withPasswords } from './peer-passwords.ts';
import { SecretFiles } from './secret-files.ts';
import { speakerConfig } from './speaker-config.ts';

export interface SpeakerControlOptions {
  /** The file whose worker threads run a speaker: our own bundle. */
  readonly workerFile: string;
  /** False for `--no-bgp`. */
  readonly enabled: boolean;
  readonly gracefulRestart: boolean;
  /** Where passwords of peers are: SECRET/KEY below this directory. */
  readonly secretsDir: string;
  readonly logLevel: LogLevel;
  readonly log: Logger;
}

/** rtm_protocol of learned routes (design D20). */
const BGP_ROUTE_PROTOCOL = 81;

const PEER_TYPES: Readonly<Record<PeerType, BgpPeerType>> = {
  mesh: 'node-to-node mesh',
  global: 'global',
  node: 'node specific',
  workload: 'local workload',
  dynamic: 'dynamic',
};

export class SpeakerControl {
  private host: BgpWorkerHost | undefined;
  private problem: string | undefined;
  private plan: RoutingPlan | undefined;
  private drainConfig: DrainConfig | undefined;
  private readonly secrets: SecretFiles;
  private passwordProblems: readonly string[] = [];
  /** Calls to the thread, one after another. */
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly options: SpeakerControlOptions) {
    this.secrets = new SecretFiles(options.secretsDir, systemClock, () => {
      if (this.plan !== undefined) this.follow(this.plan);
    });
  }

  /** Goes over to a plan. Failures are logged and told by {@link status}; routes and policy do not wait for BGP. */
  follow(plan: RoutingPlan): void {
    if (!this.options.enabled) return;
    this.plan = plan;
    const { peers, problems } = withPasswords(plan.peers, (name, key) => this.secrets.read(name, key));
    for (const problem of problems) {
      if (!this.passwordProblems.includes(problem)) this.options.log.warn({ problem }, 'bgp peers left out');
    }
    this.passwordProblems = problems;
    const config = speakerConfig(plan, {
      protocol: BGP_ROUTE_PROTOCOL,
      gracefulRestart: this.options.gracefulRestart,
      peers,
      ...(this.drainConfig === undefined ? {} : { drain: this.drainConfig }),
    });
    this.enqueue(() => this.turnTo(config));
  }

  /**
   * Takes this node out of routing until told otherwise (undefined) or the agent starts again: peers are told that our
   * routes are about to go, and after the delay sessions end (RFC 8326).
   */
  drain(config: DrainConfig | undefined): void {
    this.drainConfig = config;
    if (this.plan !== undefined) this.follow(this.plan);
  }

  async status(): Promise<BgpStatus> {
    const { host } = this;
    if (host === undefined) {
      return this.problem === undefined
        ? { state: 'disabled', peers: [] }
        : { state: 'failed', problem: this.problem, peers: [] };
    }
    let status: SpeakerStatus;
    try {
      status = await host.status();
    } catch (error) {
      return { state: 'failed', problem: describeError(error), peers: [] };
    }
    return {
      state: status.state,
      ...problemOf([status.problem, ...this.passwordProblems]),
      asNumber: status.asNumber,
      routerId: status.routerId,
      drain: status.drain,
      restarting: status.restarting,
      peers: status.peers.map((peer) => ({ ...peer, type: PEER_TYPES[peer.type] })),
      ...(status.dynamic.length === 0 ? {} : { dynamic: status.dynamic }),
    };
  }

  /** Asks the looking glass. Rejects with a MargayError while BGP does not run, and for a peer that there is not. */
  async look<Name extends keyof BgpQuestions>(
    name: Name,
    params: BgpQuestions[Name]['params'],
  ): Promise<BgpQuestions[Name]['result']> {
    const { host } = this;
    if (host === undefined) {
      throw new MargayError('bgp.not-running', `BGP does not run on this node${this.why()}`, {
        fix: 'see `margayctl node status`',
      });
    }
    return host.look(name, params);
  }

  /** For metrics: empty while BGP does not run. */
  async neighbors(): Promise<readonly BgpNeighborView[]> {
    try {
      return (await this.host?.look('neighbors', undefined)) ?? [];
    } catch (error) {
      // The thread is being replaced; the status says why.
      if (!(error instanceof MargayError)) throw error;
      return [];
    }
  }

  private why(): string {
    if (!this.options.enabled) return ': the agent was started with --no-bgp';
    return this.problem === undefined ? ': it has no BGP address' : `: ${this.problem}`;
  }

  /** Every path of every prefix. */
  async routes(): Promise<readonly RouteStatus[]> {
    return (await this.host?.routes()) ?? [];
  }

  /** Ends the speaker so that graceful restart holds: no Cease, learned routes stay in the kernel (design D20). */
  async stop(): Promise<void> {
    this.secrets.close();
    this.enqueue(() => this.turnTo(undefined));
    await this.queue;
  }

  private enqueue(step: () => Promise<void>): void {
    this.queue = this.queue.then(async () => {
      try {
        await step();
        this.problem = undefined;
      } catch (error) {
        this.problem = describeError(error);
        this.options.log.error({ reason: this.problem }, 'bgp speaker does not follow');
      }
    });
  }

  private async turnTo(config: SpeakerConfig | undefined): Promise<void> {
    if (config === undefined) {
      const { host } = this;
      this.host = undefined;
      await host?.stop({ graceful: true });
    } else if (this.host === undefined) {
      this.host = new BgpWorkerHost({
        filename: this.options.workerFile,
        environment: { logLevel: this.options.logLevel },
        clock: systemClock,
        log: this.options.log,
      });
      await this.host.start(config);
    } else {
      await this.host.reconfigure(config);
    }
  }
}

function problemOf(problems: readonly (string | undefined)[]): { readonly problem?: string } {
  const known = problems.filter((problem) => problem !== undefined);
  return known.length === 0 ? {} : { problem: known.join('; ') };
}
