/** Which programs a lab runs on which machine, and how to tell that they are ready. */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ConfigError, describeError } from '../base/errors.ts';
import { requestLocal } from '../base/local-api.ts';
import { type Address, familyOf } from '../net/address.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import { runChecked } from '../sys/process.ts';
import type { LabContext } from './context.ts';
import type { LabPlan, MachinePlan } from './plan.ts';
import { DaemonError } from './processes.ts';
import { birdConfig, frrBgpConfig, gobgpConfig, zebraConfig } from './router-config.ts';
import type { LabDirectory } from './state.ts';
import { DATASTORE_MACHINE } from './topology.ts';
import { waitUntil } from './wait.ts';

/** Milliseconds that a program may take to become ready. */
const READY = 20_000;
const LAST_LINES = 5;
const ETCD_PORT = 2379;
const FRR_DAEMONS = '/usr/lib/frr';
/** FRR drops its privileges, and only this user is in the group that it gives its sockets to. */
const FRR_USER = 'frr';
/** The name of the process that answers for all workloads. */
export const SERVERS = 'servers';

/** The directory of the embedded datastore of a lab. */
export function datastorePath(directory: LabDirectory): string {
  return directory.file('datastore');
}

/** Address of etcd inside the lab. */
export function etcdAddress(plan: LabPlan): Address {
  const machine = plan.machines.find(({ name }) => name === DATASTORE_MACHINE);
  const address = machine?.interfaces[0]?.addresses[0]?.address;
  if (address === undefined) throw new RangeError('the lab has no etcd');
  return address;
}

/** What `--datastore` of an agent in the lab says. */
export function datastoreUrl(plan: LabPlan, directory: LabDirectory): string {
  if (plan.datastore === 'directory') return `file://${datastorePath(directory)}`;
  return `etcd://${bracketed(etcdAddress(plan))}:${ETCD_PORT}`;
}

/** The environment in which `margayctl` and other clients find the lab's datastore and agents. */
export function clientEnvironment(plan: LabPlan, directory: LabDirectory): Record<string, string> {
  return plan.datastore === 'directory'
    ? {
        DATASTORE_TYPE: 'directory',
        DATASTORE_PATH: datastorePath(directory),
        MARGAY_RUN_DIR: directory.path,
      }
    : {
        DATASTORE_TYPE: 'etcdv3',
        ETCD_ENDPOINTS: `http://${bracketed(etcdAddress(plan))}:${ETCD_PORT}`,
        MARGAY_RUN_DIR: directory.path,
      };
}

function bracketed(address: Address): string {
  return familyOf(address) === 6 ? `[${address}]` : address;
}

function environment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', HOME: '/', LANG: 'C.UTF-8' };
}

/** Starts etcd on its machine. */
export async function startEtcd(context: LabContext): Promise<void> {
  const client = `http://${bracketed(etcdAddress(context.plan))}:${ETCD_PORT}`;
  const peer = 'http://127.0.0.1:2380';
  await context.ensureDaemon({
    name: DATASTORE_MACHINE,
    namespace: context.plan.machines.find(({ name }) => name === DATASTORE_MACHINE)!.namespace,
    command: [
      'etcd',
      '--name=lab',
      `--data-dir=${context.directory.file('etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=lab=${peer}`,
      '--logger=zap',
      '--log-outputs=stderr',
    ],
    environment: environment(),
  });
}

/** Starts what runs on a router. A router of our own runs an agent, which is started with the others. */
export async function startRouter(context: LabContext, machine: MachinePlan): Promise<void> {
  switch (machine.router!.software) {
    case 'bird':
      return startBird(context, machine);
    case 'frr':
      return startFrr(context, machine);
    case 'gobgp':
      return startGobgp(context, machine);
    case 'margay':
  }
}

async function startBird(context: LabContext, machine: MachinePlan): Promise<void> {
  const config = writeConfig(context, `${machine.name}.bird.conf`, birdConfig(machine, machine.router!));
  const control = context.directory.file(`${machine.name}.bird.ctl`);
  await context.ensureDaemon({
    name: machine.name,
    namespace: machine.namespace,
    command: ['bird', '-f', '-c', config, '-s', control],
    environment: environment(),
  });
  await ready(context, machine.name, () => existsSync(control));
}

async function startFrr(context: LabContext, machine: MachinePlan): Promise<void> {
  const folder = context.directory.file(`${machine.name}.frr`);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { uid, gid } = userOf(FRR_USER);
  chownSync(folder, uid, gid);
  const zserv = `${folder}/zserv.api`;
  const start = async (daemon: 'zebra' | 'bgpd', config: string, options: string[]): Promise<void> => {
    const name = daemon === 'bgpd' ? machine.name : `${machine.name}-${daemon}`;
    await context.ensureDaemon({
      name,
      namespace: machine.namespace,
      command: [
        `${FRR_DAEMONS}/${daemon}`,
        `--config_file=${config}`,
        `--pid_file=${folder}/${daemon}.pid`,
        `--socket=${zserv}`,
        `--vty_socket=${folder}`,
        `--user=${FRR_USER}`,
        `--group=${FRR_USER}`,
        ...options,
      ],
      environment: environment(),
    });
    await ready(context, name, () => existsSync(`${folder}/${daemon}.vty`));
  };
  await start('zebra', writeConfig(context, `${machine.name}.zebra.conf`, zebraConfig(machine)), []);
  const config = writeConfig(context, `${machine.name}.bgpd.conf`, frrBgpConfig(machine, machine.router!));
  await start('bgpd', config, ['-p', '179']);
}

/** The numbers of a user of this machine (passwd(5)). */
function userOf(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) {
    throw new ConfigError('lab.no-user', `no user ${name}`, { fix: 'install frr from its package' });
  }
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

async function startGobgp(context: LabContext, machine: MachinePlan): Promise<void> {
  const config = writeConfig(context, `${machine.name}.gobgp.json`, gobgpConfig(machine, machine.router!));
  const started = await context.ensureDaemon({
    name: machine.name,
    namespace: machine.namespace,
    command: ['gobgpd', '-f', config, '-t', 'json', '--pprof-disable', '--api-hosts', '127.0.0.1:50051'],
    environment: environment(),
  });
  if (!started) return;
  const ask = (args: string[]): Promise<string> =>
    runChecked('gobgp', args, { namespace: machine.namespace });
  await ready(context, machine.name, async () => {
    try {
      await ask(['global']);
      return true;
    } catch {
      return false;
    }
  });
  for (const prefix of machine.router!.advertise) {
    await ask(['global', 'rib', 'add', '-a', `ipv${familyOf(prefix)}`, prefix]);
  }
}

function writeConfig(context: LabContext, name: string, text: string): string {
  const file = context.directory.file(name);
  writeFileSync(file, text, { mode: 0o644 });
  return file;
}

/** The local socket of a machine's agent. */
export function agentSocket(directory: LabDirectory, node: string): string {
  return directory.file(`${node}.sock`);
}

/** Starts the agent of a machine, without waiting for it. */
export async function startAgent(context: LabContext, machine: MachinePlan): Promise<void> {
  const { directory, plan, settings } = context;
  await context.ensureDaemon({
    name: machine.name,
    namespace: machine.namespace,
    command: [
      ...settings.program,
      'agent',
      `--node=${machine.name}`,
      `--datastore=${datastoreUrl(plan, directory)}`,
      `--run-dir=${directory.path}`,
      `--log-level=${settings.agentLogLevel}`,
      ...settings.agentOptions,
    ],
    // No program but our own: the agent needs no other (design D1).
    environment: { PATH: '/nonexistent', HOME: '/', LANG: 'C.UTF-8' },
  });
}

/** What a machine's agent says of itself. Rejects with a LocalApiUnreachableError while it does not answer. */
export async function agentStatus(directory: LabDirectory, node: string): Promise<AgentStatus> {
  return (await requestLocal(agentSocket(directory, node), '/status')) as AgentStatus;
}

/** Waits until an agent answers on its local socket. */
export async function agentRunning(context: LabContext, node: string): Promise<void> {
  await ready(context, node, async () => {
    try {
      await agentStatus(context.directory, node);
      return true;
    } catch {
      return false;
    }
  });
}

/** Waits until an agent has applied all that the datastore holds. */
export async function agentInSync(context: LabContext, node: string): Promise<void> {
  await ready(context, node, async () => {
    try {
      const { datastore, dataplane } = await agentStatus(context.directory, node);
      return datastore.inSync && dataplane.revisionInForce >= datastore.revision;
    } catch {
      return false;
    }
  });
}

/** Starts the process that answers for all workloads and clients, and has it look at what there is now. */
export async function startServers(context: LabContext): Promise<void> {
  await context.ensureDaemon({
    name: SERVERS,
    // It enters each pod's namespace for its sockets; being itself in one of the lab's, it cannot outlive the lab.
    namespace: context.plan.segments[0]!.namespace,
    command: [...context.settings.program, 'lab', 'serve', context.directory.path],
    environment: environment(),
  });
  await reloadServers(context);
}

/** Tells the servers that workloads came or went, and waits until they listen. */
export async function reloadServers(context: LabContext): Promise<void> {
  let last: unknown;
  const listening = async (): Promise<boolean> => {
    try {
      await requestLocal(context.directory.file(`${SERVERS}.sock`), '/reload', { method: 'POST' });
      return true;
    } catch (error) {
      last = error;
      return false;
    }
  };
  await ready(context, SERVERS, listening, () => describeError(last));
}

/** Waits for a daemon. Rejects with a DaemonError that shows the end of its log if it dies or takes too long. */
async function ready(
  context: LabContext,
  name: string,
  condition: () => boolean | Promise<boolean>,
  detail: () => string = () => '',
): Promise<void> {
  const record = context.daemon(name);
  let dead = false;
  const done = await waitUntil(async () => {
    if (await condition()) return true;
    dead = !context.isUp(record);
    return dead;
  }, READY);
  if (done && !dead) return;
  const said = lastLines(record.log);
  throw new DaemonError('lab.not-ready', `${name} ${dead ? 'ended' : 'is not ready'}${detail()}${said}`, {
    fix: `read ${record.log}`,
  });
}

/** The end of a log, for an error message: the lab, and the log with it, may be gone when it is read. */
function lastLines(log: string): string {
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES);
  return ['; the last it said:', ...lines].join('\n  ');
}

/** Programs of others that a plan needs, which are looked for before anything is made. */
export function requireInstalled(plan: LabPlan): void {
  const programs = new Set<string>();
  if (plan.datastore === 'etcd') programs.add('etcd');
  for (const { router } of plan.bgp ? plan.machines : []) {
    if (router?.software === 'bird') programs.add('bird');
    if (router?.software === 'gobgp') programs.add('gobgpd').add('gobgp');
    if (router?.software === 'frr') programs.add(`${FRR_DAEMONS}/zebra`).add(`${FRR_DAEMONS}/bgpd`);
  }
  const folders = (process.env['PATH'] ?? '').split(':');
  const missing = [...programs].filter((program) =>
    program.startsWith('/')
      ? !existsSync(program)
      : !folders.some((folder) => existsSync(`${folder}/${program}`)),
  );
  if (missing.length === 0) return;
  throw new ConfigError('lab.missing-program', `not installed: ${missing.join(', ')}`, {
    fix: 'install etcd-server, bird2, frr or gobgpd, or leave it out of the topology',
  });
}
