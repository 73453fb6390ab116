/**
 * Sets, maps and their elements as nf_tables messages.
 *
 * An interval set of one field holds boundaries: an element where a range starts and one, flagged as interval end,
 * just past its last key (none if that is the highest key). A set of several fields holds first and last key in one
 * element (KEY, KEY_END).
 */
import { ByteWriter } from '../../net/bytes.ts';
import {
  eachAttribute,
  readAttributes,
  readU32,
  writeBytes,
  writeNested,
  writeString,
  writeU32,
} from '../../netlink/attribute.ts';
import {
  DATA_TYPES,
  type DataTypeName,
  concatenatedTypeId,
  formatElement,
  keyLength,
  parseElement,
  typesOfId,
} from '../datatype.ts';
import type { Element, NamedSet } from '../ruleset.ts';
import { NFTA_DATA_VALUE, NFTA_LIST_ELEM, NFT_DATA_VERDICT } from './constants.ts';
import { type Instruction, readInstruction, writeInstruction } from './instruction.ts';
import { readBody, readHandle, text, writeHeader } from './objects.ts';
import {
  decodeElementComment,
  decodeSetComment,
  encodeElementUserdata,
  encodeSetUserdata,
} from './userdata.ts';
import { readVerdictData, verdictFromKernel, verdictToKernel, writeVerdictData } from './verdict.ts';

const SET = {
  TABLE: 1,
  NAME: 2,
  FLAGS: 3,
  KEY_TYPE: 4,
  KEY_LEN: 5,
  DATA_TYPE: 6,
  DATA_LEN: 7,
  DESC: 9,
  ID: 10,
  USERDATA: 13,
  HANDLE: 16,
  EXPRESSION: 17,
  EXPRESSIONS: 18,
} as const;
/** `enum nft_set_flags`. */
const FLAG = { INTERVAL: 0x4, MAP: 0x8, CONCAT: 0x80 } as const;
const OUR_FLAGS = FLAG.INTERVAL | FLAG.MAP | FLAG.CONCAT;
const NFTA_SET_DESC_CONCAT = 2;
const NFTA_SET_FIELD_LEN = 1;

/** Writes NFT_MSG_NEWSET; `id` is any number, unique in the batch. */
export function writeSet(writer: ByteWriter, table: string, set: NamedSet, id: number): void {
  const concatenated = set.type.length > 1;
  writeHeader(writer);
  writeString(writer, SET.TABLE, table);
  writeString(writer, SET.NAME, set.name);
  const flags =
    (set.interval ? FLAG.INTERVAL : 0) |
    (set.verdicts ? FLAG.MAP : 0) |
    (set.interval && concatenated ? FLAG.CONCAT : 0);
  writeU32(writer, SET.FLAGS, flags);
  writeU32(writer, SET.KEY_TYPE, concatenatedTypeId(set.type));
  writeU32(writer, SET.KEY_LEN, keyLength(set.type));
  if (set.verdicts) {
    writeU32(writer, SET.DATA_TYPE, NFT_DATA_VERDICT);
    writeU32(writer, SET.DATA_LEN, 0);
  }
  if (set.interval && concatenated) writeFieldLengths(writer, set.type);
  writeU32(writer, SET.ID, id);
  const userdata = encodeSetUserdata({
    keyOrder: concatenated ? 'none' : DATA_TYPES[set.type[0]!].order,
    ...(set.verdicts ? { dataOrder: 'none' as const } : {}),
    ...(set.comment === undefined ? {} : { comment: set.comment }),
  });
  writeBytes(writer, SET.USERDATA, userdata);
  if (set.counters === true) writeNested(writer, SET.EXPRESSION, (out) => writeInstruction(out, NO_COUNT));
}

const NO_COUNT: Instruction = { name: 'counter', packets: 0n, bytes: 0n };

function writeFieldLengths(writer: ByteWriter, types: readonly DataTypeName[]): void {
  writeNested(writer, SET.DESC, (description) =>
    writeNested(description, NFTA_SET_DESC_CONCAT, (fields) => {
      for (const type of types) {
        writeNested(fields, NFTA_LIST_ELEM, (field) =>
          // The kernel wants the length as compared, not as padded.
          writeU32(field, NFTA_SET_FIELD_LEN, DATA_TYPES[type].length),
        );
      }
    }),
  );
}

export function writeSetName(writer: ByteWriter, table: string, name: string): void {
  writeHeader(writer);
  writeString(writer, SET.TABLE, table);
  writeString(writer, SET.NAME, name);
}

interface SetRecord {
  readonly family: number;
  readonly table: string;
  readonly name: string;
  readonly handle: number;
  /** Undefined for a set that we could not have made. */
  readonly set: NamedSet | undefined;
}

export function readSet(payload: Uint8Array): SetRecord {
  const attributes = readBody(payload);
  const number = (type: number): number => {
    const value = attributes.get(type);
    return value === undefined ? 0 : readU32(value);
  };
  const name = text(attributes, SET.NAME);
  const flags = number(SET.FLAGS);
  const types = typesOfId(number(SET.KEY_TYPE));
  const verdicts = (flags & FLAG.MAP) !== 0;
  const ours =
    types !== undefined &&
    (flags & ~OUR_FLAGS) === 0 &&
    keyLength(types) === number(SET.KEY_LEN) &&
    (!verdicts || number(SET.DATA_TYPE) === NFT_DATA_VERDICT);
  const comment = decodeSetComment(attributes.get(SET.USERDATA));
  const counter = readCounter(attributes.get(SET.EXPRESSION), attributes.get(SET.EXPRESSIONS));
  return {
    family: payload[0]!,
    table: text(attributes, SET.TABLE),
    name,
    handle: readHandle(attributes, SET.HANDLE),
    set: ours
      ? {
          name,
          type: types,
          interval: (flags & FLAG.INTERVAL) !== 0,
          verdicts,
          ...(counter === undefined ? {} : { counters: true }),
          ...(comment === undefined ? {} : { comment }),
        }
      : undefined,
  };
}

const LIST = { TABLE: 1, SET: 2, ELEMENTS: 3, SET_ID: 4 } as const;
const ELEMENT = {
  KEY: 1,
  DATA: 2,
  FLAGS: 3,
  USERDATA: 6,
  EXPRESSION: 7,
  KEY_END: 10,
  EXPRESSIONS: 11,
} as const;
const INTERVAL_END = 1;
/** An attribute holds at most 65,535 bytes; one element is far below the rest. */
const CHUNK_BYTES = 60_000;

/**
 * The elements in pieces that each fit one message: the content of NFTA_SET_ELEM_LIST_ELEMENTS. For deletion only
 * keys are written.
 */
export function encodeElements(
  set: NamedSet,
  elements: Iterable<Element>,
  purpose: 'add' | 'delete',
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const writer = scratch;
  writer.truncate(0);
  for (const element of elements) {
    if (writer.length > CHUNK_BYTES) {
      chunks.push(writer.copy());
      writer.truncate(0);
    }
    encodeElement(writer, set, element, purpose === 'add');
  }
  if (writer.length > 0) chunks.push(writer.copy());
  return chunks;
}

/** Most sets are small: room of its own for each would cost more than the writing. */
const scratch = new ByteWriter(2 * CHUNK_BYTES);

function encodeElement(writer: ByteWriter, set: NamedSet, element: Element, full: boolean): void {
  const { first, last } = parseElement(set.type, element.key);
  const boundaries = set.interval && set.type.length === 1;
  const end = boundaries ? successor(last) : undefined;
  writeNested(writer, NFTA_LIST_ELEM, (out) => {
    writeKey(out, ELEMENT.KEY, first);
    if (set.interval && !boundaries) writeKey(out, ELEMENT.KEY_END, last);
    if (!full) return;
    if (element.verdict !== undefined) writeVerdictData(out, ELEMENT.DATA, verdictToKernel(element.verdict));
    const open = boundaries && end === undefined;
    const userdata = encodeElementUserdata({ comment: element.comment, open });
    if (userdata !== undefined) writeBytes(out, ELEMENT.USERDATA, userdata);
  });
  if (end === undefined) return;
  writeNested(writer, NFTA_LIST_ELEM, (out) => {
    writeU32(out, ELEMENT.FLAGS, INTERVAL_END);
    writeKey(out, ELEMENT.KEY, end);
  });
}

function writeKey(writer: ByteWriter, type: number, key: Uint8Array): void {
  writeNested(writer, type, (out) => writeBytes(out, NFTA_DATA_VALUE, key));
}

/** The next key, or undefined after the highest. */
function successor(key: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(key);
  for (let index = next.length - 1; index >= 0; index--) {
    next[index]! += 1;
    if (next[index] !== 0) return next;
  }
  return undefined;
}

function predecessor(key: Uint8Array): Uint8Array {
  // Not slice(): of a Buffer that is a view.
  const previous = Uint8Array.from(key);
  for (let index = previous.length - 1; index >= 0; index--) {
    previous[index]! -= 1;
    if (previous[index] !== 0xff) break;
  }
  return previous;
}

/**
 * Writes NFT_MSG_NEWSETELEM or DELSETELEM around a chunk of {@link encodeElements}. A set that the same transaction
 * makes goes by its id, which the kernel finds faster than a name.
 */
export function writeElementList(
  writer: ByteWriter,
  table: string,
  set: string | number,
  chunk: Uint8Array,
): void {
  writeHeader(writer);
  writeString(writer, LIST.TABLE, table);
  if (typeof set === 'string') writeString(writer, LIST.SET, set);
  else writeU32(writer, LIST.SET_ID, set);
  writeNested(writer, LIST.ELEMENTS, (out) => out.append(chunk));
}

export function writeElementListName(writer: ByteWriter, table: string, set: string): void {
  writeHeader(writer);
  writeString(writer, LIST.TABLE, table);
  writeString(writer, LIST.SET, set);
}

/** An element as the kernel reports it. */
interface RawElement {
  readonly key: Uint8Array;
  readonly keyEnd: Uint8Array | undefined;
  readonly isEnd: boolean;
  readonly element: Omit<Element, 'key'>;
  /** Of its counter, if it has one. */
  readonly counted: { readonly packets: bigint; readonly bytes: bigint } | undefined;
}

/** The elements of one NFT_MSG_NEWSETELEM. */
export function readElements(payload: Uint8Array): RawElement[] {
  const list = readBody(payload).get(LIST.ELEMENTS);
  return list === undefined ? [] : [...eachAttribute(list)].map(([, value]) => readElement(value));
}

function readElement(bytes: Uint8Array): RawElement {
  const attributes = readAttributes(bytes);
  const key = (type: number): Uint8Array | undefined => {
    const nested = attributes.get(type);
    return nested === undefined ? undefined : readAttributes(nested).get(NFTA_DATA_VALUE);
  };
  const data = attributes.get(ELEMENT.DATA);
  const kernelVerdict = data === undefined ? undefined : readVerdictData(data);
  const verdict = kernelVerdict === undefined ? undefined : verdictFromKernel(kernelVerdict);
  const comment = decodeElementComment(attributes.get(ELEMENT.USERDATA));
  const flags = attributes.get(ELEMENT.FLAGS);
  return {
    key: key(ELEMENT.KEY) ?? new Uint8Array(),
    keyEnd: key(ELEMENT.KEY_END),
    isEnd: flags !== undefined && (readU32(flags) & INTERVAL_END) !== 0,
    element: {
      ...(verdict === undefined ? {} : { verdict }),
      ...(comment === undefined ? {} : { comment }),
    },
    counted: readCounter(attributes.get(ELEMENT.EXPRESSION), attributes.get(ELEMENT.EXPRESSIONS)),
  };
}

/** The counter among the expressions of a set or an element: the only one, or one of a list. */
function readCounter(
  single: Uint8Array | undefined,
  several: Uint8Array | undefined,
): Extract<Instruction, { name: 'counter' }> | undefined {
  const expressions = [
    ...(single === undefined ? [] : [single]),
    ...(several === undefined ? [] : [...eachAttribute(several)].map(([, value]) => value)),
  ];
  for (const bytes of expressions) {
    const instruction = readInstruction(bytes);
    if (instruction.name === 'counter') return instruction;
  }
  return undefined;
}

interface ElementRecord {
  readonly element: Element;
  readonly counted: { readonly packets: bigint; readonly bytes: bigint } | undefined;
}

/** Puts what the kernel reports of a set back together: boundaries become ranges again. */
export function assembleElements(set: NamedSet, raw: readonly RawElement[]): ElementRecord[] {
  const record = (from: RawElement, first: Uint8Array, last: Uint8Array): ElementRecord => ({
    element: { key: formatElement(set.type, set.interval, { first, last }), ...from.element },
    counted: from.counted,
  });
  if (!set.interval || set.type.length > 1) {
    return raw.map((element) => record(element, element.key, element.keyEnd ?? element.key));
  }
  const sorted = raw.toSorted((a, b) => Buffer.compare(a.key, b.key) || Number(b.isEnd) - Number(a.isEnd));
  const records: ElementRecord[] = [];
  let open: RawElement | undefined;
  for (const boundary of sorted) {
    if (open !== undefined) records.push(record(open, open.key, predecessor(boundary.key)));
    open = boundary.isEnd ? undefined : boundary;
  }
  if (open !== undefined) {
    records.push(record(open, open.key, new Uint8Array(open.key.length).fill(0xff)));
  }
  return records;
}
