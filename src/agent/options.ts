/** What the agent is started with: flags over environment over defaults, as Calico's node agent names them. */
import { hostname } from 'node:os';
import { type LogLevel, LOG_LEVELS } from '../base/log.ts';
import { ConfigError } from '../base/errors.ts';

/** As the command line parser gives them; undefined where the user said nothing. */
export interface AgentFlags {
  readonly node?: string;
  readonly datastore?: string;
  readonly config?: string;
  readonly felixConfig?: string;
  readonly runDir?: string;
  readonly secretsDir?: string;
  readonly logLevel?: string;
  /** `--no-bgp`. */
  readonly bgp: boolean;
  /** `--no-graceful-restart`. */
  readonly gracefulRestart: boolean;
  /** `--no-table-ownership`. */
  readonly tableOwnership: boolean;
}

export interface AgentOptions {
  readonly node: string;
  readonly runDir: string;
  /** Where passwords of BGP peers are: SECRET/KEY below this directory. */
  readonly secretsDir: string;
  readonly logLevel: LogLevel;
  readonly bgp: boolean;
  readonly gracefulRestart: boolean;
  readonly tableOwnership: boolean;
}

export const DEFAULT_RUN_DIR = '/run/margay';
const DEFAULT_SECRETS_DIR = '/etc/margay/secrets';

/** Calico's names of log severities (FELIX_LOGSEVERITYSCREEN), which its users have in their unit files. */
const CALICO_LEVELS: Readonly<Record<string, LogLevel>> = {
  warning: 'warn',
  critical: 'error',
  none: 'silent',
};

/** Resolves flags and environment; throws a ConfigError that names the flag or variable that is wrong. */
export function agentOptions(flags: AgentFlags, environment: NodeJS.ProcessEnv): AgentOptions {
  const node = flags.node ?? (environment['NODENAME'] || environment['HOSTNAME'] || hostname()).toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(node)) {
    throw new ConfigError('agent.node-name', `the node name ${JSON.stringify(node)} is not a DNS name`, {
      fix: 'give one with --node NAME or NODENAME: lower-case letters, digits, dashes and dots',
    });
  }
  const asked = (flags.logLevel ?? environment['FELIX_LOGSEVERITYSCREEN'] ?? 'info').toLowerCase();
  const logLevel = CALICO_LEVELS[asked] ?? LOG_LEVELS.find((level) => level === asked);
  if (logLevel === undefined) {
    throw new ConfigError('agent.log-level', `unknown log level ${JSON.stringify(asked)}`, {
      fix: `use one of ${LOG_LEVELS.join(', ')} with --log-level or FELIX_LOGSEVERITYSCREEN`,
    });
  }
  return {
    node,
    runDir: flags.runDir ?? environment['MARGAY_RUN_DIR'] ?? DEFAULT_RUN_DIR,
    secretsDir: flags.secretsDir ?? environment['MARGAY_SECRETS_DIR'] ?? DEFAULT_SECRETS_DIR,
    logLevel,
    bgp: flags.bgp,
    gracefulRestart: flags.gracefulRestart,
    tableOwnership: flags.tableOwnership,
  };
}
