import { afterEach, describe, expect, it } from 'vitest';
import { AutoHostEndpoints } from '../../../src/agent/auto-host-endpoints.ts';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Datastore } from '../../../src/datastore/datastore.ts';
import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import type { HostEndpoint } from '../../../src/model/kinds/host-endpoint.ts';
import { address } from '../../../src/net/address.ts';
import { type Change, put } from '../calc/world.ts';

const interfaces = [
  { name: 'eth0', addresses: [address('192.0.2.1'), address('2001:db8::1')] },
  { name: 'eth1', addresses: [address('198.51.100.1')] },
  { name: 'wg0', addresses: [] },
];
const node = (name: string, last = 1, labels: Readonly<Record<string, string>> = { rack: 'a' }): Change =>
  put(
    'Node',
    name,
    {
      bgp: { ipv4Address: `192.0.2.${last}/24`, ipv6Address: `2001:db8::${last}/64` },
      addresses: [
        { address: `192.0.2.${last}`, type: 'CalicoNodeIP' },
        { address: `10.0.0.${last}`, type: 'InternalIP' },
        { address: '203.0.113.1', type: 'ExternalIP' },
      ],
    },
    labels,
  );
const settings = (hostEndpoint: unknown): Change =>
  put('KubeControllersConfiguration', 'default', { controllers: { node: { hostEndpoint } } });
const enabled = settings({ autoCreate: 'Enabled' });

/** A datastore, and the controller of one of its nodes, which is told everything that is in it. */
class World {
  readonly datastore: Datastore = new MemoryDatastore();
  readonly clock = new ManualClock();
  readonly controller: AutoHostEndpoints;

  constructor(name = 'one') {
    this.controller = new AutoHostEndpoints({
      node: name,
      datastore: this.datastore,
      interfaces: () => interfaces,
      clock: this.clock,
      log: silentLogger(),
    });
    opened.push(this);
  }

  /** Writes, tells the controller, and lets it work. */
  async write(...changes: readonly Change[]): Promise<void> {
    for (const { resource } of changes) {
      const { resourceVersion: _, ...metadata } = resource!.metadata;
      await this.datastore.create({ ...resource!, metadata }).catch(() => this.datastore.update(resource!));
    }
    await this.settle();
  }

  async remove(change: Change): Promise<void> {
    await this.datastore.delete(change.key);
    this.controller.follow(change.key, undefined);
    await this.settle();
  }

  async settle(): Promise<void> {
    const { resources } = await this.datastore.list();
    for (const resource of resources) {
      const { kind, metadata } = resource;
      this.controller.follow({ kind, name: metadata.name }, resource);
    }
    await this.controller.run();
  }

  async endpoints(): Promise<Map<string, HostEndpoint>> {
    const { resources } = await this.datastore.list({ kind: 'HostEndpoint' });
    return new Map((resources as HostEndpoint[]).map((one) => [one.metadata.name, one]));
  }
}

const opened: World[] = [];
afterEach(() => {
  for (const { controller } of opened.splice(0)) controller.close();
});

describe('automatic host endpoints', () => {
  it('follow the node with its addresses and labels, and never go beyond it', async () => {
    const world = new World();
    await world.write(node('one'), node('two', 2), enabled);
    const endpoints = await world.endpoints();
    expect([...endpoints.keys()]).toEqual(['one-auto-hep']);
    expect(endpoints.get('one-auto-hep')).toMatchObject({
      metadata: { labels: { rack: 'a', 'projectcalico.org/created-by': 'calico-kube-controllers' } },
      spec: {
        node: 'one',
        interfaceName: '*',
        expectedIPs: ['192.0.2.1', '2001:db8::1', '10.0.0.1'],
        profiles: ['projectcalico-default-allow'],
      },
    });
    await world.write(node('one', 9, { rack: 'b' }));
    expect((await world.endpoints()).get('one-auto-hep')).toMatchObject({
      metadata: { labels: { rack: 'b' } },
      spec: { expectedIPs: ['192.0.2.9', '2001:db8::9', '10.0.0.9'] },
    });
  });

  it('are not touched without a configuration, and go when it says Disabled', async () => {
    const world = new World();
    await world.write(node('one'));
    expect(await world.endpoints()).toEqual(new Map());
    await world.write(enabled);
    expect((await world.endpoints()).size).toBe(1);
    await world.write(settings({ autoCreate: 'Disabled' }));
    expect((await world.endpoints()).size).toBe(0);
  });

  it('come from templates: by addresses, and one for each interface that a pattern matches', async () => {
    const world = new World();
    await world.write(
      node('one'),
      settings({
        autoCreate: 'Enabled',
        createDefaultHostEndpoint: 'Disabled',
        templates: [
          { generateName: 'inner', interfaceCIDRs: ['10.0.0.0/8'], labels: { rack: 'own', side: 'in' } },
          { generateName: 'nowhere', interfaceCIDRs: ['172.16.0.0/12'] },
          { generateName: 'wire', interfacePattern: '^eth', interfaceCIDRs: ['2001:db8::/32'] },
          { generateName: 'other', interfacePattern: '.*', nodeSelector: "rack == 'z'" },
        ],
      }),
    );
    const endpoints = await world.endpoints();
    expect([...endpoints.keys()].toSorted()).toEqual([
      'one-inner-auto-hep',
      'one-wire-eth0-auto-hep',
      'one-wire-eth1-auto-hep',
    ]);
    expect(endpoints.get('one-inner-auto-hep')).toMatchObject({
      metadata: { labels: { rack: 'own', side: 'in' } },
      spec: { expectedIPs: ['10.0.0.1'] },
    });
    expect(endpoints.get('one-inner-auto-hep')!.spec).not.toHaveProperty('interfaceName');
    expect(endpoints.get('one-wire-eth1-auto-hep')!.spec).toMatchObject({
      interfaceName: 'eth1',
      expectedIPs: ['2001:db8::1', '198.51.100.1'],
    });
    await world.write(enabled);
    expect([...(await world.endpoints()).keys()]).toEqual(['one-auto-hep']);
  });

  it('of a node that is gone are deleted by any agent, of one that cannot be read by none', async () => {
    const world = new World('two');
    const other = new World('one');
    await other.write(node('one'), enabled);
    const [orphan] = (await other.endpoints()).values();
    await world.write(node('one'), node('two', 2), {
      key: { kind: 'HostEndpoint', name: 'x' },
      resource: orphan!,
    });
    await world.write(enabled);
    expect([...(await world.endpoints()).keys()].toSorted()).toEqual(['one-auto-hep', 'two-auto-hep']);
    await world.remove(node('one'));
    expect([...(await world.endpoints()).keys()]).toEqual(['two-auto-hep']);
    world.controller.doubt({ kind: 'Node', name: 'one' });
    await world.write({ key: { kind: 'HostEndpoint', name: 'x' }, resource: orphan! });
    expect((await world.endpoints()).size).toBe(2);
  });

  it('leave alone what somebody else made', async () => {
    const world = new World();
    const own = put('HostEndpoint', 'one-auto-hep', { node: 'one', interfaceName: 'eth0' });
    await world.write(own, node('one'), enabled);
    expect((await world.endpoints()).get('one-auto-hep')!.spec.interfaceName).toBe('eth0');
    await world.write(settings({ autoCreate: 'Disabled' }));
    expect((await world.endpoints()).size).toBe(1);
  });

  it('are put back when somebody changes or deletes them, at the latest at the next full check', async () => {
    const world = new World();
    await world.write(node('one'), enabled);
    const [made] = (await world.endpoints()).values();
    await world.datastore.delete({ kind: 'HostEndpoint', name: 'one-auto-hep' });
    world.controller.follow({ kind: 'HostEndpoint', name: 'one-auto-hep' }, undefined);
    world.clock.advance(299_999);
    expect((await world.endpoints()).size).toBe(0);
    world.clock.advance(1);
    await world.controller.run();
    expect((await world.endpoints()).get('one-auto-hep')!.spec).toEqual(made!.spec);
  });
});
