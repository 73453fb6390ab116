/** Tables, chains and rules as nf_tables messages, both ways (linux/netfilter/nf_tables.h). */
import type { ByteWriter } from '../../net/bytes.ts';
import {
  NLA_F_NESTED,
  readAttributes,
  readString,
  readU32,
  readU64,
  writeBytes,
  writeNested,
  writeString,
  writeU32,
  writeU64,
} from '../../netlink/attribute.ts';
import type { BaseChain, Chain, Hook } from '../ruleset.ts';
import { NFPROTO_INET } from './constants.ts';
import { type Instruction, decodeInstructions } from './instruction.ts';
import { decodeChainComment, decodeRuleComment, encodeChainComment, encodeRuleComment } from './userdata.ts';

/** `struct nfgenmsg`, which every payload starts with. */
const NFGENMSG_LENGTH = 4;

/** Writes `struct nfgenmsg` for the inet family, or another. */
export function writeHeader(writer: ByteWriter, family = NFPROTO_INET, resource = 0): void {
  writer.u8(family);
  writer.u8(0);
  writer.u16(resource);
}

/** The attributes of a payload behind its nfgenmsg. */
export function readBody(payload: Uint8Array): Map<number, Uint8Array> {
  return readAttributes(payload, NFGENMSG_LENGTH);
}

export function text(attributes: ReadonlyMap<number, Uint8Array>, type: number): string {
  const value = attributes.get(type);
  return value === undefined ? '' : readString(value);
}

/** A handle; they count up from 1 in each table and never reach 2^53. */
export function readHandle(attributes: ReadonlyMap<number, Uint8Array>, type: number): number {
  const value = attributes.get(type);
  return value === undefined ? 0 : Number(readU64(value));
}

/** `enum nft_table_flags`; persist is in kernels from 6.9. */
export const TABLE_OWNER = 0x2;
export const TABLE_PERSIST = 0x4;

const TABLE = { NAME: 1, FLAGS: 2, HANDLE: 4, OWNER: 7 } as const;

export function writeTable(writer: ByteWriter, name: string, flags: number): void {
  writeHeader(writer);
  writeString(writer, TABLE.NAME, name);
  writeU32(writer, TABLE.FLAGS, flags);
}

export function writeTableName(writer: ByteWriter, name: string): void {
  writeHeader(writer);
  writeString(writer, TABLE.NAME, name);
}

interface TableRecord {
  readonly family: number;
  readonly name: string;
  readonly flags: number;
  readonly handle: number;
  /** Netlink port of the owner; absent if nobody owns it now. */
  readonly owner: number | undefined;
}

export function readTable(payload: Uint8Array): TableRecord {
  const attributes = readBody(payload);
  const flags = attributes.get(TABLE.FLAGS);
  const owner = attributes.get(TABLE.OWNER);
  return {
    family: payload[0]!,
    name: text(attributes, TABLE.NAME),
    flags: flags === undefined ? 0 : readU32(flags),
    handle: readHandle(attributes, TABLE.HANDLE),
    owner: owner === undefined ? undefined : readU32(owner),
  };
}

const CHAIN = { TABLE: 1, HANDLE: 2, NAME: 3, HOOK: 4, POLICY: 5, TYPE: 7, USERDATA: 12 } as const;
const HOOK = { NUMBER: 1, PRIORITY: 2 } as const;
/** `enum nf_inet_hooks`. */
const HOOKS: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
/** NF_DROP and NF_ACCEPT. */
const POLICIES: readonly BaseChain['policy'][] = ['drop', 'accept'];

export function writeChain(writer: ByteWriter, table: string, chain: Chain): void {
  writeHeader(writer);
  writeString(writer, CHAIN.TABLE, table);
  writeString(writer, CHAIN.NAME, chain.name);
  const { base } = chain;
  if (base !== undefined) {
    writeString(writer, CHAIN.TYPE, base.type);
    writeU32(writer, CHAIN.POLICY, POLICIES.indexOf(base.policy));
    writeNested(writer, CHAIN.HOOK, (hook) => {
      writeU32(hook, HOOK.NUMBER, HOOKS.indexOf(base.hook));
      writeU32(hook, HOOK.PRIORITY, base.prio >>> 0);
    });
  }
  if (chain.comment !== undefined) writeBytes(writer, CHAIN.USERDATA, encodeChainComment(chain.comment));
}

export function writeChainName(writer: ByteWriter, table: string, name: string): void {
  writeHeader(writer);
  writeString(writer, CHAIN.TABLE, table);
  writeString(writer, CHAIN.NAME, name);
}

interface ChainRecord {
  readonly family: number;
  readonly table: string;
  readonly handle: number;
  readonly chain: Chain;
}

export function readChain(payload: Uint8Array): ChainRecord {
  const attributes = readBody(payload);
  const comment = decodeChainComment(attributes.get(CHAIN.USERDATA));
  const base = readBaseChain(attributes);
  return {
    family: payload[0]!,
    table: text(attributes, CHAIN.TABLE),
    handle: readHandle(attributes, CHAIN.HANDLE),
    chain: {
      name: text(attributes, CHAIN.NAME),
      ...(comment === undefined ? {} : { comment }),
      ...(base === undefined ? {} : { base }),
    },
  };
}

function readBaseChain(attributes: ReadonlyMap<number, Uint8Array>): BaseChain | undefined {
  const nested = attributes.get(CHAIN.HOOK);
  if (nested === undefined) return undefined;
  const hook = readAttributes(nested);
  const number = (from: ReadonlyMap<number, Uint8Array>, type: number): number => {
    const value = from.get(type);
    return value === undefined ? 0 : readU32(value);
  };
  return {
    // A type or hook of a stranger's making stays as it is: it differs from every chain of ours.
    type: text(attributes, CHAIN.TYPE) as BaseChain['type'],
    hook: HOOKS[number(hook, HOOK.NUMBER)] ?? ('unknown' as Hook),
    prio: number(hook, HOOK.PRIORITY) | 0,
    policy: POLICIES[number(attributes, CHAIN.POLICY)] ?? 'drop',
  };
}

const RULE = { TABLE: 1, CHAIN: 2, HANDLE: 3, EXPRESSIONS: 4, POSITION: 6, USERDATA: 7 } as const;

interface RuleMessage {
  readonly table: string;
  readonly chain: string;
  /** Content of NFTA_RULE_EXPRESSIONS. */
  readonly instructions: Uint8Array;
  readonly comment: string | undefined;
  /** The rule to replace. */
  readonly handle?: number;
  /** The rule to insert before. */
  readonly position?: number;
}

export function writeRule(writer: ByteWriter, rule: RuleMessage): void {
  writeHeader(writer);
  writeString(writer, RULE.TABLE, rule.table);
  writeString(writer, RULE.CHAIN, rule.chain);
  if (rule.handle !== undefined) writeU64(writer, RULE.HANDLE, BigInt(rule.handle));
  if (rule.position !== undefined) writeU64(writer, RULE.POSITION, BigInt(rule.position));
  writeBytes(writer, RULE.EXPRESSIONS | NLA_F_NESTED, rule.instructions);
  if (rule.comment !== undefined) writeBytes(writer, RULE.USERDATA, encodeRuleComment(rule.comment));
}

/** Names a rule, all rules of a chain, or all of a table. */
export function writeRuleReference(writer: ByteWriter, table: string, chain?: string, handle?: number): void {
  writeHeader(writer);
  writeString(writer, RULE.TABLE, table);
  if (chain !== undefined) writeString(writer, RULE.CHAIN, chain);
  if (handle !== undefined) writeU64(writer, RULE.HANDLE, BigInt(handle));
}

interface RuleRecord {
  readonly family: number;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly comment: string | undefined;
  readonly instructions: readonly Instruction[];
}

export function readRule(payload: Uint8Array): RuleRecord {
  const attributes = readBody(payload);
  return {
    family: payload[0]!,
    table: text(attributes, RULE.TABLE),
    chain: text(attributes, RULE.CHAIN),
    handle: readHandle(attributes, RULE.HANDLE),
    comment: decodeRuleComment(attributes.get(RULE.USERDATA)),
    instructions: decodeInstructions(attributes.get(RULE.EXPRESSIONS) ?? new Uint8Array()),
  };
}

/** The handle alone of an NFT_MSG_NEWRULE. */
export function readRuleHandle(payload: Uint8Array): number {
  return readHandle(readBody(payload), RULE.HANDLE);
}

const GENERATION = { ID: 1 } as const;

/** The generation id of an NFT_MSG_NEWGEN. */
export function readGeneration(payload: Uint8Array): number {
  const id = readBody(payload).get(GENERATION.ID);
  return id === undefined ? 0 : readU32(id);
}
