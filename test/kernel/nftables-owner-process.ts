/** An agent that will be killed: owns the table of the namespace given, prints its rules' handles, and waits. */
import { openNftables } from '../../src/nftables/linux.ts';

const events = { foreignChange: () => undefined, closed: () => undefined };
const kernel = openNftables({ table: 'margay', namespace: process.argv[2]!, events });
await kernel.claim();
const handles = await kernel.transaction([
  { kind: 'add-chain', chain: { name: 'a' } },
  { kind: 'add-rule', chain: 'a', rule: { comment: 'x', expr: [{ counter: null }, { drop: null }] } },
  { kind: 'add-rule', chain: 'a', rule: { comment: 'y', expr: [{ accept: null }] } },
]);
process.stdout.write(`${JSON.stringify(handles)}\n`);
setInterval(() => undefined, 60_000);
