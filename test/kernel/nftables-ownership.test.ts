import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type ForeignChange, type Operation, StaleError } from '../../src/nftables/kernel.ts';
import { openNftables } from '../../src/nftables/linux.ts';
import { spawnIn, terminate } from '../../src/sys/process.ts';
import { nft, nftFile, openTable, testNamespace, until } from './nftables-support.ts';

const CHAIN: Operation[] = [
  { kind: 'add-chain', chain: { name: 'a' } },
  { kind: 'add-rule', chain: 'a', rule: { comment: 'x', expr: [{ counter: null }, { drop: null }] } },
];

describe('a table that we own', () => {
  it('is passed by when someone flushes the ruleset, and kept from them otherwise', async () => {
    const namespace = testNamespace();
    const { kernel, foreignChanges } = openTable(namespace);
    expect(await kernel.claim()).toBe('owned');
    await kernel.transaction(CHAIN);
    await nft(namespace, ['add', 'table', 'inet', 'theirs']);
    await nft(namespace, ['flush', 'ruleset']);
    expect(await nft(namespace, ['list', 'tables'])).toBe('table inet margay\n');
    for (const command of [
      'flush chain inet margay a',
      'delete table inet margay',
      'add chain inet margay b',
    ]) {
      await expect(nft(namespace, command.split(' '))).rejects.toThrow('Operation not permitted');
    }
    expect((await kernel.dumpTable())!.chains[0]!.rules.length).toBe(1);
    expect(foreignChanges).toEqual([]);
  });

  it('outlives kill -9, and the next agent adopts it with its handles', async () => {
    const namespace = testNamespace();
    const script = fileURLToPath(new URL('nftables-owner-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, namespace], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const handles = JSON.parse(line.toString()) as number[];
      const { kernel } = openTable(namespace);
      await expect(kernel.claim()).rejects.toMatchObject({ errno: 'EPERM' });
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      expect(await kernel.claim()).toBe('owned');
      const [chain] = (await kernel.dumpTable())!.chains;
      expect(chain!.rules.map((rule) => rule.handle)).toEqual(handles);
      await expect(nft(namespace, ['delete', 'table', 'inet', 'margay'])).rejects.toThrow('not permitted');
    } finally {
      await terminate(child);
    }
  });
});

describe('a table that we share', () => {
  it('reports who changed it', async () => {
    const namespace = testNamespace();
    const { kernel, foreignChanges } = openTable(namespace, 'never');
    await kernel.claim();
    await kernel.dumpTable();
    await kernel.transaction(CHAIN);
    await nft(namespace, ['flush', 'chain', 'inet', 'margay', 'a']);
    await until(() => foreignChanges.length > 0);
    expect(foreignChanges).toMatchObject([
      { kind: 'changed', object: 'rule in chain a', processName: 'nft' },
    ]);
    await nft(namespace, ['flush', 'ruleset']);
    await until(() => foreignChanges.length > 1);
    expect(foreignChanges[1]).toMatchObject({ kind: 'table-deleted', processName: 'nft' });
  });

  it('says so when notifications were lost, and goes on once the table is read again', async () => {
    const namespace = testNamespace();
    const changes: ForeignChange[] = [];
    const events = {
      foreignChange: (change: ForeignChange) => changes.push(change),
      closed: () => undefined,
    };
    const options = { table: 'margay', namespace, ownership: 'never' } as const;
    const kernel = openNftables({ ...options, events, notificationBuffer: 1 });
    const stranger = openNftables({
      ...options,
      events: { foreignChange: () => undefined, closed: () => undefined },
    });
    try {
      await kernel.claim();
      await kernel.dumpTable();
      // One commit is one burst of notifications, sent before this process can read any.
      const chains = Array.from({ length: 500 }, (_, index) => `c${index}`);
      await stranger.transaction(chains.map((name) => ({ kind: 'add-chain', chain: { name } })));
      await until(() => changes.length > 0);
      expect(changes[0]).toMatchObject({ kind: 'overrun' });
      await expect(kernel.transaction(CHAIN)).rejects.toBeInstanceOf(StaleError);
      expect((await kernel.dumpTable())!.chains.length).toBe(500);
      await kernel.transaction(CHAIN);
      expect((await kernel.dumpTable())!.chains.length).toBe(501);
    } finally {
      stranger.close();
      kernel.close();
    }
  });

  it('sends again, once each, when a stranger committed to another table just before', async () => {
    const namespace = testNamespace();
    const { kernel, foreignChanges } = openTable(namespace, 'never');
    await kernel.claim();
    await kernel.dumpTable();
    const events = { foreignChange: () => undefined, closed: () => undefined };
    const stranger = openNftables({ table: 'stranger', namespace, ownership: 'never', events });
    try {
      for (let index = 0; index < 500; index++) {
        // Both are on their way at once: the stranger's commit is first, and ours carries the generation before it.
        const theirs = stranger.transaction(
          index % 2 === 0 ? [{ kind: 'add-table' }] : [{ kind: 'delete-table' }],
        );
        const ours = kernel.transaction([{ kind: 'add-chain', chain: { name: `c${index}` } }]);
        await Promise.all([theirs, ours]);
      }
    } finally {
      stranger.close();
    }
    expect((await kernel.dumpTable())!.chains.length).toBe(500);
    expect(kernel.retries).toBeGreaterThanOrEqual(400);
    expect(foreignChanges).toEqual([]);
  });

  it.each(['when-possible', 'never'] as const)(
    'gets all of 500 and more transactions through beside a process that commits in a loop (ownership %s)',
    async (ownership) => {
      const namespace = testNamespace();
      const { kernel, foreignChanges } = openTable(namespace, ownership);
      await kernel.claim();
      await kernel.dumpTable();
      const loop = 'while :; do nft add table inet stranger; nft delete table inet stranger; done';
      let count = 0;
      const stranger = spawnIn('sh', ['-c', loop], { namespace, stdio: 'ignore' });
      try {
        await nftFile(namespace, [], 'add table inet warm\n');
        const enough = (): boolean => ownership === 'when-possible' || kernel.retries > 0;
        for (; count < 500 || !enough(); count++) {
          await kernel.transaction([
            { kind: 'add-chain', chain: { name: `c${count}` } },
            { kind: 'add-rule', chain: `c${count}`, rule: { expr: [{ counter: null }, { accept: null }] } },
          ]);
        }
      } finally {
        await terminate(stranger);
      }
      const dump = await kernel.dumpTable();
      expect(dump!.chains.map(({ chain }) => chain.name)).toEqual(
        Array.from({ length: count }, (_, index) => `c${index}`),
      );
      expect(foreignChanges).toEqual([]);
      if (ownership === 'when-possible') expect(kernel.retries).toBe(0);
    },
  );
});
