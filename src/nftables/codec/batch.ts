/** Operations to the messages of one nf_tables transaction (linux/netfilter/nfnetlink.h, NFNL_MSG_BATCH_*). */
import { type ByteWriter } from '../../net/bytes.ts';
import { writeU32 } from '../../netlink/attribute.ts';
import type { OutgoingMessage } from '../../netlink/connection.ts';
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL } from '../../netlink/message.ts';
import { type Operation, describeOperation } from '../kernel.ts';
import {
  NFNL_BATCH_GENID,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG,
  messageType,
} from './constants.ts';
import {
  writeChain,
  writeChainName,
  writeHeader,
  writeRule,
  writeRuleReference,
  writeTable,
  writeTableName,
} from './objects.ts';
import { compileRule } from './rule.ts';
import { encodeElements, writeElementList, writeSet, writeSetName } from './sets.ts';

const AF_UNSPEC = 0;

interface BatchOptions {
  readonly table: string;
  /** Flags for tables that are made. */
  readonly tableFlags: number;
  /** The kernel refuses the batch (ERESTART) if the ruleset is of another generation. */
  readonly generation?: number;
}

export interface EncodedBatch {
  readonly messages: OutgoingMessage[];
  /** For each message, the operation it belongs to; -1 for the frame. */
  readonly operations: number[];
  /**
   * How many rules are added without anything else between them that gets a handle. The kernel counts handles up, so
   * the first and the last rule of each run are echoed and tell all others.
   */
  readonly ruleRuns: number[];
}

/** What gets a handle of its own, from the same count as rules (nf_tables_api.c, nf_tables_alloc_handle). */
const WITH_HANDLE: ReadonlySet<Operation['kind']> = new Set([
  'add-table',
  'add-chain',
  'add-set',
  'add-rule',
]);

/** The messages of a transaction, with begin and end. */
export function encodeBatch(operations: readonly Operation[], options: BatchOptions): EncodedBatch {
  const messages: OutgoingMessage[] = [begin(options.generation)];
  const owners = [-1];
  const runs = ruleRuns(operations);
  const echoed = new Set(runs.flatMap((run) => [run[0]!, run.at(-1)!]));
  const newSets = new Map(
    operations.flatMap((operation, index): [string, number][] =>
      operation.kind === 'add-set' ? [[operation.set.name, setId(index)]] : [],
    ),
  );
  for (const [index, operation] of operations.entries()) {
    for (const message of encodeOperation(operation, index, {
      ...options,
      newSets,
      isEchoed: echoed.has(index),
    })) {
      messages.push(message);
      owners.push(index);
    }
  }
  messages.push({
    type: NFNL_MSG_BATCH_END,
    body: (writer) => writeHeader(writer, AF_UNSPEC, NFNL_SUBSYS_NFTABLES),
    operation: () => 'end nf_tables batch',
  });
  owners.push(-1);
  return { messages, operations: owners, ruleRuns: runs.map(({ length }) => length) };
}

/** What a set is called in the transaction that makes it, by the position of its making. */
function setId(index: number): number {
  return index + 1;
}

/** Positions of added rules, those together that get consecutive handles. */
function ruleRuns(operations: readonly Operation[]): number[][] {
  const runs: number[][] = [];
  let run: number[] | undefined;
  for (const [index, { kind }] of operations.entries()) {
    if (kind === 'add-rule') {
      if (run === undefined) runs.push((run = []));
      run.push(index);
    } else if (WITH_HANDLE.has(kind)) {
      run = undefined;
    }
  }
  return runs;
}

function begin(generation: number | undefined): OutgoingMessage {
  return {
    type: NFNL_MSG_BATCH_BEGIN,
    body: (writer) => {
      writeHeader(writer, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
      if (generation !== undefined) writeU32(writer, NFNL_BATCH_GENID, generation);
    },
    operation: () => 'commit nf_tables batch',
  };
}

function encodeOperation(
  operation: Operation,
  index: number,
  options: BatchOptions & { readonly newSets: ReadonlyMap<string, number>; readonly isEchoed: boolean },
): OutgoingMessage[] {
  const { table, isEchoed, newSets } = options;
  const message = (type: number, flags: number, body: (writer: ByteWriter) => void): OutgoingMessage => ({
    type: messageType(type),
    flags,
    body,
    operation: () => describeOperation(operation),
  });
  const create = NLM_F_CREATE | NLM_F_EXCL;
  switch (operation.kind) {
    case 'add-table':
      return [message(NFT_MSG.NEWTABLE, NLM_F_CREATE, (out) => writeTable(out, table, options.tableFlags))];
    case 'delete-table':
      return [message(NFT_MSG.DELTABLE, 0, (out) => writeTableName(out, table))];
    case 'add-chain':
      return [message(NFT_MSG.NEWCHAIN, create, (out) => writeChain(out, table, operation.chain))];
    case 'delete-chain':
      return [message(NFT_MSG.DELCHAIN, 0, (out) => writeChainName(out, table, operation.chain))];
    case 'flush-chain':
      return [message(NFT_MSG.DELRULE, 0, (out) => writeRuleReference(out, table, operation.chain))];
    case 'add-rule': {
      const { chain, rule, before } = operation;
      const position = before === undefined ? {} : { position: before };
      const flags = NLM_F_CREATE | (isEchoed ? NLM_F_ECHO : 0) | (before === undefined ? NLM_F_APPEND : 0);
      const instructions = compileRule(rule).encoded;
      return [
        message(NFT_MSG.NEWRULE, flags, (out) =>
          writeRule(out, { table, chain, instructions, comment: rule.comment, ...position }),
        ),
      ];
    }
    case 'delete-rule':
      return [
        message(NFT_MSG.DELRULE, 0, (out) =>
          writeRuleReference(out, table, operation.chain, operation.handle),
        ),
      ];
    case 'add-set':
      return [message(NFT_MSG.NEWSET, create, (out) => writeSet(out, table, operation.set, setId(index)))];
    case 'delete-set':
      return [message(NFT_MSG.DELSET, 0, (out) => writeSetName(out, table, operation.set))];
    case 'add-elements':
      return encodeElements(operation.set, operation.elements, 'add').map((chunk) =>
        message(NFT_MSG.NEWSETELEM, NLM_F_CREATE, (out) =>
          writeElementList(out, table, newSets.get(operation.set.name) ?? operation.set.name, chunk),
        ),
      );
    case 'delete-elements':
      return encodeElements(operation.set, operation.elements, 'delete').map((chunk) =>
        message(NFT_MSG.DELSETELEM, 0, (out) => writeElementList(out, table, operation.set.name, chunk)),
      );
    default:
      return operation satisfies never;
  }
}
