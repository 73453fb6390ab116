/** The steps that bring a lab up. Each adds what is missing, so that the same steps repair a lab. */
import { MargayError } from '../base/errors.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import { decodeEntry } from '../model/decode.ts';
import { ValidationError } from '../model/problem.ts';
import { type LabClient, waitInForce } from './client.ts';
import type { LabContext } from './context.ts';
import {
  agentInSync,
  agentStatus,
  requireInstalled,
  startAgent,
  startEtcd,
  startRouter,
  startServers,
} from './daemons.ts';
import { machineOf } from './plan.ts';
import type { Progress } from './progress.ts';
import { infrastructureResources, workloadResources } from './resources.ts';
import { waitUntil } from './wait.ts';
import { attachWorkload, wireMachine, wireSegment } from './wiring.ts';

export interface BuildOptions {
  readonly servers: boolean;
  readonly waitForBgp: boolean;
}

/** Milliseconds that BGP sessions may take to be established. */
const BGP_READY = 30_000;
/** Milliseconds that the agents may take to bring all workloads into force. */
const IN_FORCE = 20_000;
/** Milliseconds that etcd may take to answer. */
const DATASTORE_READY = 20_000;

/** A lab that does not come up. */
export class LabError extends MargayError {}

/** Builds everything of the context's plan. `open` gives the client of the datastore once that runs. */
export async function buildLab(
  context: LabContext,
  open: () => Promise<LabClient>,
  options: BuildOptions,
): Promise<void> {
  const { plan } = context;
  const { progress } = context.settings;
  const step: Progress['step'] = (name, work, summary) => progress.step(name, work, summary);
  requireInstalled(plan);
  await step(
    'network namespaces',
    () => makeNamespaces(context),
    (count) => `${count}`,
  );
  await step(
    'wires, addresses, routes',
    () => wire(context),
    (count) => `${count} machines`,
  );
  const client = await step(`datastore (${plan.datastore})`, () => startDatastore(context, open));
  await step(
    'resources',
    () => writeResources(context, client),
    (count) => `${count}`,
  );
  const routers = plan.bgp ? plan.machines.filter(({ router }) => router !== undefined) : [];
  if (routers.length > 0) {
    const names = routers.map(({ name, router }) => `${name} (${router!.software})`).join(', ');
    await step(
      'routers',
      () => forEach(routers, (machine) => startRouter(context, machine)),
      () => names,
    );
  }
  const nodes = plan.machines.filter(({ node }) => node !== undefined);
  await step(
    'agents',
    async () => {
      await forEach(nodes, (machine) => startAgent(context, machine));
      await Promise.all(nodes.map(({ name }) => agentInSync(context, name)));
    },
    () => `${nodes.length} in sync`,
  );
  await step(
    'workloads',
    () => attachWorkloads(context, client),
    (count) => `${count}`,
  );
  if (options.servers) await step('servers of the workloads', () => startServers(context));
  if (plan.bgp && options.waitForBgp) {
    await step(
      'BGP sessions',
      () => waitForBgp(context),
      (count) => `${count} established`,
    );
  }
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await work(item);
}

async function makeNamespaces(context: LabContext): Promise<number> {
  const { segments, machines, workloads } = context.plan;
  const names = [
    ...segments.map(({ namespace }) => namespace),
    ...machines.map(({ namespace }) => namespace),
    ...workloads.map(({ networkNamespace }) => networkNamespace),
  ];
  await forEach(names, (name) => context.ensureNamespace(name));
  return names.length;
}

async function wire(context: LabContext): Promise<number> {
  const { plan } = context;
  await forEach(plan.segments, wireSegment);
  await forEach(plan.machines, (machine) => wireMachine(plan, machine));
  return plan.machines.length;
}

async function startDatastore(context: LabContext, open: () => Promise<LabClient>): Promise<LabClient> {
  if (context.plan.datastore === 'etcd') await startEtcd(context);
  const client = await open();
  let problem: unknown;
  const answers = await waitUntil(async () => {
    try {
      await client.datastore.list({ kind: 'Node' });
      return true;
    } catch (error) {
      problem = error;
      return false;
    }
  }, DATASTORE_READY);
  if (!answers) {
    throw new LabError('lab.datastore', 'the datastore does not answer', {
      cause: problem,
      fix: `read ${context.directory.file('etcd.log')}`,
    });
  }
  return client;
}

async function writeResources(context: LabContext, client: LabClient): Promise<number> {
  const given = context.plan.resources.map((value) => {
    const decoded = decodeEntry(value, { defaultNamespace: 'default' });
    if (decoded.faults !== undefined) throw new ValidationError(decoded.faults);
    return decoded.resource;
  });
  const resources = [...infrastructureResources(context.plan), ...given];
  for (const resource of resources) await client.write(resource);
  return resources.length;
}

async function attachWorkloads(context: LabContext, client: LabClient): Promise<number> {
  const { plan } = context;
  let revision = 0;
  for (const workload of plan.workloads) {
    await attachWorkload(workload, machineOf(plan, workload.host).namespace);
    for (const resource of workloadResources(workload)) {
      revision = Math.max(revision, await client.write(resource));
    }
  }
  const nodes = plan.machines.filter(({ node }) => node !== undefined).map(({ name }) => name);
  await waitInForce(context, nodes, revision, IN_FORCE);
  return plan.workloads.length;
}

/** Waits until every agent has all its sessions established, and every router's sessions are among them. */
async function waitForBgp(context: LabContext): Promise<number> {
  const nodes = context.plan.machines.filter(({ node }) => node !== undefined).map(({ name }) => name);
  let statuses: AgentStatus[] = [];
  const established = await waitUntil(async () => {
    statuses = await Promise.all(nodes.map((name) => agentStatus(context.directory, name)));
    return statuses.every(
      ({ node, bgp }) =>
        bgp.state === 'running' &&
        bgp.peers.length >= expectedPeers(context, node) &&
        bgp.peers.every((peer) => peer.state === 'Established'),
    );
  }, BGP_READY);
  if (established) return statuses.reduce((count, { bgp }) => count + bgp.peers.length, 0);
  const missing = statuses.flatMap(({ node, bgp }) => [
    ...(bgp.state === 'running'
      ? []
      : [`${node}: BGP is ${bgp.state} (${bgp.problem ?? 'no reason given'})`]),
    ...(bgp.peers.length < expectedPeers(context, node)
      ? [`${node} has ${bgp.peers.length} of ${expectedPeers(context, node)} peers`]
      : []),
    ...bgp.peers
      .filter((peer) => peer.state !== 'Established')
      .map((peer) => `${node} to ${peer.address}: ${peer.state} (${peer.info})`),
  ]);
  throw new LabError('lab.bgp', `BGP sessions are not established: ${missing.join('; ')}`, {
    fix: `read the logs in ${context.directory.path}`,
  });
}

/** How many sessions a node must have at least: one with every other node of the mesh, and those with routers. */
function expectedPeers({ plan }: LabContext, node: string): number {
  const mesh = plan.mesh ? plan.machines.filter((machine) => machine.node !== undefined).length - 1 : 0;
  const routers = plan.machines
    .filter((machine) => machine.node === undefined)
    .flatMap((machine) => machine.router?.neighbors ?? []);
  return mesh + routers.filter(({ machine }) => machine === node).length;
}
