/** What every datastore promises, as tests: each implementation runs them against itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AlreadyExistsError,
  CompactedError,
  ConflictError,
  type Datastore,
  DatastoreError,
  InvalidValueError,
  NotFoundError,
  type WatchEvent,
} from '../src/datastore/datastore.ts';
import { ValidationError } from '../src/model/problem.ts';
import type { Resource, ResourceKey } from '../src/model/resource.ts';

/** One empty datastore, and what a test does to it behind the interface. */
export interface DatastoreUnderTest {
  /** Another client of the same datastore; closed after the test. */
  open(): Promise<Datastore>;
  /** Stores under a key what is no valid resource. */
  putInvalid(key: ResourceKey): Promise<void>;
  /** Forgets all history up to now. */
  compact(): Promise<void>;
  /** Removes everything. */
  dispose(): Promise<void>;
}

export function networkSet(name: string, net = '10.0.0.0/8', namespace = 'blue'): Resource {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkSet',
    metadata: { name, namespace, labels: { role: 'test' } },
    spec: { nets: [net] },
  };
}

export function tier(name: string, order: number): Resource {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Tier',
    metadata: { name },
    spec: { order, defaultAction: 'Deny' },
  };
}

export const networkSetKey = (name: string, namespace = 'blue'): ResourceKey => ({
  kind: 'NetworkSet',
  namespace,
  name,
});

/** Collects what a watch gives until `enough`; fails after `milliseconds`. */
export async function collect(
  datastore: Datastore,
  from: number,
  enough: (events: readonly WatchEvent[]) => boolean,
  options: { readonly milliseconds?: number; readonly kind?: string; readonly namespace?: string } = {},
): Promise<WatchEvent[]> {
  const { milliseconds = 10_000, ...selection } = options;
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    controller.abort();
  }, milliseconds);
  try {
    for await (const batch of datastore.watch({ from, signal: controller.signal, ...selection })) {
      expect(batch.length).toBeGreaterThan(0);
      events.push(...batch);
      if (enough(events)) break;
    }
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
  if (expired) throw new Error(`the watch gave only ${JSON.stringify(events.map(brief))}`);
  return events;
}

export function brief(event: WatchEvent): string {
  return `${event.type} ${event.key.name}@${event.revision}`;
}

const kindAndName = (event: WatchEvent): string => `${event.type} ${event.key.name}`;

export function testDatastoreContract(name: string, make: () => Promise<DatastoreUnderTest>): void {
  describe(`${name} keeps the datastore contract`, () => {
    let under: DatastoreUnderTest;
    let datastore: Datastore;
    const opened: Datastore[] = [];
    const open = async (): Promise<Datastore> => {
      const made = await under.open();
      opened.push(made);
      return made;
    };

    beforeEach(async () => {
      under = await make();
      datastore = await open();
    });
    afterEach(async () => {
      for (const made of opened.splice(0)) await made.close();
      await under.dispose();
    });

    it('gives back what was created, with uid, creation time and version', async () => {
      const created = await datastore.create(networkSet('a'));
      expect(created.metadata).toMatchObject({ name: 'a', namespace: 'blue', labels: { role: 'test' } });
      expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(created.metadata.resourceVersion).toMatch(/^\d+$/);
      expect(await datastore.get(networkSetKey('a'))).toEqual(created);
      expect(await (await open()).get(networkSetKey('a'))).toEqual(created);
    });

    it('says not found, already exists and conflict as Calico does', async () => {
      await expect(datastore.get(networkSetKey('a'))).rejects.toThrow(
        new NotFoundError(networkSetKey('a')).message,
      );
      await expect(datastore.update(networkSet('a'))).rejects.toThrow(NotFoundError);
      await expect(datastore.delete(networkSetKey('a'))).rejects.toThrow(NotFoundError);
      const created = await datastore.create(networkSet('a'));
      await expect(datastore.create(networkSet('a'))).rejects.toThrow(AlreadyExistsError);
      await datastore.update(created);
      await expect(datastore.update(created)).rejects.toThrow(ConflictError);
      const resourceVersion = created.metadata.resourceVersion!;
      await expect(datastore.delete(networkSetKey('a'), { resourceVersion })).rejects.toThrow(ConflictError);
      await datastore.delete(networkSetKey('a'));
      await expect(
        datastore.update({ ...created, metadata: { ...created.metadata, resourceVersion } }),
      ).rejects.toThrow(NotFoundError);
    });

    it('keeps identity through updates, whether or not the writer knows it', async () => {
      const { uid, creationTimestamp } = (await datastore.create(networkSet('a'))).metadata;
      const updated = await datastore.update(networkSet('a', '10.9.0.0/16'));
      expect(updated.metadata).toMatchObject({ uid, creationTimestamp });
      expect(updated.spec).toEqual({ nets: ['10.9.0.0/16'] });
    });

    it('refuses to store what it would refuse to read', async () => {
      const bad = { ...networkSet('a'), spec: { nets: ['ten'] } };
      await expect(datastore.create(bad)).rejects.toThrow(ValidationError);
      await datastore.create(networkSet('a'));
      await expect(datastore.update(bad)).rejects.toThrow(ValidationError);
      expect((await datastore.get(networkSetKey('a'))).spec).toEqual({ nets: ['10.0.0.0/8'] });
    });

    it('lists everything, a kind, or a namespace of a kind', async () => {
      await datastore.create(networkSet('a'));
      await datastore.create(networkSet('b', '10.0.0.0/8', 'red'));
      const last = await datastore.create(tier('t', 5));
      const names = async (options?: { kind?: string; namespace?: string }): Promise<string[]> =>
        (await datastore.list(options)).resources.map(({ metadata }) => metadata.name).toSorted();
      expect(await names()).toEqual(['a', 'b', 't']);
      expect(await names({ kind: 'NetworkSet' })).toEqual(['a', 'b']);
      expect(await names({ kind: 'NetworkSet', namespace: 'red' })).toEqual(['b']);
      expect(await names({ kind: 'IPPool' })).toEqual([]);
      expect((await datastore.list()).revision).toBe(Number(last.metadata.resourceVersion));
    });

    it('grows its revision with every write anywhere', async () => {
      const first = Number((await datastore.create(networkSet('a'))).metadata.resourceVersion);
      const second = Number((await (await open()).create(tier('t', 5))).metadata.resourceVersion);
      const third = await datastore.delete(networkSetKey('a'));
      expect(second).toBeGreaterThan(first);
      expect(third).toBeGreaterThan(second);
      expect((await datastore.list()).revision).toBe(third);
    });

    it('watches from a revision on: nothing missed, nothing repeated, in order', async () => {
      const other = await open();
      await datastore.create(networkSet('before'));
      const { revision } = await datastore.list();
      const a = await datastore.create(networkSet('a'));
      const b = await other.update({ ...a, spec: { nets: ['10.1.0.0/16'] } });
      const deleted = await datastore.delete(networkSetKey('a'));
      const late = collect(datastore, revision, (events) => events.length >= 5);
      const again = await other.create(networkSet('a'));
      const last = await datastore.create(tier('t', 5));
      const events = await late;
      expect(events).toEqual([
        { type: 'put', key: networkSetKey('a'), resource: a, revision: Number(a.metadata.resourceVersion) },
        { type: 'put', key: networkSetKey('a'), resource: b, revision: Number(b.metadata.resourceVersion) },
        { type: 'delete', key: networkSetKey('a'), revision: deleted },
        {
          type: 'put',
          key: networkSetKey('a'),
          resource: again,
          revision: Number(again.metadata.resourceVersion),
        },
        {
          type: 'put',
          key: { kind: 'Tier', name: 't' },
          resource: last,
          revision: Number(last.metadata.resourceVersion),
        },
      ]);
    });

    it('watches a kind or a namespace alone', async () => {
      const { revision } = await datastore.list();
      await datastore.create(networkSet('a'));
      await datastore.create(networkSet('b', '10.0.0.0/8', 'red'));
      await datastore.create(tier('t', 5));
      await datastore.create(networkSet('c', '10.0.0.0/8', 'red'));
      const sets = await collect(datastore, revision, (events) => events.length >= 3, { kind: 'NetworkSet' });
      expect(sets.map(kindAndName)).toEqual(['put a', 'put b', 'put c']);
      const red = await collect(datastore, revision, (events) => events.length >= 2, {
        kind: 'NetworkSet',
        namespace: 'red',
      });
      expect(red.map(kindAndName)).toEqual(['put b', 'put c']);
    });

    it('ends a watch when its signal aborts or the datastore closes', async () => {
      const { revision } = await datastore.list();
      const drain = async (watched: Datastore, signal: AbortSignal): Promise<number> => {
        let count = 0;
        for await (const batch of watched.watch({ from: revision, signal })) count += batch.length;
        return count;
      };
      const controller = new AbortController();
      const aborted = drain(datastore, controller.signal);
      const closing = await open();
      const closed = drain(closing, new AbortController().signal);
      controller.abort();
      await closing.close();
      expect(await aborted).toBe(0);
      expect(await closed).toBe(0);
      await expect(closing.list()).rejects.toThrow(DatastoreError);
    });

    it('reports a broken value on its own, in lists and watches, and lets it be replaced', async () => {
      await datastore.create(networkSet('good'));
      const { revision } = await datastore.list();
      await under.putInvalid(networkSetKey('bad'));
      const [event] = await collect(datastore, revision, (events) => events.length >= 1);
      expect(event).toMatchObject({ type: 'invalid', key: networkSetKey('bad') });
      const list = await datastore.list();
      expect(list.resources.map(({ metadata }) => metadata.name)).toEqual(['good']);
      expect(list.invalid.map(({ key }) => key)).toEqual([networkSetKey('bad')]);
      expect(list.invalid[0]!.error.message).toContain('nets');
      await expect(datastore.get(networkSetKey('bad'))).rejects.toThrow(InvalidValueError);
      await expect(datastore.create(networkSet('bad'))).rejects.toThrow(AlreadyExistsError);
      await datastore.update(networkSet('bad'));
      expect((await datastore.list()).invalid).toEqual([]);
      await under.putInvalid(networkSetKey('bad'));
      await datastore.delete(networkSetKey('bad'));
      expect((await datastore.list()).invalid).toEqual([]);
    });

    it('says compacted to a watch from a revision it has forgotten or never knew', async () => {
      const { revision } = await datastore.list();
      await datastore.create(networkSet('a'));
      const last = await datastore.create(networkSet('b'));
      await under.compact();
      await expect(collect(datastore, revision, () => true)).rejects.toThrow(CompactedError);
      const from = Number(last.metadata.resourceVersion);
      const next = collect(datastore, from, (events) => events.length >= 1);
      await datastore.create(networkSet('c'));
      expect((await next).map(kindAndName)).toEqual(['put c']);
      await expect(collect(datastore, from + 1_000_000, () => true)).rejects.toThrow(CompactedError);
    });

    it('lets exactly one of many racing creators win, and loses no compare-and-swap', async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, open));
      const creations = await Promise.allSettled(
        clients.map((client) => client.create(networkSet('counter', '10.0.0.0/32'))),
      );
      expect(creations.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const increment = async (client: Datastore): Promise<void> => {
        for (;;) {
          const current = await client.get(networkSetKey('counter'));
          const count = Number(current.metadata.annotations?.['count'] ?? '0');
          const metadata = { ...current.metadata, annotations: { count: String(count + 1) } };
          try {
            await client.update({ ...current, metadata });
            return;
          } catch (error) {
            if (!(error instanceof ConflictError)) throw error;
          }
        }
      };
      await Promise.all(
        clients.map(async (client) => {
          for (let round = 0; round < 10; round++) await increment(client);
        }),
      );
      const counter = await datastore.get(networkSetKey('counter'));
      expect(counter.metadata.annotations).toEqual({ count: '40' });
    });
  });
}
