/**
 * Our nf_tables table in one network namespace, as the rooms above see it. Two implementations pass one suite of
 * tests: linux.ts (netlink) and memory.ts (for tests without privilege).
 *
 * What an implementation remembers is which generation of the ruleset the caller has seen: {@link dumpTable} sets it,
 * each transaction and each foreign commit that leaves our table alone moves it on, and a foreign change of our table
 * makes it stale until the next dump.
 */
import { KernelError, MargayError } from '../base/errors.ts';
import type { Instruction } from './codec/instruction.ts';
import type { Chain, Element, NamedSet, Rule } from './ruleset.ts';

/**
 * One step of a transaction. Steps are worked off in order; a chain or set must exist before it is named, and must
 * not be in use when it is deleted. Deleting what is not there fails with ENOENT, adding a chain or set that is there
 * with EEXIST, adding an element that is there is fine, adding an overlapping interval fails with EEXIST.
 */
export type Operation =
  /** Makes the table (with ownership where the kernel has it) unless it is there. */
  | { readonly kind: 'add-table' }
  /** Deletes the table and everything in it. */
  | { readonly kind: 'delete-table' }
  | { readonly kind: 'add-chain'; readonly chain: Chain }
  /** The chain's own rules go with it. */
  | { readonly kind: 'delete-chain'; readonly chain: string }
  /** Deletes all rules of the chain. */
  | { readonly kind: 'flush-chain'; readonly chain: string }
  /** Before the rule with handle `before`, else at the end. */
  | { readonly kind: 'add-rule'; readonly chain: string; readonly rule: Rule; readonly before?: number }
  | { readonly kind: 'delete-rule'; readonly chain: string; readonly handle: number }
  | { readonly kind: 'add-set'; readonly set: NamedSet }
  | { readonly kind: 'delete-set'; readonly set: string }
  | { readonly kind: 'add-elements'; readonly set: NamedSet; readonly elements: readonly Element[] }
  | { readonly kind: 'delete-elements'; readonly set: NamedSet; readonly elements: readonly Element[] };

export interface RuleDump {
  readonly handle: number;
  /** Equal for rules that do the same and carry the same comment; counters do not count. */
  readonly fingerprint: string;
  readonly comment: string | undefined;
  readonly instructions: readonly Instruction[];
  /** Of its first counter, if it has one. */
  readonly counted: Counted | undefined;
}

export interface Counted {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface ChainDump {
  readonly chain: Chain;
  readonly rules: readonly RuleDump[];
}

export interface SetDump {
  readonly name: string;
  /** Undefined for a set that we could not have made. */
  readonly set: NamedSet | undefined;
  readonly elements: readonly ElementDump[];
}

export interface ElementDump {
  readonly element: Element;
  readonly counted: Counted | undefined;
}

export interface TableDump {
  readonly chains: readonly ChainDump[];
  readonly sets: readonly SetDump[];
}

/**
 * - `owned`: the kernel keeps everybody else from changing the table, and keeps it when we die.
 * - `shared`: others can change it; their changes are reported.
 */
export type Ownership = 'owned' | 'shared';

export interface NftablesEvents {
  /** Someone else changed our table, or it can no longer be told: dump it and repair. */
  readonly foreignChange: (change: ForeignChange) => void;
  /** The connection is gone. Ownership is lost with it (the table stays): open again. */
  readonly closed: (reason: KernelError | undefined) => void;
}

export interface ForeignChange {
  /** `overrun` when notifications were lost: anything may have changed. */
  readonly kind: 'changed' | 'table-deleted' | 'overrun';
  /** What the message was about, for logs: `chain fw-cali1`. */
  readonly object: string;
  /** Process id of who did it, if the kernel said. */
  readonly processId?: number;
  readonly processName?: string;
}

export interface NftablesKernel {
  /** Known after {@link claim}. */
  readonly ownership: Ownership;
  /** Transactions that met a stranger's commit and were sent again. */
  readonly retries: number;

  /**
   * Makes or adopts the table. Throws a KernelError EPERM (with its fix) while another process owns it.
   */
  claim(): Promise<Ownership>;

  /** The whole table, or undefined if it does not exist. */
  dumpTable(): Promise<TableDump | undefined>;

  /**
   * All operations or none. Resolves with the handles of the rules added, in order. Rejects with a
   * {@link RejectedError} that names the operation when the kernel refuses one, and with a {@link StaleError} when
   * someone else changed our table since the last dump.
   */
  transaction(operations: readonly Operation[]): Promise<number[]>;

  /** Closes sockets; the table stays in the kernel. */
  close(): void;
}

/** The kernel refused an operation; nothing of the transaction happened. */
export class RejectedError extends KernelError {
  constructor(
    /** What was refused; undefined if it was the batch as a whole. */
    readonly rejected: Operation | undefined,
    /** Its position in the transaction, or -1. */
    readonly index: number,
    cause: KernelError,
  ) {
    super(cause.operation, cause.errno, cause.detail, { cause });
  }
}

/** Our table is no longer what the caller planned against. */
export class StaleError extends MargayError {
  constructor(message: string) {
    super('nftables.stale', message, { fix: 'read the table again and compute the difference again' });
  }
}

/** An operation in words, for errors and logs. */
export function describeOperation(operation: Operation): string {
  switch (operation.kind) {
    case 'add-table':
    case 'delete-table':
      return operation.kind.replace('-', ' ');
    case 'add-chain':
      return `add chain ${operation.chain.name}`;
    case 'delete-chain':
    case 'flush-chain':
      return `${operation.kind.replace('-', ' ')} ${operation.chain}`;
    case 'add-rule':
      return `add rule to ${operation.chain} (${operation.rule.comment ?? 'no comment'})`;
    case 'delete-rule':
      return `delete rule ${operation.handle} of ${operation.chain}`;
    case 'add-set':
      return `add set ${operation.set.name}`;
    case 'delete-set':
      return `delete set ${operation.set}`;
    case 'add-elements':
      return `add ${operation.elements.length} elements to ${operation.set.name}`;
    case 'delete-elements':
      return `delete ${operation.elements.length} elements of ${operation.set.name}`;
    default:
      return operation satisfies never;
  }
}
