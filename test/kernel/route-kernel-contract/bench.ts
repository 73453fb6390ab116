/** What the parts of the contract share: two fresh namespaces for each test, an address plan, and short forms. */
import { afterEach, beforeEach, expect } from 'vitest';
import { KernelError } from '../../../src/base/errors.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import type {
  ChangeResult,
  Link,
  NewRoute,
  RouteChange,
  RouteKernel,
  RouteKey,
} from '../../../src/netlink/kernel.ts';

/** Two fresh namespaces, of which the second has a name by which the first can reach it. */
export interface ContractWorld {
  readonly near: RouteKernel;
  readonly far: RouteKernel;
  readonly farName: string;
  dispose(): void;
}

export const PROTOCOL = 80;
export const OTHER_PROTOCOL = 81;
export const NOWHERE = 4711;

/** The same addresses in both families. */
export const PLAN = {
  4: {
    own: address('192.0.2.1'),
    gateway: address('192.0.2.9'),
    stranger: address('198.51.100.1'),
    length: 24,
    connected: prefix('192.0.2.0/24'),
    net: prefix('10.65.0.0/26'),
    host: prefix('10.65.1.1/32'),
    everything: prefix('0.0.0.0/0'),
    defaultMetric: 0,
    unreachable: 'ENETUNREACH',
  },
  6: {
    own: address('2001:db8::1'),
    gateway: address('2001:db8::9'),
    stranger: address('2001:db8:bad::1'),
    length: 64,
    connected: prefix('2001:db8::/64'),
    net: prefix('fd65::/122'),
    host: prefix('fd65::1:1/128'),
    everything: prefix('::/0'),
    defaultMetric: 1024,
    unreachable: 'EHOSTUNREACH',
  },
} as const;

export async function errnoOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof KernelError) return error.errno;
    throw error;
  }
  return 'no error';
}

/** Waits for a condition with a deadline; the event loop runs meanwhile. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const add = (route: NewRoute): RouteChange => ({ operation: 'add', route });
export const replace = (route: NewRoute): RouteChange => ({ operation: 'replace', route });
export const remove = (route: RouteKey): RouteChange => ({ operation: 'delete', route });

/** A world that is made anew for each test of the surrounding `describe`. */
export class Bench {
  private world: ContractWorld | undefined;

  constructor(open: () => Promise<ContractWorld>) {
    beforeEach(async () => {
      this.world = await open();
    });
    afterEach(() => {
      this.world?.dispose();
      this.world = undefined;
    });
  }

  get near(): RouteKernel {
    return this.world!.near;
  }

  get far(): RouteKernel {
    return this.world!.far;
  }

  get farName(): string {
    return this.world!.farName;
  }

  /** A veth pair across the namespaces, both ends up, with our plan's addresses on the near one. */
  async wire(): Promise<Link> {
    await this.near.createLink({
      kind: 'veth',
      name: 'wire',
      up: true,
      peer: { name: 'wire', namespace: this.farName },
    });
    const link = (await this.near.link('wire'))!;
    await this.far.changeLink((await this.far.link('wire'))!.index, { up: true });
    for (const family of [4, 6] as const) {
      await this.near.addAddress({
        interface: link.index,
        address: PLAN[family].own,
        prefixLength: PLAN[family].length,
        noDuplicateDetection: true,
      });
    }
    return (await this.near.link('wire'))!;
  }

  apply(...changes: RouteChange[]): Promise<ChangeResult<RouteChange>> {
    return this.near.changeRoutes(changes);
  }

  /** The errno of each change, undefined where it was applied. */
  async outcome(...changes: RouteChange[]): Promise<(string | undefined)[]> {
    const { applied, failures } = await this.apply(...changes);
    expect(applied + failures.length).toBe(changes.length);
    return changes.map((change) => failures.find((failure) => failure.change === change)?.error.errno);
  }
}
