/**
 * A stranger to Margay who keeps changing a table of its own: `NAMESPACE TRANSACTIONS-PER-SECOND`. Runs until its
 * standard input ends, then writes what it did as JSON.
 */
import { NetlinkConnection } from '../../src/netlink/connection.ts';
import { encodeBatch } from '../../src/nftables/codec/batch.ts';
import { NETLINK_NETFILTER } from '../../src/nftables/codec/constants.ts';
import type { Operation } from '../../src/nftables/kernel.ts';

const [namespace, rate] = [process.argv[2]!, Number(process.argv[3])];
const connection = new NetlinkConnection({ protocol: NETLINK_NETFILTER, namespace });
const failures: string[] = [];
let committed = 0;
let longest = 0;

async function commit(operation: Operation): Promise<void> {
  const started = performance.now();
  const { messages } = encodeBatch([operation], { table: 'stranger', tableFlags: 0 });
  const result = await connection.batch(messages);
  failures.push(...result.failures.map(({ error }) => error.message));
  committed++;
  longest = Math.max(longest, performance.now() - started);
}

await commit({ kind: 'add-table' });
let present = false;
let asked = 0;
const started = performance.now();
process.stdout.write('running\n');
const timer = setInterval(() => {
  const due = ((performance.now() - started) / 1000) * rate;
  for (; asked < due; asked++) {
    present = !present;
    void commit(
      present ? { kind: 'add-chain', chain: { name: 'busy' } } : { kind: 'delete-chain', chain: 'busy' },
    );
  }
}, 1);

for await (const _ of process.stdin);
clearInterval(timer);
const seconds = (performance.now() - started) / 1000;
connection.close();
process.stdout.write(`${JSON.stringify({ committed, seconds, longest, failures: failures.slice(0, 5) })}\n`);
