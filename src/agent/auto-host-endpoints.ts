/**
 * Keeps this node's automatic host endpoints in the datastore (model/convert/auto-host-endpoints.ts). Every agent does
 * so for its own node, and for nodes that are gone, so that no controller need run beside the agents; beside Calico's
 * kube-controllers, which write the same, nothing is written twice. Without a KubeControllersConfiguration nothing is
 * done at all.
 */
import { isDeepStrictEqual } from 'node:util';
import { Backoff } from '../base/backoff.ts';
import { type Clock, type TimerHandle } from '../base/clock.ts';
import { MargayError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { applyResource } from '../datastore/apply.ts';
import { type Datastore, NotFoundError } from '../datastore/datastore.ts';
import {
  type NodeInterface,
  autoHostEndpoints,
  isAutoHostEndpoint,
} from '../model/convert/auto-host-endpoints.ts';
import { parseDuration } from '../model/fields.ts';
import type { HostEndpoint } from '../model/kinds/host-endpoint.ts';
import type { KubeControllersConfiguration } from '../model/kinds/kube-controllers-configuration.ts';
import type { Node } from '../model/kinds/node.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Resource, ResourceKey } from '../model/resource.ts';

export interface AutoHostEndpointsOptions {
  readonly node: string;
  readonly datastore: Datastore;
  /** Interfaces of this host that may be host endpoints. */
  readonly interfaces: () => readonly NodeInterface[];
  readonly clock: Clock;
  readonly log: Logger;
}

const DEFAULT_PERIOD = 300_000;
const RETRY = { initial: 500, maximum: 30_000 };

export class AutoHostEndpoints {
  private readonly nodes = new Map<string, Node>();
  private readonly existing = new Map<string, HostEndpoint>();
  /** Nodes of which something is stored that cannot be read. */
  private readonly doubtful = new Set<string>();
  private configuration: KubeControllersConfiguration | undefined;
  /** Names that somebody else's endpoints have, and that were told. */
  private readonly taken = new Set<string>();
  private readonly backoff = new Backoff(RETRY);
  private running: Promise<void> | undefined;
  private again = false;
  private timer: TimerHandle | undefined;
  private closed = false;

  constructor(private readonly options: AutoHostEndpointsOptions) {}

  /** Takes in a resource of the datastore; undefined: it is gone. */
  follow(key: ResourceKey, resource: Resource | undefined): void {
    const known = resource as KnownResource | undefined;
    if (key.kind === 'KubeControllersConfiguration') {
      this.configuration = known?.kind === 'KubeControllersConfiguration' ? known : undefined;
    } else if (key.kind === 'Node') {
      this.doubtful.delete(key.name);
      if (known?.kind === 'Node') this.nodes.set(key.name, known);
      else this.nodes.delete(key.name);
    } else if (key.kind === 'HostEndpoint') {
      if (known?.kind === 'HostEndpoint') this.existing.set(key.name, known);
      else this.existing.delete(key.name);
    }
  }

  /** What is stored under the key cannot be read: of a node of which nothing was known, nothing is concluded. */
  doubt(key: ResourceKey): void {
    if (key.kind === 'Node') this.doubtful.add(key.name);
  }

  /**
   * Makes the datastore what it should be by what is known; to be called when that may have changed. Resolves when it
   * is so or another try is due; never rejects.
   */
  async run(): Promise<void> {
    if (this.closed || this.configuration === undefined) return;
    if (this.running !== undefined) {
      this.again = true;
      return this.running;
    }
    this.running = this.settle().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private async settle(): Promise<void> {
    const { clock, log } = this.options;
    this.timer?.cancel();
    let next = this.period;
    try {
      do {
        this.again = false;
        await this.reconcile();
      } while (this.again && !this.closed);
      this.backoff.reset();
    } catch (error) {
      if (!(error instanceof MargayError)) throw error;
      if (this.closed) return;
      next = this.backoff.delay();
      log.warn({ reason: describeError(error) }, 'automatic host endpoints cannot be kept; trying again');
    }
    if (!this.closed && next > 0) this.timer = clock.after(next, () => void this.run());
  }

  /** Milliseconds between checks without a cause; 0 for none. */
  private get period(): number {
    const text = this.configuration?.spec.controllers.node?.reconcilerPeriod;
    return (text === undefined ? undefined : parseDuration(text)) ?? DEFAULT_PERIOD;
  }

  private async reconcile(): Promise<void> {
    const { node: name, datastore, interfaces, log } = this.options;
    const node = this.nodes.get(name);
    if (node === undefined && this.doubtful.has(name)) return;
    const settings = this.configuration?.spec.controllers.node?.hostEndpoint;
    const wanted = new Map(
      (node === undefined ? [] : autoHostEndpoints(node, settings, interfaces())).map((endpoint) => [
        endpoint.metadata.name,
        endpoint,
      ]),
    );
    for (const endpoint of wanted.values()) {
      const before = this.existing.get(endpoint.metadata.name);
      if (before !== undefined && !isAutoHostEndpoint(before)) {
        this.reportTaken(endpoint.metadata.name);
        continue;
      }
      if (before !== undefined && isSame(before, endpoint)) continue;
      const { action } = await applyResource(datastore, endpoint);
      if (action !== 'unchanged')
        log.info({ endpoint: endpoint.metadata.name, action }, 'automatic host endpoint');
    }
    for (const endpoint of this.existing.values()) {
      if (!isAutoHostEndpoint(endpoint) || wanted.has(endpoint.metadata.name)) continue;
      // Those of other nodes are their own agents' business, as long as there are such nodes.
      const { node: home } = endpoint.spec;
      if (home !== name && (this.nodes.has(home) || this.doubtful.has(home))) continue;
      await this.remove(endpoint);
    }
  }

  private reportTaken(endpoint: string): void {
    if (this.taken.has(endpoint)) return;
    this.taken.add(endpoint);
    this.options.log.warn({ endpoint }, 'a host endpoint of somebody else has the name of an automatic one');
  }

  private async remove({ metadata: { name, resourceVersion } }: HostEndpoint): Promise<void> {
    try {
      await this.options.datastore.delete(
        { kind: 'HostEndpoint', name },
        resourceVersion === undefined ? {} : { resourceVersion },
      );
      this.options.log.info({ endpoint: name, action: 'deleted' }, 'automatic host endpoint');
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}

/** What a controller says of a host endpoint; whatever else somebody added to it stays out of the comparison. */
function isSame(one: HostEndpoint, other: HostEndpoint): boolean {
  const essence = ({ metadata, spec }: HostEndpoint): unknown => [metadata.labels, spec];
  return isDeepStrictEqual(essence(one), essence(other));
}
