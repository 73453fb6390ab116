/** A lab's datastore as the lab itself uses it, and the waiting for what was written to be in force. */
import { requestLocal } from '../base/local-api.ts';
import { applyResource } from '../datastore/apply.ts';
import { type Datastore, NotFoundError } from '../datastore/datastore.ts';
import { openDatastore } from '../datastore/open.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import type { Resource, ResourceKey } from '../model/resource.ts';
import type { LabContext } from './context.ts';
import { agentSocket, datastorePath, etcdAddress } from './daemons.ts';
import { openRelay } from './relay.ts';
import { DATASTORE_MACHINE } from './topology.ts';

const ETCD_PORT = 2379;

export class LabClient {
  private constructor(
    readonly datastore: Datastore,
    private readonly release: () => void,
  ) {}

  static async open(context: LabContext): Promise<LabClient> {
    const { plan } = context;
    if (plan.datastore === 'directory') {
      const datastore = await openDatastore({
        type: 'directory',
        path: datastorePath(context.directory),
      });
      return new LabClient(datastore, () => undefined);
    }
    const machine = plan.machines.find(({ name }) => name === DATASTORE_MACHINE)!;
    const relay = await openRelay(machine.namespace, etcdAddress(plan), ETCD_PORT);
    const datastore = await openDatastore({
      type: 'etcdv3',
      endpoints: [`http://127.0.0.1:${relay.port}`],
    });
    return new LabClient(datastore, () => relay.close());
  }

  async close(): Promise<void> {
    await this.datastore.close();
    this.release();
  }

  /**
   * Makes a resource what is given, whether or not it exists, and returns the revision that did it. What is there
   * already in just this form is left alone: then the revision is that of its last change.
   */
  async write(resource: Resource): Promise<number> {
    const applied = await applyResource(this.datastore, storedForm(resource));
    return Number(applied.resource.metadata.resourceVersion);
  }

  /** Deletes a resource; undefined if there was none. */
  async remove(key: ResourceKey): Promise<number | undefined> {
    try {
      return await this.datastore.delete(key);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** What is stored, or undefined. */
  async find(key: ResourceKey): Promise<Resource | undefined> {
    try {
      return await this.datastore.get(key);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }
}

/**
 * Waits until every agent of `nodes` has everything up to `revision` in force. Rejects with a LocalApiError when one
 * says that it has not after `timeout` milliseconds, with a LocalApiUnreachableError when one does not answer.
 */
export async function waitInForce(
  context: LabContext,
  nodes: readonly string[],
  revision: number,
  timeout: number,
): Promise<void> {
  const path = `/wait?revision=${revision}&timeout=${timeout}`;
  await Promise.all(
    nodes.map((node) =>
      requestLocal(agentSocket(context.directory, node), path, { timeout: timeout + 2_000 }),
    ),
  );
}
