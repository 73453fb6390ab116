import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MargayError } from '../../../src/base/errors.ts';
import { CompactedError, InvalidValueError } from '../../../src/datastore/datastore.ts';
import { DirectoryDatastore } from '../../../src/datastore/directory/directory.ts';
import { pathOf } from '../../../src/datastore/directory/layout.ts';
import type { ResourceKey } from '../../../src/model/resource.ts';
import {
  brief,
  collect,
  networkSet,
  networkSetKey,
  testDatastoreContract,
  tier,
} from '../../datastore-contract.ts';

const temporaryRoot = (): Promise<string> => mkdtemp(join(tmpdir(), 'margay-directory-'));

const setText = (name: string, net: string): string => `apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata:
  name: ${name}
  namespace: blue
spec:
  nets:
    - ${net}
`;

testDatastoreContract('directory', async () => {
  const root = await temporaryRoot();
  return {
    open: () => DirectoryDatastore.open(root),
    putInvalid: async (key) => {
      const path = join(root, pathOf(key)!);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, setText(key.name, 'ten'));
    },
    compact: () => forgetHistory(root),
    dispose: () => rm(root, { recursive: true }),
  };
});

/** What a rotation does once far more has been written than a test has time for. */
async function forgetHistory(root: string): Promise<void> {
  const path = join(root, '.margay', 'journal');
  const [head, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const entries = new Map<string, Record<string, unknown>>();
  const { epoch } = JSON.parse(head!) as { epoch: string };
  let revision = 0;
  for (const text of lines) {
    const line = JSON.parse(text) as Record<string, unknown>;
    if (line['t'] !== 'change') continue;
    revision = line['r'] as number;
    const id = JSON.stringify(line['k']);
    if ('v' in line || 'e' in line) entries.set(id, { ...line, t: 'state' });
    else entries.delete(id);
  }
  const written = [{ margay: 1, epoch, base: revision, revision }, ...entries.values()];
  await writeFile(`${path}.new`, written.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await rename(`${path}.new`, path);
}

describe('a directory datastore', () => {
  let root: string;
  const opened: DirectoryDatastore[] = [];
  const children: ChildProcess[] = [];
  const open = async (
    options?: Parameters<typeof DirectoryDatastore.open>[1],
  ): Promise<DirectoryDatastore> => {
    const datastore = await DirectoryDatastore.open(root, options);
    opened.push(datastore);
    return datastore;
  };
  /** Another process, and its output so far. */
  const start = (...args: string[]): { child: ChildProcess; ended: Promise<string>; said: Promise<void> } => {
    const script = new URL('directory-process.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', script, root, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    let errors = '';
    const said = new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (bytes: Buffer) => {
        output += bytes.toString();
        resolve();
      });
      child.on('close', () => reject(new Error(`${args.join(' ')} said nothing: ${errors}`)));
    });
    said.catch(() => {});
    child.stderr!.on('data', (bytes: Buffer) => {
      errors += bytes.toString();
    });
    const ended = new Promise<string>((resolve, reject) => {
      child.on('close', (status) =>
        status === 0 ? resolve(output) : reject(new Error(`${args.join(' ')}: ${status} ${errors}`)),
      );
    });
    ended.catch(() => {});
    return { child, ended, said };
  };
  const file = (...parts: string[]): string => join(root, ...parts);

  beforeEach(async () => {
    root = await temporaryRoot();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
    for (const datastore of opened.splice(0)) await datastore.close();
    await rm(root, { recursive: true });
  });

  it('writes one readable document per resource, the same bytes for the same resource, no version inside', async () => {
    const datastore = await open();
    const created = await datastore.create(networkSet('a'));
    const path = file('networksets', 'blue', 'a.yaml');
    const text = await readFile(path, 'utf8');
    const { uid, creationTimestamp } = created.metadata;
    expect(text).toBe(`apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata:
  name: a
  namespace: blue
  labels:
    role: test
  uid: ${uid}
  creationTimestamp: ${text.includes('"') ? `"${creationTimestamp}"` : creationTimestamp}
spec:
  nets:
    - 10.0.0.0/8
`);
    await datastore.update(created);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(file('networksets', 'blue'))).toEqual(['a.yaml']);
  });

  it('takes over files that were there before it, and its own after its journal is lost or damaged', async () => {
    await mkdir(file('networksets', 'blue'), { recursive: true });
    await writeFile(file('networksets', 'blue', 'a.yaml'), setText('a', '10.0.0.0/8'));
    const first = await open();
    expect((await first.list()).resources.map(({ metadata }) => metadata.name)).toEqual(['a']);
    const created = await first.create(tier('t', 5));
    await first.close();

    await rm(file('.margay'), { recursive: true });
    const second = await open();
    const names = async (datastore: DirectoryDatastore): Promise<string[]> =>
      (await datastore.list()).resources.map(({ metadata }) => metadata.name).toSorted();
    expect(await names(second)).toEqual(['a', 't']);
    expect((await second.get({ kind: 'Tier', name: 't' })).metadata.uid).toBe(created.metadata.uid);
    const { revision } = await second.list();
    await second.close();

    await appendFile(file('.margay', 'journal'), 'garbage\n');
    const third = await open();
    expect(await names(third)).toEqual(['a', 't']);
    expect((await third.list()).revision).toBeGreaterThan(revision);
  });

  it('gives an edit by hand one revision, whoever notices it, and a watch sees it', async () => {
    const [one, two] = [await open(), await open()];
    await one.create(networkSet('a'));
    const { revision } = await one.list();
    const watches = [one, two].map((datastore) =>
      collect(datastore, revision, (events) => events.length >= 3),
    );
    const path = file('networksets', 'blue', 'a.yaml');
    await writeFile(path, setText('a', '10.5.0.0/16'));
    await until(async () => (await one.list()).revision === revision + 1);
    await writeFile(file('networksets', 'blue', 'b.yaml'), setText('b', '10.6.0.0/16'));
    await until(async () => (await two.list()).revision === revision + 2);
    await rm(path);
    const [seenByOne, seenByTwo] = await Promise.all(watches);
    expect(seenByOne!.map(brief)).toEqual([
      `put a@${revision + 1}`,
      `put b@${revision + 2}`,
      `delete a@${revision + 3}`,
    ]);
    expect(seenByTwo).toEqual(seenByOne);
    expect(seenByOne![0]).toMatchObject({ resource: { spec: { nets: ['10.5.0.0/16'] } } });
    await expect(
      two.update({ ...networkSet('b'), metadata: { ...networkSet('b').metadata } }),
    ).resolves.toBeDefined();
  });

  it('sees files in folders that did not exist before', async () => {
    const datastore = await open();
    const { revision } = await datastore.list();
    const seen = collect(datastore, revision, (events) => events.length >= 1);
    await mkdir(file('networksets', 'new'), { recursive: true });
    await writeFile(
      file('networksets', 'new', 'x.yaml'),
      setText('x', '10.0.0.0/8').replace('namespace: blue', 'namespace: new'),
    );
    expect((await seen).map(({ key }) => key)).toEqual([networkSetKey('x', 'new')]);
  });

  it('makes no revision of a comment, and none of a file that was only touched', async () => {
    const datastore = await open();
    await datastore.create(networkSet('a'));
    const { revision } = await datastore.list();
    const path = file('networksets', 'blue', 'a.yaml');
    await appendFile(path, '# why this is here\n');
    expect((await datastore.list()).revision).toBe(revision);
    await writeFile(path, await readFile(path));
    expect((await datastore.list()).revision).toBe(revision);
    expect(await readFile(path, 'utf8')).toContain('# why this is here');
  });

  it('waits for an editor that empties a file before it fills it', async () => {
    const datastore = await open();
    await datastore.create(networkSet('a'));
    const { revision } = await datastore.list();
    const path = file('networksets', 'blue', 'a.yaml');
    await writeFile(path, '');
    const listed = datastore.list();
    // Longer than a file with content is given to settle.
    await sleep(100);
    await writeFile(path, setText('a', '10.5.0.0/16'));
    await listed;
    expect(await datastore.get(networkSetKey('a'))).toMatchObject({ spec: { nets: ['10.5.0.0/16'] } });
    expect((await datastore.list()).revision).toBe(revision + 1);
  });

  it('keeps the last good state of a file that breaks, and says where it is broken', async () => {
    const datastore = await open();
    const good = await datastore.create(networkSet('a'));
    const { revision } = await datastore.list();
    const path = file('networksets', 'blue', 'a.yaml');
    await writeFile(path, setText('a', 'ten'));
    const [event] = await collect(datastore, revision, (events) => events.length >= 1);
    expect(event).toMatchObject({ type: 'invalid', key: networkSetKey('a') });
    const fresh = await open();
    for (const client of [datastore, fresh]) {
      const list = await client.list();
      expect(list.resources).toEqual([good]);
      expect(list.invalid).toHaveLength(1);
      expect(list.invalid[0]!.error.message).toContain(`${path}:8:`);
      await expect(client.get(networkSetKey('a'))).rejects.toThrow(InvalidValueError);
    }
    await writeFile(path, setText('a', '10.7.0.0/16'));
    expect((await datastore.list()).invalid).toEqual([]);
  });

  it('refuses a file that holds another resource than its name says', async () => {
    const datastore = await open();
    await datastore.create(networkSet('a'));
    await writeFile(file('networksets', 'blue', 'copy.yaml'), setText('a', '10.7.0.0/16'));
    const { resources, invalid } = await datastore.list();
    expect(resources.map(({ spec }) => spec)).toEqual([{ nets: ['10.0.0.0/8'] }]);
    expect(invalid.map(({ key }) => key)).toEqual([networkSetKey('copy')]);
    expect(invalid[0]!.error.message).toContain('belongs in networksets/blue/a.yaml');
  });

  it('reports what looks like a resource and lies where none can, and says where it belongs', async () => {
    const datastore = await open();
    await datastore.create(networkSet('a'));
    const { revision } = await datastore.list();
    const strays: Readonly<Record<string, readonly [string, string, string]>> = {
      'top.yaml': [
        setText('b', '10.7.0.0/16'),
        'resources lie in folders of their kind',
        'networksets/blue/b.yaml',
      ],
      'networkset/b.yaml': [
        setText('b', '10.7.0.0/16'),
        'no kind has a folder "networkset" (did you mean "networksets"?)',
        'networksets/blue/b.yaml',
      ],
      'networksets/b.yaml': [
        setText('b', '10.7.0.0/16'),
        'a NetworkSet lies in networksets/NAMESPACE/NAME.yaml',
        'networksets/blue/b.yaml',
      ],
      'networksets/blue/b.yml': [
        setText('b', '10.7.0.0/16'),
        'files of resources end in .yaml',
        'networksets/blue/b.yaml',
      ],
      'apps/shop/deep/b.yaml': ['nonsense: [', 'no kind has a folder "apps"', 'use margayctl apply -f'],
      'namespaces/shop.yaml': [
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n',
        'a Namespace is stored as the Profile that it means',
        'use margayctl apply -f',
      ],
    };
    const seen = collect(datastore, revision, (events) => events.length >= Object.keys(strays).length);
    for (const [path, [text]] of Object.entries(strays)) {
      await mkdir(dirname(file(path)), { recursive: true });
      await writeFile(file(path), text);
    }
    for (const none of ['README.md', '.hidden.yaml', 'networksets/blue/b.yaml~', '.git/x.yaml']) {
      await mkdir(dirname(file(none)), { recursive: true });
      await writeFile(file(none), 'x');
    }
    const events = await seen;
    const fresh = await (await open()).list();
    for (const found of [events, fresh.invalid]) {
      const reported = found.map((entry) => entry as { key: ResourceKey; error: MargayError });
      expect(reported.map(({ key }) => `${key.kind} ${key.name}`).toSorted()).toEqual(
        Object.keys(strays)
          .map((path) => `File ${path}`)
          .toSorted(),
      );
      for (const { key, error } of reported) {
        const [, reason, fix] = strays[key.name]!;
        expect(error.message).toBe(`${file(key.name)}: not read: ${reason}`);
        expect(error.fix).toContain(fix);
      }
    }
    expect(fresh.resources).toHaveLength(1);
    // Of one kind nobody asks for strays, and one that is gone is no longer told.
    expect((await datastore.list({ kind: 'NetworkSet' })).invalid).toEqual([]);
    for (const path of Object.keys(strays)) await rm(file(path));
    expect((await datastore.list()).invalid).toEqual([]);
  });

  it('lets an update lose against an edit by hand that it did not know of', async () => {
    const datastore = await open();
    const created = await datastore.create(networkSet('a'));
    await writeFile(file('networksets', 'blue', 'a.yaml'), setText('a', '10.7.0.0/16'));
    await expect(datastore.update(created)).rejects.toThrow('update conflict');
  });

  it('stores names of any length', async () => {
    const datastore = await open();
    const name = `${'a'.repeat(60)}.`.repeat(4) + 'bcdefghi';
    await datastore.create(networkSet(name));
    const again = await open();
    expect((await again.get(networkSetKey(name))).metadata.name).toBe(name);
    await again.close();
    await rm(file('.margay'), { recursive: true });
    expect((await (await open()).get(networkSetKey(name))).metadata.name).toBe(name);
  });

  it('writes its journal anew when it has grown, and no watch that keeps up notices', async () => {
    const rotation = { bytes: 20_000, growth: 1, keep: 5 };
    const [writer, reader] = [await open({ rotation }), await open()];
    const { revision } = await reader.list();
    const seen = collect(reader, revision, (events) => events.length >= 120);
    let current = await writer.create(networkSet('a'));
    for (let round = 1; round < 120; round++) current = await writer.update(current);
    const revisions = (await seen).map((event) => event.revision);
    expect(revisions).toEqual(Array.from({ length: 120 }, (_, index) => revision + 1 + index));
    expect((await readFile(file('.margay', 'journal'))).length).toBeLessThan(40_000);
    await expect(collect(await open(), revision, () => true)).rejects.toThrow(CompactedError);
    expect(await (await open()).get(networkSetKey('a'))).toEqual(current);
  });

  it('does not take a directory that vanished for an empty datastore', async () => {
    const datastore = await open();
    await datastore.create(networkSet('a'));
    const away = `${root}-away`;
    await rename(root, away);
    await mkdir(root);
    await expect(datastore.list()).rejects.toThrow(`the datastore in ${root} is gone`);
    expect(await readdir(root)).toEqual([]);
    await rm(root, { recursive: true });
    await rename(away, root);
    expect((await datastore.list()).resources).toHaveLength(1);
  });

  it('serialises writers of many processes, and each watch sees every revision once', async () => {
    const datastore = await open();
    await datastore.create(networkSet('counter'));
    const { revision } = await datastore.list();
    const last = revision + 60;
    const watching = start('watch', String(revision), String(last));
    const here = collect(datastore, revision, (events) => events.at(-1)!.revision >= last, {
      milliseconds: 30_000,
    });
    const counting = Array.from({ length: 3 }, () => start('count', '20'));
    await Promise.all(counting.map(({ ended }) => ended));
    const counter = await datastore.get(networkSetKey('counter'));
    expect(counter.metadata.annotations).toEqual({ count: '60' });
    const expected = Array.from({ length: 60 }, (_, index) => `put counter ${revision + 1 + index}`);
    expect((await watching.ended).trim().split('\n')).toEqual(expected);
    expect((await here).map(({ type, key, revision: at }) => `${type} ${key.name} ${at}`)).toEqual(expected);
  }, 60_000);

  it('is not wedged by a writer that was killed with the lock in its hands', async () => {
    const datastore = await open();
    const holder = start('hold');
    await holder.said;
    const write = datastore.create(networkSet('a'));
    holder.child.kill('SIGKILL');
    expect((await write).metadata.name).toBe('a');
  }, 30_000);

  it('says who holds the lock when it waits too long, and does not break the lock of the living', async () => {
    const datastore = await open({ lockTimeout: 200 });
    const holder = start('hold');
    await holder.said;
    holder.child.kill('SIGSTOP');
    await expect(datastore.create(networkSet('a'))).rejects.toThrow(`(pid ${holder.child.pid})`);
    holder.child.kill('SIGKILL');
    await datastore.create(networkSet('a'));
  }, 30_000);

  it('loses nothing that was acknowledged, and no order, when writers are killed at any moment', async () => {
    const datastore = await open();
    const { revision } = await datastore.list();
    const controller = new AbortController();
    const seen = new Map<string, number>();
    let last = revision;
    const following = (async () => {
      for await (const batch of datastore.watch({ from: revision, signal: controller.signal })) {
        for (const event of batch) {
          expect(event.revision).toBe(++last);
          seen.set(event.key.name, event.revision);
        }
      }
    })();
    for (let round = 0; round < 3; round++) {
      const writers = [start('write', '10000'), start('write', '10000')];
      await Promise.all(writers.map(({ said }) => said));
      const enough = seen.size + 5 + 20 * round;
      await until(async () => seen.size >= enough);
      for (const { child } of writers) child.kill('SIGKILL');
    }
    await datastore.create(networkSet('end'));
    const files = (await readdir(file('networksets', 'blue'))).map((name) => name.replace(/\.yaml$/, ''));
    await until(async () => seen.size >= files.length);
    controller.abort();
    await following;
    expect([...seen.keys()].toSorted()).toEqual(files.toSorted());
    const list = await (await open()).list();
    expect(list.invalid).toEqual([]);
    expect(list.resources.map(({ metadata }) => metadata.name).toSorted()).toEqual(files.toSorted());
  }, 60_000);
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('the condition never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
