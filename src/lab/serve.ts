/**
 * The process that answers for all workloads and clients of a lab (`margay lab serve DIRECTORY`, started by the lab).
 * It listens on a local socket and looks at the lab's state whenever it is told that workloads came or went.
 */
import { rmSync } from 'node:fs';
import { type ServerResponse, createServer } from 'node:http';
import { basename, dirname } from 'node:path';
import { once } from 'node:events';
import { ConfigError, describeError } from '../base/errors.ts';
import { SERVERS } from './daemons.ts';
import type { LabPlan } from './plan.ts';
import { Responder, type ServedWorkload } from './responder.ts';
import { LabDirectory } from './state.ts';

/** Everything of a lab that listens. */
export function servedWorkloads(plan: LabPlan): ServedWorkload[] {
  return [
    ...plan.workloads.map(({ name, networkNamespace, ports }) => ({
      name,
      namespace: networkNamespace,
      ports,
    })),
    ...plan.machines.map(({ name, namespace, ports }) => ({ name, namespace, ports })),
  ].filter(({ ports }) => ports.length > 0);
}

/** Serves until SIGTERM or SIGINT. Rejects with a ConfigError when the directory is no lab's. */
export async function serveLab(path: string): Promise<void> {
  const directory = new LabDirectory(basename(path), dirname(path));
  const responder = new Responder();
  const current = new Map<string, string>();
  const reload = async (): Promise<string[]> => {
    const state = directory.read();
    if (state === undefined) throw new ConfigError('lab.not-up', `no lab is up in ${path}`);
    const wanted = new Map(servedWorkloads(state.plan).map((workload) => [workload.name, workload]));
    for (const name of responder.names) {
      if (!wanted.has(name)) responder.stop(name);
    }
    for (const [name, workload] of wanted) {
      // The inode tells a namespace that was made anew from the one that our sockets are in.
      const identity = JSON.stringify([workload, state.namespaces[workload.namespace]]);
      if (responder.names.includes(name) && current.get(name) === identity) continue;
      await responder.serve(workload);
      current.set(name, identity);
    }
    return responder.names;
  };
  const socket = directory.file(`${SERVERS}.sock`);
  let last: Promise<unknown> = Promise.resolve();
  const server = createServer((request, response) => {
    request.resume();
    if (request.method !== 'POST' || request.url !== '/reload') {
      return answer(response, 404, { error: 'only POST /reload is known' });
    }
    // One after the other: a reload sees the work of the one before.
    last = last.then(async () => {
      try {
        answer(response, 200, { serving: await reload() });
      } catch (error) {
        answer(response, 500, { error: describeError(error) });
      }
    });
  });
  rmSync(socket, { force: true });
  server.listen(socket);
  await once(server, 'listening');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  responder.close();
  server.closeAllConnections();
  server.close();
  rmSync(socket, { force: true });
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
