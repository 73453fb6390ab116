/** `margay agent`: from the command line to a running agent, and through signals to its end. */
import { ConfigError, MargayError, describeError } from '../base/errors.ts';
import { createLogger } from '../base/log.ts';
import { VERSION } from '../base/version.ts';
import { datastoreConfig, datastoreSockets } from '../datastore/config.ts';
import { openDatastore } from '../datastore/open.ts';
import { Agent } from './agent.ts';
import { felixOverrides } from './felix-overrides.ts';
import { type AgentFlags, agentOptions } from './options.ts';

/**
 * Runs until SIGTERM or SIGINT and returns the exit code: 0 after a signal, 1 after a failure of our own. What the
 * user can mend is thrown as a ConfigError or KernelError, with its fix.
 */
export async function runAgent(
  flags: AgentFlags,
  environment: NodeJS.ProcessEnv,
  workerFile: string,
): Promise<number> {
  const options = agentOptions(flags, environment);
  const log = createLogger(options.logLevel, { node: options.node });
  const config = datastoreConfig({ datastore: flags.datastore, configFile: flags.config, environment });
  if (config.type === 'memory') {
    throw new ConfigError('agent.datastore', 'an agent cannot live on a datastore in memory', {
      fix: 'use a directory (file:///path) or etcd (etcd://host:2379)',
    });
  }
  const felix = felixOverrides(flags.felixConfig, environment);
  if (felix.unknown.length > 0)
    log.warn({ names: felix.unknown }, "parameters that are not Felix' are ignored");
  log.info({ version: VERSION, pid: process.pid, datastore: config.type }, 'agent starts');
  const datastore = await openDatastore(config, { logger: log });
  let agent: Agent;
  try {
    const startOptions = { ...options, felix: felix.spec, datastoreSockets: datastoreSockets(config) };
    agent = await Agent.start(startOptions, datastore, workerFile, log);
  } catch (error) {
    await datastore.close();
    throw error;
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'agent stops; routes and policy stay in the kernel');
      agent.stop();
    });
  }
  try {
    await agent.stopped();
    return 0;
  } catch (error) {
    if (!(error instanceof MargayError)) throw error;
    log.fatal({ reason: describeError(error), err: error }, 'agent failed');
    return 1;
  }
}
