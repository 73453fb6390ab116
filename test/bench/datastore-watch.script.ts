/**
 * Puts at a steady rate on a real etcd, on one connection, and how soon each is an event in the watch of another: from
 * the call of the put to the event in the consumer's hands, decoded and checked. All in one process, which therefore
 * does the work of the writers too.
 *
 *   npm run bench -- datastore-watch [--rate N] [--seconds N]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IRequestOp } from 'etcd3';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { ETCD_TIMEOUTS } from '../../src/datastore/etcd/connections.ts';
import { EtcdTransport } from '../../src/datastore/etcd/transport.ts';
import { stampNew } from '../../src/datastore/stamp.ts';
import { encodeValue, etcdKey } from '../../src/model/keys.ts';
import { type Resource, keyOf, keyText } from '../../src/model/resource.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { EtcdServer } from '../interop/etcd-server.ts';
import { datastoreWorld } from './datastore-world.ts';
import { joinNamespace } from './join-namespace.ts';
import { numberFlags, report } from './report.ts';

/** Issue 3: updates a second, and milliseconds from put to event for 99 of 100. */
const TARGET = { rate: 1_000, latency: 20 } as const;

/** Milliseconds between two bursts. */
const TICK = 5;
const WARM_UP_SECONDS = 2;

const flags = numberFlags({ rate: TARGET.rate, seconds: 20 });
const namespace = `mgb-${process.pid}`;

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

/** A resource as etcd has it, which differs by a label each time that it is written. */
class Stored {
  readonly id: string;
  private readonly key: Buffer;
  private readonly parts: readonly string[];

  constructor(resource: Resource) {
    const key = keyOf(resource);
    const labels = { ...resource.metadata.labels, count: 'COUNT' };
    this.id = keyText(key);
    this.key = Buffer.from(etcdKey(key));
    this.parts = encodeValue(stampNew({ ...resource, metadata: { ...resource.metadata, labels } })).split(
      'COUNT',
    );
  }

  put(count: number): IRequestOp {
    return { request_put: { key: this.key, value: Buffer.from(this.parts.join(String(count))) } };
  }
}

createNamespace(namespace);
await joinNamespace(namespace);
const etcd = await EtcdServer.start();
try {
  const config = { type: 'etcdv3', endpoints: [etcd.endpoint] } as const;
  // A disk that cannot keep up shows as a rate that is not reached.
  const transport = await EtcdTransport.create(config, { ...ETCD_TIMEOUTS, request: 60_000 });
  const resources = datastoreWorld(flags.rate, 0).map((resource) => new Stored(resource));
  for (let start = 0; start < resources.length; start += 100) {
    const success = resources.slice(start, start + 100).map((resource) => resource.put(0));
    await transport.txn({ compare: [], success, failure: [] });
  }
  const watcher = await EtcdDatastore.open(config);
  const { revision } = await watcher.list();

  const sent = new Map<string, number>();
  const latencies: number[] = [];
  const acknowledged: number[] = [];
  let measuring = false;
  let seen = 0;
  const controller = new AbortController();
  const following = (async () => {
    for await (const batch of watcher.watch({ from: revision, signal: controller.signal })) {
      const now = performance.now();
      for (const event of batch) {
        seen++;
        const start = sent.get(keyText(event.key));
        if (measuring && start !== undefined) latencies.push(now - start);
      }
    }
  })();

  let written = 0;
  let next = 0;
  const busy = new Set<number>();
  async function update(index: number): Promise<void> {
    const resource = resources[index]!;
    const start = performance.now();
    sent.set(resource.id, start);
    await transport.txn({ compare: [], success: [resource.put(++written)], failure: [] });
    if (measuring) acknowledged.push(performance.now() - start);
    busy.delete(index);
  }

  const begin = performance.now();
  const pending = new Set<Promise<void>>();
  let measuredFrom = begin;
  let measuredWritten = 0;
  let measuredSeen = 0;
  let used = process.cpuUsage();
  for (
    let elapsed = 0;
    elapsed < (WARM_UP_SECONDS + flags.seconds) * 1_000;
    elapsed = performance.now() - begin
  ) {
    if (!measuring && elapsed >= WARM_UP_SECONDS * 1_000) {
      measuring = true;
      [measuredFrom, measuredWritten, measuredSeen] = [performance.now(), written, seen];
      used = process.cpuUsage();
    }
    // What a late turn of the event loop missed is made up for: the rate is what is asked for, not what is convenient.
    for (let due = (elapsed / 1_000) * flags.rate - written; due > 0 && busy.size < resources.length; due--) {
      while (busy.has(next)) next = (next + 1) % resources.length;
      busy.add(next);
      const done = update(next);
      pending.add(done);
      void done.finally(() => pending.delete(done));
      next = (next + 1) % resources.length;
    }
    await sleep(TICK);
  }
  const seconds = (performance.now() - measuredFrom) / 1_000;
  const [rate, events] = [(written - measuredWritten) / seconds, (seen - measuredSeen) / seconds];
  const { user, system } = process.cpuUsage(used);
  const busyShare = (user + system) / 1_000_000 / seconds;
  await Promise.all(pending);
  const deadline = performance.now() + 30_000;
  while (seen < written && performance.now() < deadline) await sleep(20);
  controller.abort();
  await following;
  transport.close();
  await watcher.close();
  if (seen !== written) throw new Error(`${seen} events came of ${written} updates`);

  const milliseconds = (values: readonly number[], share: number): string =>
    percentile(values, share).toFixed(1);
  const memory = { ours: Math.round(process.resourceUsage().maxRSS / 1_024) };
  const notes =
    `${flags.seconds} s at ${rate.toFixed(0)} updates/s, ${events.toFixed(0)} events/s; put to event p50 ${milliseconds(latencies, 0.5)} ms, ` +
    `p99 ${milliseconds(latencies, 0.99)} ms; put to etcd's acknowledgement p50 ${milliseconds(acknowledged, 0.5)} ms, ` +
    `p99 ${milliseconds(acknowledged, 0.99)} ms; this process used ${busyShare.toFixed(2)} processors; every update was seen once`;
  report({
    bench: 'datastore-watch',
    variant: 'p99',
    unit: 'ms',
    ours: percentile(latencies, 0.99),
    peers: { target: TARGET.latency },
    memory,
    runs: 1,
    notes,
  });
  report({
    bench: 'datastore-watch',
    variant: 'rate',
    unit: 'updates/s',
    ours: Math.min(rate, events),
    peers: { target: TARGET.rate },
    memory,
    runs: 1,
    notes,
  });
} finally {
  await etcd.dispose();
  deleteNamespace(namespace);
}
process.exit(0);
