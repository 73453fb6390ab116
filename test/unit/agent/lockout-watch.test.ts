import { describe, expect, it, vi } from 'vitest';
import { LockoutWatch } from '../../../src/agent/lockout-watch.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { PolicyState } from '../../../src/explain/policy-state.ts';
import { address } from '../../../src/net/address.ts';
import { type Change, gone, put } from '../calc/world.ts';

/** One of two nodes in a mesh, with etcd elsewhere, and what it was warned of. */
class World {
  readonly warned: string[] = [];
  private readonly graph = new CalcGraph({ nodeName: 'one' });
  private readonly state = new PolicyState();
  private readonly watch: LockoutWatch;

  constructor() {
    const log = silentLogger();
    vi.spyOn(log, 'warn').mockImplementation(((facts: { connection: string }) => {
      this.warned.push(facts.connection);
    }) as never);
    this.watch = new LockoutWatch(this.state, [{ address: address('198.51.100.9'), port: 2379 }], log);
    this.change(
      put('Node', 'one', { bgp: { ipv4Address: '192.0.2.1/24' } }),
      put('Node', 'two', { bgp: { ipv4Address: '192.0.2.2/24' } }),
    );
  }

  change(...changes: readonly Change[]): void {
    for (const { key, resource } of changes) this.graph.update(key, resource);
    const delta = this.graph.flush();
    this.state.apply(delta);
    this.watch.follow(delta);
  }
}

const host = put('HostEndpoint', 'all', { node: 'one', interfaceName: '*' });
const failsafes = (ports: readonly unknown[]): Change =>
  put('FelixConfiguration', 'default', {
    failsafeInboundHostPorts: ports,
    failsafeOutboundHostPorts: ports,
  });

describe('the watch over what a node lives by', () => {
  it('warns once of BGP and the datastore, when policy begins to refuse them', () => {
    const world = new World();
    world.change(host);
    expect(world.warned).toEqual([]);
    world.change(failsafes([{ port: 22 }]));
    expect(world.warned).toEqual([
      'BGP session from 192.0.2.2',
      'BGP session to 192.0.2.2',
      'datastore connection to 198.51.100.9 port 2379',
    ]);
    world.change(failsafes([{ port: 23 }]));
    expect(world.warned).toHaveLength(3);
    world.change(failsafes([{ port: 179 }]));
    world.change(failsafes([{ port: 22 }]));
    expect(world.warned.slice(3)).toEqual(['BGP session from 192.0.2.2', 'BGP session to 192.0.2.2']);
    world.change(gone(host));
    world.change(host);
    expect(world.warned).toHaveLength(8);
  });
});
