/** Namespaces for benches, and a node's policy table fed by a calculation, as the agent feeds it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import { PolicyTable } from '../../src/dataplane/policy-table.ts';
import { renderOptions } from '../../src/dataplane/render-options.ts';
import type { Resource } from '../../src/model/resource.ts';
import type { NftablesKernel, Operation } from '../../src/nftables/kernel.ts';
import { openNftables } from '../../src/nftables/linux.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';
import { NODE, told, type WorldSize, worldResources } from './policy-world.ts';

const made: string[] = [];

process.on('exit', () => {
  for (const name of made.splice(0)) deleteNamespace(name);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** A namespace that goes with the process. */
export function benchNamespace(): string {
  const name = `margay-bench-${process.pid}-${made.length}`;
  createNamespace(name);
  made.push(name);
  return name;
}

/** Runs `ip` once for each line. */
export async function ip(namespace: string, lines: string): Promise<void> {
  await runChecked('ip', ['-batch', '-'], { namespace, input: `${lines.replaceAll(/^\s+/gm, '')}\n` });
}

/** Runs `nft` on a file. Milliseconds it took. */
export async function nftFile(namespace: string, args: readonly string[], content: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'margay-bench-'));
  try {
    const file = join(folder, 'ruleset');
    writeFileSync(file, content);
    const before = performance.now();
    await runChecked('nft', [...args, '-f', file], { namespace });
    return performance.now() - before;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Our table as text, as nft writes and reads it; owned by nobody, or it would go with the nft that loads it. */
export async function tableText(namespace: string): Promise<string> {
  const text = await runChecked('nft', ['list', 'table', 'inet', 'margay'], { namespace });
  return text.replace(/^\tflags .*\n/m, '');
}

/** A node's calculation and the policy table that it feeds. */
export class BenchNode {
  readonly graph = new CalcGraph({ nodeName: NODE });
  private table: PolicyTable | undefined;
  /** The operations of the last transaction. */
  operations: readonly Operation[] = [];

  constructor(readonly namespace: string) {}

  put(resource: Resource): void {
    this.graph.update(...told(resource));
  }

  remove(resource: Resource): void {
    this.graph.update(told(resource)[0], undefined);
  }

  /** Takes a world in; nothing is written. */
  tell(size: WorldSize): void {
    for (const resource of worldResources(size)) this.put(resource);
  }

  /** From changed resources to the kernel's acknowledgement. */
  async apply(): Promise<void> {
    await this.commit(this.calculate());
  }

  calculate(): CalcDelta {
    return this.graph.flush();
  }

  async commit(delta: CalcDelta): Promise<void> {
    this.table ??= this.openTable(delta);
    this.table.update(delta);
    this.operations = [];
    await this.table.apply();
  }

  /** The desired table as a value. */
  ruleset(): ReturnType<PolicyTable['ruleset']> {
    return this.table!.ruleset('margay');
  }

  close(): void {
    this.table?.close();
  }

  private openTable({ felix }: CalcDelta): PolicyTable {
    if (felix === undefined) throw new Error('the first delta has no parameters');
    return new PolicyTable({
      open: (events) => this.recording(openNftables({ table: 'margay', namespace: this.namespace, events })),
      render: renderOptions(felix),
      clock: systemClock,
      log: silentLogger(),
      disturbed: () => undefined,
    });
  }

  private recording(kernel: NftablesKernel): NftablesKernel {
    const transaction = kernel.transaction.bind(kernel);
    kernel.transaction = (operations, ...rest) => {
      this.operations = [...this.operations, ...operations];
      return transaction(operations, ...rest);
    };
    return kernel;
  }
}

/** Three namespaces in a row, routed: a client, a node, and a pod behind an interface of the node. */
export interface Row {
  readonly client: string;
  readonly node: string;
  readonly pod: string;
}

const HOST_MAC = 'ee:ee:ee:ee:ee:ee';

/** Makes a {@link Row}; the client answers for all of the clients' addresses. */
export async function makeRow(podInterface: string, podAddress: string, clients: string): Promise<Row> {
  const row: Row = { client: benchNamespace(), node: benchNamespace(), pod: benchNamespace() };
  await runChecked('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0'], {
    namespace: row.node,
  });
  await ip(
    row.node,
    `link set lo up
    link add eth0 type veth peer name eth0 netns ${row.client}
    link add ${podInterface} address ${HOST_MAC} type veth peer name eth0 netns ${row.pod}
    link set eth0 up
    link set ${podInterface} up
    addr add 192.0.2.1/30 dev eth0
    route add ${clients} dev eth0 via 192.0.2.2 onlink
    route add ${podAddress}/32 dev ${podInterface}`,
  );
  await ip(
    row.client,
    `link set lo up
    link set eth0 up
    addr add 192.0.2.2/30 dev eth0
    route add local ${clients} dev lo
    route add default via 192.0.2.1`,
  );
  await ip(
    row.pod,
    `link set lo up
    link set eth0 up
    addr add ${podAddress}/32 dev eth0
    route add 169.254.1.1 dev eth0
    neigh add 169.254.1.1 lladdr ${HOST_MAC} dev eth0
    route add default via 169.254.1.1 dev eth0`,
  );
  return row;
}
