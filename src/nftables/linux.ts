/** {@link NftablesKernel} over NETLINK_NETFILTER. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '../base/backoff.ts';
import { KernelError } from '../base/errors.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { type EncodedBatch, encodeBatch } from './codec/batch.ts';
import { NETLINK_NETFILTER, NFPROTO_INET, NFT_MSG, messageType } from './codec/constants.ts';
import type { Instruction } from './codec/instruction.ts';
import {
  TABLE_OWNER,
  TABLE_PERSIST,
  readChain,
  readGeneration,
  readRule,
  readRuleHandle,
  readTable,
  writeHeader,
  writeRuleReference,
  writeTableName,
} from './codec/objects.ts';
import { fingerprint } from './codec/rule.ts';
import { assembleElements, readElements, readSet, writeElementListName } from './codec/sets.ts';
import {
  type ChainDump,
  type Counted,
  type ElementDump,
  type NftablesEvents,
  type NftablesKernel,
  type Operation,
  type Ownership,
  RejectedError,
  type RuleDump,
  type SetDump,
  StaleError,
  type TableDump,
} from './kernel.ts';
import { TableWatch, isAtLeast } from './table-watch.ts';

export interface LinuxNftablesOptions {
  readonly table: string;
  /** Network namespace by name or path; ours when left out. */
  readonly namespace?: string;
  /** `never` leaves the table open to others even where the kernel could protect it. */
  readonly ownership?: 'when-possible' | 'never';
  readonly events: NftablesEvents;
  /** Bytes of notifications that may wait for us before some are lost and everything is read again. */
  readonly notificationBuffer?: number;
}

/** A transaction that keeps meeting strangers' commits is given up after this many tries. */
const MAXIMUM_ATTEMPTS = 100;
/** So many tries follow at once, before the first wait. */
const IMMEDIATE_ATTEMPTS = 5;
/** A dump that keeps meeting changes of our own table is given up after this many tries. */
const DUMP_ATTEMPTS = 10;
const NOTIFICATION_BUFFER = 32 << 20;
/** A whole cold start goes out in one piece. */
const SEND_BUFFER = 256 << 20;

/** Opens the kernel's side of our table. Throws a KernelError if the namespace or the right to it is missing. */
export function openNftables(options: LinuxNftablesOptions): NftablesKernel {
  return new LinuxNftables(options);
}

class LinuxNftables implements NftablesKernel {
  ownership: Ownership = 'shared';
  retries = 0;
  private readonly table: string;
  private readonly connection: NetlinkConnection;
  private watch: TableWatch | undefined;
  /** The generation that the caller's knowledge is of; undefined before the first dump. */
  private generation: number | undefined;
  /** The outcome of a transaction was lost. */
  private outcomeUnknown = false;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: LinuxNftablesOptions) {
    this.table = options.table;
    this.connection = new NetlinkConnection({
      protocol: NETLINK_NETFILTER,
      ...this.place(),
      sendBuffer: SEND_BUFFER,
      closed: (reason) => {
        this.watch?.close();
        options.events.closed(reason);
      },
    });
  }

  private place(): { readonly namespace?: string } {
    const { namespace } = this.options;
    return namespace === undefined ? {} : { namespace };
  }

  /**
   * Notifications are only asked for where others can change the table: with a listener the kernel describes every
   * element of every commit, which more than doubles the time of a cold start.
   */
  private watching(): TableWatch {
    this.watch ??= new TableWatch({
      table: this.table,
      ...this.place(),
      ownPort: this.connection.portId,
      receiveBuffer: this.options.notificationBuffer ?? NOTIFICATION_BUFFER,
      foreignChange: this.options.events.foreignChange,
      closed: (reason) => {
        this.watch = undefined;
        if (reason === undefined) return;
        this.connection.close();
        this.options.events.closed(reason);
      },
    });
    return this.watch;
  }

  claim(): Promise<Ownership> {
    return this.exclusively(async () => {
      this.ownership = (await this.takeTable()) ? 'owned' : 'shared';
      if (this.ownership === 'owned') this.watch?.close();
      else this.watching();
      return this.ownership;
    });
  }

  dumpTable(): Promise<TableDump | undefined> {
    return this.exclusively(async () => {
      if (this.ownership === 'owned') {
        const dump = await this.readTable();
        this.outcomeUnknown = false;
        return dump;
      }
      const watch = this.watching();
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        watch.forget();
        const dump = await this.readTable();
        const generation = await this.catchUp(watch);
        if (generation !== undefined && !watch.touched) {
          this.generation = generation;
          this.outcomeUnknown = false;
          return dump;
        }
      }
      throw new StaleError(`table ${this.table} kept changing while it was read`);
    });
  }

  transaction(operations: readonly Operation[]): Promise<number[]> {
    return operations.length === 0 ? Promise.resolve([]) : this.exclusively(() => this.commit(operations));
  }

  close(): void {
    this.watch?.close();
    this.connection.close();
  }

  /** One request after another: a transaction's generation is that of the one before. */
  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work, work);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private tableFlags(): number {
    return this.ownership === 'owned' ? TABLE_OWNER | TABLE_PERSIST : 0;
  }

  /** Makes or adopts the table; whether it is ours alone now. */
  private async takeTable(): Promise<boolean> {
    if (this.options.ownership !== 'never') {
      const refusal = await this.tryAddTable(TABLE_OWNER | TABLE_PERSIST);
      if (refusal === undefined) return true;
      if (refusal.errno === 'EPERM') {
        throw new KernelError(refusal.operation, 'EPERM', refusal.detail, {
          cause: refusal,
          fix: `another process owns table inet ${this.table}: stop the other agent on this node`,
        });
      }
      // EOPNOTSUPP: the kernel is older than 6.9, or the table was made without an owner.
      if (refusal.errno !== 'EOPNOTSUPP' && refusal.errno !== 'EINVAL') throw refusal;
    }
    if (await this.tableExists()) return false;
    const refusal = await this.tryAddTable(0);
    if (refusal !== undefined) throw refusal;
    return false;
  }

  private async tryAddTable(tableFlags: number): Promise<KernelError | undefined> {
    const batch = encodeBatch([{ kind: 'add-table' }], { table: this.table, tableFlags });
    const { failures } = await this.connection.batch(batch.messages);
    return failures[0]?.error;
  }

  private async tableExists(): Promise<boolean> {
    try {
      await this.connection.request({
        type: messageType(NFT_MSG.GETTABLE),
        body: (writer) => writeTableName(writer, this.table),
        operation: () => `get table ${this.table}`,
      });
      return true;
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'ENOENT') return false;
      throw error;
    }
  }

  private async commit(operations: readonly Operation[]): Promise<number[]> {
    const backoff = new Backoff({ initial: 1, maximum: 50 });
    for (let attempt = 1; ; attempt++) {
      const generation = this.expectedGeneration();
      const outcome = await this.send(operations, generation);
      if (outcome !== 'restart') {
        if (generation !== undefined) this.generation = nextGeneration(generation);
        return outcome;
      }
      this.retries++;
      if (attempt === MAXIMUM_ATTEMPTS) {
        throw new StaleError(`${attempt} transactions in a row met a change of another table`);
      }
      if (attempt > IMMEDIATE_ATTEMPTS) await sleep(backoff.delay());
      const current = await this.catchUp(this.watching());
      if (current !== undefined) this.generation = current;
    }
  }

  /**
   * The generation that the caller planned against, moved on over strangers' commits that were seen to leave our table
   * alone; undefined where it does not matter. Throws a StaleError if they did not.
   */
  private expectedGeneration(): number | undefined {
    if (this.outcomeUnknown) throw new StaleError('the outcome of the last transaction was lost');
    // Nobody else can change what we own.
    if (this.ownership === 'owned' || this.watch === undefined) return undefined;
    const { seen, touched } = this.watch;
    if (touched) throw new StaleError(`someone else changed table ${this.table}`);
    if (this.generation !== undefined && seen !== undefined && isAtLeast(seen, this.generation)) {
      this.generation = seen;
    }
    return this.generation;
  }

  private async send(
    operations: readonly Operation[],
    generation: number | undefined,
  ): Promise<number[] | 'restart'> {
    const batch = encodeBatch(operations, {
      table: this.table,
      tableFlags: this.tableFlags(),
      ...(generation === undefined ? {} : { generation }),
    });
    const { failures, replies } = await this.batch(batch);
    if (failures.length === 0) {
      const echoed = replies
        .filter(({ message }) => message.type === messageType(NFT_MSG.NEWRULE))
        .map(({ message }) => readRuleHandle(message.payload));
      return this.allHandles(echoed, batch.ruleRuns);
    }
    const { index, error } = failures[0]!;
    if (error.errno === 'ERESTART') return 'restart';
    const owner = batch.operations[index] ?? -1;
    throw new RejectedError(operations[owner], owner, error);
  }

  /** From the handles of the first and the last rule of each run, those of all. */
  private allHandles(echoed: readonly number[], runs: readonly number[]): number[] {
    let next = 0;
    return runs.flatMap((length) => {
      const first = echoed[next++];
      const last = length === 1 ? first : echoed[next++];
      if (first === undefined || last !== first + length - 1) {
        this.outcomeUnknown = true;
        throw new StaleError('the kernel did not count the handles of rules as expected');
      }
      return Array.from({ length }, (_, index) => first + index);
    });
  }

  private async batch(batch: EncodedBatch): ReturnType<NetlinkConnection['batch']> {
    try {
      return await this.connection.batch(batch.messages);
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== 'ENOBUFS') throw error;
      this.outcomeUnknown = true;
      throw new StaleError('the outcome of a transaction was lost');
    }
  }

  /** Waits until every notification up to now is seen. The current generation, or undefined if some were lost. */
  private async catchUp(watch: TableWatch): Promise<number | undefined> {
    const replies = await this.connection.request({
      type: messageType(NFT_MSG.GETGEN),
      body: (writer) => writeHeader(writer, 0),
      operation: () => 'get the generation of the ruleset',
    });
    const generation = replies[0] === undefined ? 0 : readGeneration(replies[0].payload);
    return (await watch.reached(generation)) ? generation : undefined;
  }

  private async readTable(): Promise<TableDump | undefined> {
    const tables = await this.dump(NFT_MSG.GETTABLE, (writer) => writeHeader(writer));
    if (!tables.some((message) => readTable(message.payload).name === this.table)) return undefined;
    const chains = await this.dump(NFT_MSG.GETCHAIN, (writer) => writeHeader(writer));
    const rules = await this.dump(NFT_MSG.GETRULE, (writer) => writeRuleReference(writer, this.table));
    const sets = await this.dump(NFT_MSG.GETSET, (writer) => writeTableName(writer, this.table));
    const rulesByChain = new Map<string, RuleDump[]>();
    for (const { payload } of rules) {
      const rule = readRule(payload);
      if (rule.table !== this.table || rule.family !== NFPROTO_INET) continue;
      const dump = dumpRule(rule);
      const others = rulesByChain.get(rule.chain);
      if (others === undefined) rulesByChain.set(rule.chain, [dump]);
      else others.push(dump);
    }
    return {
      chains: chains
        .map(({ payload }) => readChain(payload))
        .filter(({ table, family }) => table === this.table && family === NFPROTO_INET)
        .map(({ chain }): ChainDump => ({ chain, rules: rulesByChain.get(chain.name) ?? [] })),
      sets: await this.readSets(sets),
    };
  }

  private async readSets(messages: readonly NetlinkMessage[]): Promise<SetDump[]> {
    const dumps: SetDump[] = [];
    for (const { payload } of messages) {
      const { table, family, name, set } = readSet(payload);
      if (table !== this.table || family !== NFPROTO_INET) continue;
      let elements: readonly ElementDump[] = [];
      if (set !== undefined) {
        const lists = await this.dump(NFT_MSG.GETSETELEM, (writer) =>
          writeElementListName(writer, this.table, name),
        );
        elements = assembleElements(
          set,
          lists.flatMap((list) => readElements(list.payload)),
        );
      }
      dumps.push({ name, set, elements });
    }
    return dumps;
  }

  private dump(
    message: number,
    body: Parameters<NetlinkConnection['dump']>[0]['body'],
  ): Promise<NetlinkMessage[]> {
    return this.connection.dump({
      type: messageType(message),
      body,
      operation: () => `read table ${this.table}`,
    });
  }
}

/** Generations count up, past zero after the highest. */
function nextGeneration(generation: number): number {
  return generation === 0xffffffff ? 1 : generation + 1;
}

function dumpRule(rule: ReturnType<typeof readRule>): RuleDump {
  return {
    handle: rule.handle,
    fingerprint: fingerprint(rule.instructions, rule.comment),
    comment: rule.comment,
    instructions: rule.instructions,
    counted: firstCounter(rule.instructions),
  };
}

function firstCounter(instructions: readonly Instruction[]): Counted | undefined {
  for (const instruction of instructions) {
    if (instruction.name === 'counter') return { packets: instruction.packets, bytes: instruction.bytes };
  }
  return undefined;
}
