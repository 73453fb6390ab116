/** Keeps the chains and maps of host endpoints in the desired table. There are few, so each change renders them all. */
import type { DesiredTable } from '../reconciler.ts';
import { type ActiveHostEndpoint, type HostChainUse, renderHostEndpoints } from './host-endpoints.ts';
import type { RenderOptions } from './options.ts';
import { TablePart } from './table-part.ts';

export class HostTable {
  private endpoints: readonly ActiveHostEndpoint[] = [];
  private readonly part: TablePart;
  private users = new Map<string, HostChainUse>();

  constructor(
    desired: DesiredTable,
    /** Makes a chain the user of tiers and profiles; of none, when it is gone. */
    private readonly use: (use: HostChainUse) => void,
  ) {
    this.part = new TablePart(desired);
  }

  get active(): readonly ActiveHostEndpoint[] {
    return this.endpoints;
  }

  set(active: readonly ActiveHostEndpoint[], options: RenderOptions): void {
    this.endpoints = active;
    const { uses, ...part } = renderHostEndpoints(active, options);
    const usersBefore = this.users;
    this.users = new Map(uses.map((use) => [use.user, use]));
    for (const use of uses) this.use(use);
    for (const [user, { direction }] of usersBefore) {
      if (!this.users.has(user)) this.use({ user, direction, tiers: [], profiles: [] });
    }
    this.part.set(part);
  }
}
