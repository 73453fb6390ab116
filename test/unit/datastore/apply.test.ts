import { describe, expect, it } from 'vitest';
import { applyResource } from '../../../src/datastore/apply.ts';
import { ensureDefaults } from '../../../src/datastore/bootstrap.ts';
import { ConflictError } from '../../../src/datastore/datastore.ts';
import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import { State } from '../../../src/datastore/state.ts';
import { ValidationError } from '../../../src/model/problem.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { networkSet, networkSetKey, tier } from '../../datastore-contract.ts';

describe('applying a resource', () => {
  it('creates it, leaves it alone when nothing changes, and updates it', async () => {
    const datastore = new MemoryDatastore();
    const created = await applyResource(datastore, networkSet('a'));
    expect(created.action).toBe('created');
    const same = await applyResource(datastore, networkSet('a'));
    expect(same).toEqual({ action: 'unchanged', resource: created.resource });
    const updated = await applyResource(datastore, networkSet('a', '10.1.0.0/16'));
    expect(updated.action).toBe('updated');
    expect(updated.resource.metadata.uid).toBe(created.resource.metadata.uid);
  });

  it('honours a resourceVersion that is given', async () => {
    const datastore = new MemoryDatastore();
    const { resource } = await applyResource(datastore, networkSet('a'));
    await applyResource(datastore, networkSet('a', '10.1.0.0/16'));
    await expect(applyResource(datastore, resource)).rejects.toThrow(ConflictError);
    await expect(applyResource(datastore, { ...resource, spec: { nets: ['10.1.0.0/16'] } })).rejects.toThrow(
      ConflictError,
    );
  });

  it('replaces a stored value that is invalid, and refuses an invalid wish', async () => {
    const datastore = new MemoryDatastore();
    datastore.putRaw(networkSetKey('a'), { nonsense: true });
    expect((await applyResource(datastore, networkSet('a'))).action).toBe('updated');
    await expect(applyResource(datastore, networkSet('a', 'ten'))).rejects.toThrow(ValidationError);
  });

  it('wins races with others that create, change and delete the same resource', async () => {
    const state = new State();
    const clients = Array.from({ length: 4 }, () => new MemoryDatastore(state));
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 20; round++) {
          await applyResource(client, networkSet('a', `10.${index}.${round}.0/24`));
          if (round % 5 === index) await client.delete(networkSetKey('a')).catch(() => {});
        }
      }),
    );
    await applyResource(clients[0]!, networkSet('a'));
    expect((await clients[1]!.get(networkSetKey('a'))).spec).toEqual({ nets: ['10.0.0.0/8'] });
  });
});

describe('a start', () => {
  it('makes tiers, profile and cluster information, however many start at once, and only once', async () => {
    const state = new State();
    const clients = Array.from({ length: 3 }, () => new MemoryDatastore(state));
    await Promise.all(clients.map((client) => ensureDefaults(client)));
    const { resources, revision, invalid } = await clients[0]!.list();
    expect(invalid).toEqual([]);
    const names = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted();
    expect(names).toEqual([
      'ClusterInformation default',
      'Profile projectcalico-default-allow',
      'Tier default',
      'Tier kube-admin',
      'Tier kube-baseline',
    ]);
    const information = resources.find(({ kind }) => kind === 'ClusterInformation') as Resource<
      string,
      { clusterGUID: string; datastoreReady: boolean }
    >;
    expect(information.spec.clusterGUID).toMatch(/^[0-9a-f]{32}$/);
    expect(information.spec.datastoreReady).toBe(true);
    await ensureDefaults(clients[1]!);
    expect((await clients[0]!.list()).revision).toBe(revision);
  });

  it('leaves alone what is there', async () => {
    const datastore = new MemoryDatastore();
    await datastore.create(tier('default', 1_000_000));
    const before = await datastore.get({ kind: 'Tier', name: 'default' });
    await ensureDefaults(datastore);
    expect(await datastore.get({ kind: 'Tier', name: 'default' })).toEqual(before);
  });

  const informed = async (spec: object, version: string): Promise<unknown> => {
    const state = new State();
    const datastore = new MemoryDatastore(state);
    await datastore.create({
      apiVersion: 'projectcalico.org/v3',
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec,
    });
    const racing = [datastore, new MemoryDatastore(state), new MemoryDatastore(state)];
    await Promise.all(racing.map((client) => ensureDefaults(client, version)));
    const { revision } = await datastore.list();
    await ensureDefaults(datastore, version);
    expect((await datastore.list()).revision).toBe(revision);
    return (await datastore.get({ kind: 'ClusterInformation', name: 'default' })).spec;
  };
  const whole = {
    clusterGUID: 'a'.repeat(32),
    clusterType: 'k8s',
    calicoVersion: '1.9.3',
    datastoreReady: true,
  };

  it('says which version of Margay runs in the cluster, the newest of all, and leaves a version of Calico', async () => {
    expect(await informed(whole, '1.10.0')).toEqual({ ...whole, calicoVersion: '1.10.0' });
    expect(await informed(whole, '1.9.2')).toEqual(whole);
    const calico = { ...whole, calicoVersion: 'v3.30.1' };
    expect(await informed(calico, '9.0.0')).toEqual(calico);
  });

  it('completes cluster information that says too little, and leaves a lock', async () => {
    expect(await informed({ datastoreReady: false }, '1.2.3')).toEqual({
      clusterGUID: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      clusterType: 'bgp',
      calicoVersion: '1.2.3',
      datastoreReady: false,
    });
  });
});
