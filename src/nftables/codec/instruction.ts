/**
 * nf_tables expressions, the instructions of the kernel's packet machine (linux/netfilter/nf_tables.h,
 * `enum nft_*_attributes`): one table entry each encodes and decodes. What we do not know is kept as bytes.
 *
 * Registers are numbered as the kernel reports them: 1 to 4 are 16 bytes each, 8 to 23 the same 64 bytes in steps of 4.
 */
import { ByteWriter } from '../../net/bytes.ts';
import {
  NLA_F_NESTED,
  eachAttribute,
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
import { NFTA_DATA_VALUE, NFTA_LIST_ELEM } from './constants.ts';
import { type KernelVerdict, readVerdictData, writeVerdictData } from './verdict.ts';

export type CompareOperator = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
const COMPARE_OPERATORS: readonly CompareOperator[] = ['eq', 'neq', 'lt', 'lte', 'gt', 'gte'];

export type Instruction =
  | { readonly name: 'meta'; readonly key: number; readonly dreg: number }
  | { readonly name: 'meta-set'; readonly key: number; readonly sreg: number }
  | { readonly name: 'ct'; readonly key: number; readonly dreg: number }
  | {
      readonly name: 'payload';
      readonly dreg: number;
      readonly base: number;
      readonly offset: number;
      readonly length: number;
    }
  | {
      /** Writes a register into the packet. */
      readonly name: 'payload-set';
      readonly sreg: number;
      readonly base: number;
      readonly offset: number;
      readonly length: number;
      /** `enum nft_payload_csum_types`, and where the checksum is. */
      readonly checksum: { readonly type: number; readonly offset: number };
    }
  | { readonly name: 'cmp'; readonly sreg: number; readonly op: CompareOperator; readonly data: Uint8Array }
  | {
      readonly name: 'range';
      readonly sreg: number;
      readonly inverted: boolean;
      readonly from: Uint8Array;
      readonly to: Uint8Array;
    }
  | {
      readonly name: 'bitwise';
      readonly sreg: number;
      readonly dreg: number;
      readonly mask: Uint8Array;
      readonly xor: Uint8Array;
    }
  | {
      readonly name: 'lookup';
      readonly set: string;
      readonly sreg: number;
      readonly inverted: boolean;
      /** Register for the found value; 0 is the verdict; absent in a plain set. */
      readonly dreg: number | undefined;
    }
  | { readonly name: 'immediate'; readonly dreg: number; readonly data: Uint8Array }
  | { readonly name: 'verdict'; readonly verdict: KernelVerdict }
  | { readonly name: 'counter'; readonly packets: bigint; readonly bytes: bigint }
  | { readonly name: 'log'; readonly prefix: string; readonly level: number }
  | {
      readonly name: 'limit';
      readonly rate: bigint;
      readonly unit: bigint;
      readonly burst: number;
      readonly type: number;
      readonly flags: number;
    }
  | { readonly name: 'connlimit'; readonly count: number; readonly flags: number }
  | { readonly name: 'reject'; readonly type: number; readonly code: number }
  | { readonly name: 'fib'; readonly dreg: number; readonly result: number; readonly flags: number }
  | { readonly name: 'notrack' }
  | { readonly name: 'masq'; readonly ports?: RegisterRange }
  | {
      /** Source translation to the address in one register. */
      readonly name: 'snat';
      readonly family: number;
      readonly address: number;
      readonly ports?: RegisterRange;
    }
  | { readonly name: 'raw'; readonly kernelName: string; readonly data: Uint8Array };

/** Registers that hold the first and the last port of a range. */
interface RegisterRange {
  readonly first: number;
  readonly last: number;
}

/** Flags of a translation (`NF_NAT_RANGE_*`, linux/netfilter/nf_nat.h). */
const NAT_RANGE_MAP_IPS = 1;
const NAT_RANGE_PROTO_SPECIFIED = 2;
/** NFT_NAT_SNAT. */
const NAT_SNAT = 0;

type InstructionOf<Name extends Instruction['name']> = Extract<Instruction, { name: Name }>;
type Attributes = ReadonlyMap<number, Uint8Array>;

interface Codec<I> {
  readonly kernelName: string;
  encode(writer: ByteWriter, instruction: I): void;
  /** Undefined when the attributes say something that our type cannot hold: the instruction stays raw. */
  decode(attributes: Attributes): I | undefined;
}

function writeData(writer: ByteWriter, type: number, value: Uint8Array): void {
  writeNested(writer, type, (out) => writeBytes(out, NFTA_DATA_VALUE, value));
}

function readData(attributes: Attributes, type: number): Uint8Array | undefined {
  const data = attributes.get(type);
  const value = data === undefined ? undefined : readAttributes(data).get(NFTA_DATA_VALUE);
  return value === undefined ? undefined : Uint8Array.from(value);
}

function number(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : readU32(value);
}

/** An attribute that every kernel sends for this expression. */
function required(attributes: Attributes, type: number): number {
  return number(attributes, type) ?? 0;
}

function registerRange(attributes: Attributes, type: number): RegisterRange | undefined {
  const first = number(attributes, type);
  const last = number(attributes, type + 1);
  return first === undefined || last === undefined ? undefined : { first, last };
}

function snatFlags(ports: RegisterRange | undefined): number {
  return NAT_RANGE_MAP_IPS | (ports === undefined ? 0 : NAT_RANGE_PROTO_SPECIFIED);
}

const CODECS: { readonly [Name in Exclude<Instruction['name'], 'raw'>]: Codec<InstructionOf<Name>> } = {
  meta: {
    kernelName: 'meta',
    encode(writer, { key, dreg }) {
      writeU32(writer, 2, key);
      writeU32(writer, 1, dreg);
    },
    decode(attributes) {
      const dreg = number(attributes, 1);
      return dreg === undefined ? undefined : { name: 'meta', key: required(attributes, 2), dreg };
    },
  },
  'meta-set': {
    kernelName: 'meta',
    encode(writer, { key, sreg }) {
      writeU32(writer, 2, key);
      writeU32(writer, 3, sreg);
    },
    decode(attributes) {
      const sreg = number(attributes, 3);
      return sreg === undefined ? undefined : { name: 'meta-set', key: required(attributes, 2), sreg };
    },
  },
  ct: {
    kernelName: 'ct',
    encode(writer, { key, dreg }) {
      writeU32(writer, 2, key);
      writeU32(writer, 1, dreg);
    },
    decode(attributes) {
      const dreg = number(attributes, 1);
      if (dreg === undefined || attributes.has(3)) return undefined;
      return { name: 'ct', key: required(attributes, 2), dreg };
    },
  },
  payload: {
    kernelName: 'payload',
    encode(writer, { dreg, base, offset, length }) {
      writeU32(writer, 1, dreg);
      writeU32(writer, 2, base);
      writeU32(writer, 3, offset);
      writeU32(writer, 4, length);
    },
    decode(attributes) {
      const dreg = number(attributes, 1);
      if (dreg === undefined) return undefined;
      return {
        name: 'payload',
        dreg,
        base: required(attributes, 2),
        offset: required(attributes, 3),
        length: required(attributes, 4),
      };
    },
  },
  'payload-set': {
    kernelName: 'payload',
    encode(writer, { sreg, base, offset, length, checksum }) {
      writeU32(writer, 5, sreg);
      writeU32(writer, 2, base);
      writeU32(writer, 3, offset);
      writeU32(writer, 4, length);
      writeU32(writer, 6, checksum.type);
      writeU32(writer, 7, checksum.offset);
    },
    decode(attributes) {
      const sreg = number(attributes, 5);
      // Attribute 8 are flags: none that we know.
      if (sreg === undefined || required(attributes, 8) !== 0) return undefined;
      return {
        name: 'payload-set',
        sreg,
        base: required(attributes, 2),
        offset: required(attributes, 3),
        length: required(attributes, 4),
        checksum: { type: required(attributes, 6), offset: required(attributes, 7) },
      };
    },
  },
  cmp: {
    kernelName: 'cmp',
    encode(writer, { sreg, op, data }) {
      writeU32(writer, 1, sreg);
      writeU32(writer, 2, COMPARE_OPERATORS.indexOf(op));
      writeData(writer, 3, data);
    },
    decode(attributes) {
      const data = readData(attributes, 3);
      const op = COMPARE_OPERATORS[required(attributes, 2)];
      return data === undefined || op === undefined
        ? undefined
        : { name: 'cmp', sreg: required(attributes, 1), op, data };
    },
  },
  range: {
    kernelName: 'range',
    encode(writer, { sreg, inverted, from, to }) {
      writeU32(writer, 1, sreg);
      writeU32(writer, 2, inverted ? 1 : 0);
      writeData(writer, 3, from);
      writeData(writer, 4, to);
    },
    decode(attributes) {
      const from = readData(attributes, 3);
      const to = readData(attributes, 4);
      if (from === undefined || to === undefined) return undefined;
      return {
        name: 'range',
        sreg: required(attributes, 1),
        inverted: required(attributes, 2) === 1,
        from,
        to,
      };
    },
  },
  bitwise: {
    kernelName: 'bitwise',
    encode(writer, { sreg, dreg, mask, xor }) {
      writeU32(writer, 1, sreg);
      writeU32(writer, 2, dreg);
      writeU32(writer, 3, mask.length);
      writeData(writer, 4, mask);
      writeData(writer, 5, xor);
    },
    decode(attributes) {
      const mask = readData(attributes, 4);
      const xor = readData(attributes, 5);
      // Attribute 6 is the operation; 0 is mask and xor, the only one of old kernels.
      if (mask === undefined || xor === undefined || required(attributes, 6) !== 0) return undefined;
      return {
        name: 'bitwise',
        sreg: required(attributes, 1),
        dreg: required(attributes, 2),
        mask,
        xor,
      };
    },
  },
  lookup: {
    kernelName: 'lookup',
    encode(writer, { set, sreg, inverted, dreg }) {
      writeString(writer, 1, set);
      writeU32(writer, 2, sreg);
      if (dreg !== undefined) writeU32(writer, 3, dreg);
      if (inverted) writeU32(writer, 5, 1);
    },
    decode(attributes) {
      const set = attributes.get(1);
      if (set === undefined) return undefined;
      return {
        name: 'lookup',
        set: readString(set),
        sreg: required(attributes, 2),
        inverted: required(attributes, 5) === 1,
        dreg: number(attributes, 3),
      };
    },
  },
  immediate: {
    kernelName: 'immediate',
    encode(writer, { dreg, data }) {
      writeU32(writer, 1, dreg);
      writeData(writer, 2, data);
    },
    decode(attributes) {
      const data = readData(attributes, 2);
      return data === undefined ? undefined : { name: 'immediate', dreg: required(attributes, 1), data };
    },
  },
  verdict: {
    kernelName: 'immediate',
    encode(writer, { verdict }) {
      writeU32(writer, 1, 0);
      writeVerdictData(writer, 2, verdict);
    },
    decode(attributes) {
      const data = attributes.get(2);
      const verdict = data === undefined ? undefined : readVerdictData(data);
      return verdict === undefined ? undefined : { name: 'verdict', verdict };
    },
  },
  counter: {
    kernelName: 'counter',
    encode(writer, { packets, bytes }) {
      writeU64(writer, 1, bytes);
      writeU64(writer, 2, packets);
    },
    decode(attributes) {
      const bytes = attributes.get(1);
      const packets = attributes.get(2);
      if (bytes === undefined || packets === undefined) return undefined;
      return { name: 'counter', packets: readU64(packets), bytes: readU64(bytes) };
    },
  },
  log: {
    kernelName: 'log',
    encode(writer, { prefix, level }) {
      writeString(writer, 2, prefix);
      writeU32(writer, 5, level);
    },
    decode(attributes) {
      const prefix = attributes.get(2);
      // Attributes 1, 3 and 4 make it an NFLOG; 6 are flags, zero unless asked for.
      if (prefix === undefined || attributes.has(1) || attributes.has(3) || attributes.has(4))
        return undefined;
      if (required(attributes, 6) !== 0) return undefined;
      return { name: 'log', prefix: readString(prefix), level: required(attributes, 5) };
    },
  },
  limit: {
    kernelName: 'limit',
    encode(writer, { rate, unit, burst, type, flags }) {
      writeU64(writer, 1, rate);
      writeU64(writer, 2, unit);
      writeU32(writer, 3, burst);
      writeU32(writer, 4, type);
      writeU32(writer, 5, flags);
    },
    decode(attributes) {
      const rate = attributes.get(1);
      const unit = attributes.get(2);
      if (rate === undefined || unit === undefined) return undefined;
      return {
        name: 'limit',
        rate: readU64(rate),
        unit: readU64(unit),
        burst: required(attributes, 3),
        type: required(attributes, 4),
        flags: required(attributes, 5),
      };
    },
  },
  connlimit: {
    kernelName: 'connlimit',
    encode(writer, { count, flags }) {
      writeU32(writer, 1, count);
      writeU32(writer, 2, flags);
    },
    decode(attributes) {
      return { name: 'connlimit', count: required(attributes, 1), flags: required(attributes, 2) };
    },
  },
  reject: {
    kernelName: 'reject',
    encode(writer, { type, code }) {
      writeU32(writer, 1, type);
      writeBytes(writer, 2, Uint8Array.of(code));
    },
    decode(attributes) {
      return { name: 'reject', type: required(attributes, 1), code: attributes.get(2)?.[0] ?? 0 };
    },
  },
  fib: {
    kernelName: 'fib',
    encode(writer, { dreg, result, flags }) {
      writeU32(writer, 3, flags);
      writeU32(writer, 2, result);
      writeU32(writer, 1, dreg);
    },
    decode(attributes) {
      return {
        name: 'fib',
        dreg: required(attributes, 1),
        result: required(attributes, 2),
        flags: required(attributes, 3),
      };
    },
  },
  notrack: {
    kernelName: 'notrack',
    encode: () => undefined,
    decode: () => ({ name: 'notrack' }),
  },
  masq: {
    kernelName: 'masq',
    encode(writer, { ports }) {
      if (ports === undefined) return;
      writeU32(writer, 1, NAT_RANGE_PROTO_SPECIFIED);
      writeU32(writer, 2, ports.first);
      writeU32(writer, 3, ports.last);
    },
    decode(attributes) {
      const ports = registerRange(attributes, 2);
      if (required(attributes, 1) !== (ports === undefined ? 0 : NAT_RANGE_PROTO_SPECIFIED)) return undefined;
      return { name: 'masq', ...(ports === undefined ? {} : { ports }) };
    },
  },
  snat: {
    kernelName: 'nat',
    encode(writer, { family, address, ports }) {
      writeU32(writer, 1, NAT_SNAT);
      writeU32(writer, 2, family);
      writeU32(writer, 3, address);
      writeU32(writer, 4, address);
      if (ports !== undefined) {
        writeU32(writer, 5, ports.first);
        writeU32(writer, 6, ports.last);
      }
      writeU32(writer, 7, snatFlags(ports));
    },
    decode(attributes) {
      const address = number(attributes, 3);
      const ports = registerRange(attributes, 5);
      if (required(attributes, 1) !== NAT_SNAT || address === undefined) return undefined;
      if (number(attributes, 4) !== address || required(attributes, 7) !== snatFlags(ports)) return undefined;
      return {
        name: 'snat',
        family: required(attributes, 2),
        address,
        ...(ports === undefined ? {} : { ports }),
      };
    },
  },
};

const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;

/** By kernel name, in the order in which they are tried. */
const DECODERS = new Map<string, ((attributes: Attributes) => Instruction | undefined)[]>();
for (const codec of Object.values(CODECS)) {
  const decode = (attributes: Attributes): Instruction | undefined => codec.decode(attributes);
  const known = DECODERS.get(codec.kernelName);
  if (known === undefined) DECODERS.set(codec.kernelName, [decode]);
  else known.push(decode);
}

/** Appends NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
export function writeInstruction(writer: ByteWriter, instruction: Instruction): void {
  if (instruction.name === 'raw') {
    writeString(writer, NFTA_EXPR_NAME, instruction.kernelName);
    writeBytes(writer, NFTA_EXPR_DATA | NLA_F_NESTED, instruction.data);
    return;
  }
  const codec = CODECS[instruction.name] as Codec<Instruction>;
  writeString(writer, NFTA_EXPR_NAME, codec.kernelName);
  writeNested(writer, NFTA_EXPR_DATA, (out) => codec.encode(out, instruction));
}

/** Reads what {@link writeInstruction} writes. */
export function readInstruction(bytes: Uint8Array): Instruction {
  const attributes = readAttributes(bytes);
  const kernelName = readString(attributes.get(NFTA_EXPR_NAME) ?? new Uint8Array());
  const data = attributes.get(NFTA_EXPR_DATA) ?? new Uint8Array();
  const decoders = DECODERS.get(kernelName);
  if (decoders !== undefined) {
    const inner = readAttributes(data);
    for (const decode of decoders) {
      const instruction = decode(inner);
      if (instruction !== undefined) return instruction;
    }
  }
  return { name: 'raw', kernelName, data: Uint8Array.from(data) };
}

/** The content of NFTA_RULE_EXPRESSIONS. */
export function encodeInstructions(instructions: readonly Instruction[]): Uint8Array {
  scratch.truncate(0);
  for (const instruction of instructions) {
    writeNested(scratch, NFTA_LIST_ELEM, (out) => writeInstruction(out, instruction));
  }
  return scratch.copy();
}

/** Rules are many and short: room that grows anew for each would cost more than the writing. */
const scratch = new ByteWriter(4_096);

/** The inverse of {@link encodeInstructions}. */
export function decodeInstructions(bytes: Uint8Array): Instruction[] {
  return [...eachAttribute(bytes)].map(([, value]) => readInstruction(value));
}
