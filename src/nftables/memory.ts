/**
 * {@link NftablesKernel} in memory, for tests without privilege: the same answers as the kernel's for what we send,
 * and a way to be somebody else.
 */
import { KernelError } from '../base/errors.ts';
import type { Instruction } from './codec/instruction.ts';
import { compileRule } from './codec/rule.ts';
import { parseElement } from './datatype.ts';
import {
  type NftablesEvents,
  type NftablesKernel,
  type Operation,
  type Ownership,
  RejectedError,
  type RuleDump,
  StaleError,
  type TableDump,
  describeOperation,
} from './kernel.ts';
import type { Chain, Element, NamedSet, Rule } from './ruleset.ts';

interface MemoryRule {
  readonly handle: number;
  readonly rule: Rule;
}

interface MemoryTable {
  readonly chains: Map<string, { readonly chain: Chain; readonly rules: MemoryRule[] }>;
  readonly sets: Map<string, { readonly set: NamedSet; readonly elements: Map<string, Element> }>;
}

/** What a network namespace keeps of a table, whoever has it open. */
export class MemoryNamespace {
  table: MemoryTable | undefined;
  /** Who owns the table now. */
  owner: object | undefined;
  /** Whether the table was made with the owner and persist flags. */
  protectedTable = false;
  nextHandle = 1;
  readonly watchers = new Set<{ readonly self: object; changed(deleted: boolean, object: string): void }>();
  /** Asked about every operation; an errno refuses it. */
  refuse: (operation: Operation) => string | undefined = () => undefined;
  /** So many of the next transactions meet a stranger's commit to another table. */
  strangerCommits = 0;

  /** Does something to the table as somebody else. Throws what the kernel would answer (EPERM if it is owned). */
  actAsStranger(operations: readonly Operation[]): number[] {
    return this.commit(operations, {}, false);
  }

  commit(operations: readonly Operation[], self: object, protect: boolean): number[] {
    let table = this.table === undefined ? undefined : copyTable(this.table);
    const handles: number[] = [];
    for (const [index, operation] of operations.entries()) {
      try {
        if (this.owner !== undefined && this.owner !== self) throw refusal(operation, 'EPERM');
        const errno = this.refuse(operation);
        if (errno !== undefined) throw refusal(operation, errno);
        if (operation.kind === 'add-table') table ??= { chains: new Map(), sets: new Map() };
        else if (table === undefined) throw refusal(operation, 'ENOENT');
        else if (operation.kind === 'delete-table') table = undefined;
        else if (operation.kind === 'add-rule') handles.push(addRule(table, operation, this.nextHandle++));
        else act(table, operation);
      } catch (error) {
        throw error instanceof KernelError ? new RejectedError(operation, index, error) : error;
      }
    }
    const deleted = table === undefined && this.table !== undefined;
    if (this.table === undefined && table !== undefined && protect) {
      this.protectedTable = true;
      this.owner = self;
    }
    if (table === undefined) this.owner = undefined;
    this.table = table;
    const last = operations.at(-1);
    for (const watcher of this.watchers) {
      if (watcher.self !== self && last !== undefined) watcher.changed(deleted, describeOperation(last));
    }
    return handles;
  }
}

export interface MemoryNftablesOptions {
  readonly namespace: MemoryNamespace;
  readonly ownership?: 'when-possible' | 'never';
  readonly events: NftablesEvents;
}

/** Opens a table in memory. */
export function openMemoryNftables(options: MemoryNftablesOptions): NftablesKernel {
  return new MemoryNftables(options);
}

class MemoryNftables implements NftablesKernel {
  ownership: Ownership = 'shared';
  retries = 0;
  private stale = false;
  private closed = false;
  private readonly self = {
    self: this as object,
    changed: (deleted: boolean, object: string): void => {
      this.stale = true;
      this.options.events.foreignChange({ kind: deleted ? 'table-deleted' : 'changed', object });
    },
  };

  constructor(private readonly options: MemoryNftablesOptions) {
    options.namespace.watchers.add(this.self);
  }

  async claim(): Promise<Ownership> {
    await this.checkOpen();
    const { namespace, ownership } = this.options;
    if (ownership === 'never') {
      if (namespace.table === undefined) namespace.commit([{ kind: 'add-table' }], this, false);
      return this.ownership;
    }
    if (namespace.owner !== undefined && namespace.owner !== this) {
      throw new KernelError('add table', 'EPERM', undefined, { fix: 'stop the other agent on this node' });
    }
    if (namespace.table === undefined) namespace.commit([{ kind: 'add-table' }], this, true);
    else if (namespace.protectedTable) namespace.owner = this;
    this.ownership = namespace.owner === this ? 'owned' : 'shared';
    return this.ownership;
  }

  async dumpTable(): Promise<TableDump | undefined> {
    await this.checkOpen();
    this.stale = false;
    const { table } = this.options.namespace;
    if (table === undefined) return undefined;
    return {
      chains: [...table.chains.values()].map(({ chain, rules }) => ({ chain, rules: rules.map(dumpRule) })),
      sets: [...table.sets.values()].map(({ set, elements }) => ({
        name: set.name,
        set,
        elements: [...elements.values()].map((element) => ({ element, counted: undefined })),
      })),
    };
  }

  async transaction(operations: readonly Operation[]): Promise<number[]> {
    await this.checkOpen();
    const { namespace } = this.options;
    if (operations.length === 0) return [];
    if (this.stale && this.ownership === 'shared') throw new StaleError('someone else changed the table');
    if (this.ownership === 'shared') {
      this.retries += namespace.strangerCommits;
      namespace.strangerCommits = 0;
    }
    return namespace.commit(operations, this, this.ownership === 'owned');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { namespace, events } = this.options;
    namespace.watchers.delete(this.self);
    if (namespace.owner === this) namespace.owner = undefined;
    process.nextTick(() => events.closed(undefined));
  }

  /** Every call answers in a later turn, as a kernel's does. */
  private async checkOpen(): Promise<void> {
    await Promise.resolve();
    if (this.closed) throw new KernelError('send netlink message', 'EBADF', 'the socket is closed');
  }
}

function refusal(operation: Operation, errno: string): KernelError {
  return new KernelError(describeOperation(operation), errno, undefined);
}

function copyTable(table: MemoryTable): MemoryTable {
  return {
    chains: new Map(
      [...table.chains].map(([name, { chain, rules }]) => [name, { chain, rules: [...rules] }]),
    ),
    sets: new Map(
      [...table.sets].map(([name, { set, elements }]) => [name, { set, elements: new Map(elements) }]),
    ),
  };
}

function dumpRule({ handle, rule }: MemoryRule): RuleDump {
  const { fingerprint, instructions } = compileRule(rule);
  const counts = instructions.some(({ name }) => name === 'counter');
  const counted = counts ? { packets: 0n, bytes: 0n } : undefined;
  return { handle, fingerprint, comment: rule.comment, instructions, counted };
}

function found<T>(thing: T | undefined, operation: Operation, errno = 'ENOENT'): T {
  if (thing === undefined) throw refusal(operation, errno);
  return thing;
}

function addRule(
  table: MemoryTable,
  operation: Extract<Operation, { kind: 'add-rule' }>,
  handle: number,
): number {
  const { rules } = found(table.chains.get(operation.chain), operation);
  for (const instruction of compileRule(operation.rule).instructions)
    checkInstruction(table, instruction, operation);
  const index =
    operation.before === undefined
      ? rules.length
      : rules.findIndex((rule) => rule.handle === operation.before);
  if (index < 0) throw refusal(operation, 'ENOENT');
  rules.splice(index, 0, { handle, rule: operation.rule });
  if (reaches(table, operation.chain, operation.chain)) throw refusal(operation, 'ELOOP');
  return handle;
}

function checkInstruction(table: MemoryTable, instruction: Instruction, operation: Operation): void {
  if (instruction.name === 'lookup') {
    const { set } = found(table.sets.get(instruction.set), operation);
    if (set.verdicts !== (instruction.dreg === 0)) throw refusal(operation, 'EINVAL');
  }
  if (instruction.name === 'verdict') checkTarget(table, instruction.verdict.chain, operation);
}

function checkTarget(table: MemoryTable, target: string | undefined, operation: Operation): void {
  if (target === undefined) return;
  const { chain } = found(table.chains.get(target), operation);
  if (chain.base !== undefined) throw refusal(operation, 'EOPNOTSUPP');
}

type OtherOperation = Exclude<Operation, { kind: 'add-table' | 'delete-table' | 'add-rule' }>;

function act(table: MemoryTable, operation: OtherOperation): void {
  const { chains, sets } = table;
  switch (operation.kind) {
    case 'add-chain':
      if (chains.has(operation.chain.name)) throw refusal(operation, 'EEXIST');
      chains.set(operation.chain.name, { chain: operation.chain, rules: [] });
      return;
    case 'delete-chain':
      found(chains.get(operation.chain), operation).rules.length = 0;
      if (targets(table).has(operation.chain)) throw refusal(operation, 'EBUSY');
      chains.delete(operation.chain);
      return;
    case 'flush-chain':
      found(chains.get(operation.chain), operation).rules.length = 0;
      return;
    case 'delete-rule': {
      const { rules } = found(chains.get(operation.chain), operation);
      const index = rules.findIndex(({ handle }) => handle === operation.handle);
      if (index < 0) throw refusal(operation, 'ENOENT');
      rules.splice(index, 1);
      return;
    }
    case 'add-set':
      if (sets.has(operation.set.name)) throw refusal(operation, 'EEXIST');
      sets.set(operation.set.name, { set: operation.set, elements: new Map() });
      return;
    case 'delete-set':
      found(sets.get(operation.set), operation);
      if (lookedUp(table).has(operation.set)) throw refusal(operation, 'EBUSY');
      sets.delete(operation.set);
      return;
    case 'add-elements': {
      const { set, elements } = found(sets.get(operation.set.name), operation);
      for (const element of operation.elements) addElement(table, set, elements, element, operation);
      return;
    }
    case 'delete-elements': {
      const { elements } = found(sets.get(operation.set.name), operation);
      for (const { key } of operation.elements) {
        if (!elements.delete(key)) throw refusal(operation, 'ENOENT');
      }
      return;
    }
    default:
      operation satisfies never;
  }
}

function addElement(
  table: MemoryTable,
  set: NamedSet,
  elements: Map<string, Element>,
  element: Element,
  operation: Operation,
): void {
  if (set.verdicts) checkTarget(table, targetOf(found(element.verdict, operation, 'EINVAL')), operation);
  const known = elements.get(element.key);
  if (known !== undefined) {
    if (JSON.stringify(known.verdict) !== JSON.stringify(element.verdict)) throw refusal(operation, 'EEXIST');
    return;
  }
  if (set.interval && [...elements.keys()].some((key) => overlap(set, key, element.key))) {
    throw refusal(operation, 'EEXIST');
  }
  elements.set(element.key, element);
}

/** Boxes overlap if they do in every field; for one field that is ranges. */
function overlap(set: NamedSet, one: string, other: string): boolean {
  const fields =
    set.type.length === 1 ? [[one, other]] : one.split(',').map((field, i) => [field, other.split(',')[i]!]);
  return fields.every(([a, b], index) => {
    const type = [set.type[index]!];
    const first = parseElement(type, a!);
    const second = parseElement(type, b!);
    return Buffer.compare(first.first, second.last) <= 0 && Buffer.compare(second.first, first.last) <= 0;
  });
}

function targetOf(verdict: NonNullable<Element['verdict']>): string | undefined {
  return 'jump' in verdict ? verdict.jump.target : 'goto' in verdict ? verdict.goto.target : undefined;
}

function instructionsOf(chain: { readonly rules: readonly MemoryRule[] }): Instruction[] {
  return chain.rules.flatMap(({ rule }) => [...compileRule(rule).instructions]);
}

/** Chains that a chain jumps to, by rules and by the maps they look up. */
function successors(table: MemoryTable, chain: string): string[] {
  return instructionsOf(table.chains.get(chain) ?? { rules: [] }).flatMap((instruction) => {
    if (instruction.name === 'verdict') return instruction.verdict.chain ?? [];
    return instruction.name === 'lookup' ? mapTargets(table, instruction.set) : [];
  });
}

function mapTargets(table: MemoryTable, set: string): string[] {
  return [...(table.sets.get(set)?.elements.values() ?? [])].flatMap(
    ({ verdict }) => (verdict === undefined ? undefined : targetOf(verdict)) ?? [],
  );
}

function reaches(table: MemoryTable, from: string, to: string): boolean {
  const seen = new Set<string>();
  const queue = successors(table, from);
  for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
    if (chain === to) return true;
    if (seen.has(chain)) continue;
    seen.add(chain);
    queue.push(...successors(table, chain));
  }
  return false;
}

/** Every chain that a rule or an element jumps to. */
function targets(table: MemoryTable): Set<string> {
  const names = [...table.chains.values()]
    .flatMap(instructionsOf)
    .flatMap((instruction) => (instruction.name === 'verdict' ? (instruction.verdict.chain ?? []) : []));
  return new Set([...names, ...[...table.sets.keys()].flatMap((set) => mapTargets(table, set))]);
}

function lookedUp(table: MemoryTable): Set<string> {
  return new Set(
    [...table.chains.values()]
      .flatMap(instructionsOf)
      .flatMap((instruction) => (instruction.name === 'lookup' ? instruction.set : [])),
  );
}
