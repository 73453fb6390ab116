/**
 * Statements (libnftables JSON) to instructions, the way nft does it: a payload match brings the protocol checks it
 * depends on unless an earlier match of the rule established them; byte-aligned prefixes load fewer bytes; ranges are
 * two comparisons; conntrack states are bit tests.
 */
import { InternalError } from '../../base/errors.ts';
import { type Address, addressBytes } from '../../net/address.ts';
import { maskBytes } from '../../net/prefix.ts';
import { integerBytes, interfaceNameBytes } from '../datatype.ts';
import type {
  ConntrackState,
  Fib,
  FibFlag,
  Field,
  IcmpxCode,
  Key,
  LimitUnit,
  LogLevel,
  MarkWithBits,
  MaskedMark,
  Match,
  Statement,
  Value,
} from '../ruleset.ts';
import { NFPROTO_IPV4, NFPROTO_IPV6 } from './constants.ts';
import { type FieldLayout, META_KEYS, fieldLayout } from './field.ts';
import type { CompareOperator, Instruction } from './instruction.ts';
import { verdictToKernel } from './verdict.ts';

/** Bits of `ct state` (linux/netfilter/nf_conntrack_common.h). */
const CONNTRACK_STATE_BITS: Readonly<Record<ConntrackState, number>> = {
  invalid: 1,
  established: 2,
  related: 4,
  new: 8,
  untracked: 64,
};
const LOG_LEVELS: readonly LogLevel[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
const LIMIT_SECONDS: Readonly<Record<LimitUnit, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
};
/** `enum nft_reject_inet_code`. */
const ICMPX_CODES: readonly IcmpxCode[] = [
  'no-route',
  'port-unreachable',
  'host-unreachable',
  'admin-prohibited',
];
const REJECT_TCP_RESET = 1;
const REJECT_ICMPX = 2;
/** `enum nft_fib_flags`; the last makes the result a yes or no. */
const FIB_FLAG_BITS: Readonly<Record<FibFlag, number>> = {
  saddr: 1,
  daddr: 2,
  mark: 4,
  iif: 8,
  oif: 16,
};
const FIB_PRESENT = 32;
const FIB_RESULT_OIF = 1;
/** `enum nft_ct_keys`. */
const CT_STATE = 0;
const CT_MARK = 3;
/** NFT_LIMIT_F_INV, and NFT_CONNLIMIT_F_INV. */
const INVERTED = 1;

const REGISTER = 1;

/** What earlier matches of the rule established. */
interface Context {
  nfproto: number | undefined;
  l4proto: number | undefined;
}

/** The instructions of a rule. Throws an InternalError if the statements contradict themselves (ip and ip6). */
export function compile(statements: readonly Statement[]): Instruction[] {
  const context: Context = { nfproto: undefined, l4proto: undefined };
  return statements.flatMap((statement) => compileStatement(statement, context));
}

function compileStatement(statement: Statement, context: Context): Instruction[] {
  if ('match' in statement) return compileMatch(statement.match, context);
  if ('vmap' in statement) {
    const { key, data } = statement.vmap;
    return [
      ...loadKey(key, context),
      { name: 'lookup', set: data.slice(1), sreg: REGISTER, inverted: false, dreg: 0 },
    ];
  }
  if ('mangle' in statement) {
    const { key, value } = statement.mangle;
    return 'payload' in key ? setDscp(key.payload.protocol, value as number, context) : setMark(value);
  }
  if ('counter' in statement) return [{ name: 'counter', packets: 0n, bytes: 0n }];
  if ('log' in statement) {
    const { prefix, level } = statement.log;
    return [{ name: 'log', prefix, level: LOG_LEVELS.indexOf(level) }];
  }
  if ('limit' in statement) {
    const { rate, per, burst, inv } = statement.limit;
    const unit = BigInt(LIMIT_SECONDS[per]);
    const flags = inv === true ? INVERTED : 0;
    return [{ name: 'limit', rate: BigInt(rate), unit, burst, type: 0, flags }];
  }
  if ('ct count' in statement) {
    return [{ name: 'connlimit', count: statement['ct count'].val, flags: INVERTED }];
  }
  if ('reject' in statement) {
    const { reject } = statement;
    return reject.type === 'tcp reset'
      ? [{ name: 'reject', type: REJECT_TCP_RESET, code: 0 }]
      : [{ name: 'reject', type: REJECT_ICMPX, code: ICMPX_CODES.indexOf(reject.expr) }];
  }
  if ('notrack' in statement) return [{ name: 'notrack' }];
  if ('masquerade' in statement) return masquerade(statement.masquerade);
  if ('snat' in statement) return sourceTranslation(statement.snat);
  return [{ name: 'verdict', verdict: verdictToKernel(statement) }];
}

type StatementOf<Name extends string> = Extract<Statement, Readonly<Record<Name, unknown>>>;

function masquerade(to: StatementOf<'masquerade'>['masquerade']): Instruction[] {
  return to === null
    ? [{ name: 'masq' }]
    : [...loadPorts(to.port.range, 1), { name: 'masq', ports: { first: 1, last: 2 } }];
}

function sourceTranslation({ family, addr, port }: StatementOf<'snat'>['snat']): Instruction[] {
  const address: Instruction = { name: 'immediate', dreg: 1, data: addressBytes(addr as Address) };
  const nfproto = family === 'ip' ? NFPROTO_IPV4 : NFPROTO_IPV6;
  return port === undefined
    ? [address, { name: 'snat', family: nfproto, address: 1 }]
    : [
        address,
        ...loadPorts(port.range, 2),
        { name: 'snat', family: nfproto, address: 1, ports: { first: 2, last: 3 } },
      ];
}

function loadPorts(range: readonly [number, number], register: number): Instruction[] {
  return range.map((port, index): Instruction => ({
    name: 'immediate',
    dreg: register + index,
    data: integerBytes(port, 2, 'big'),
  }));
}

function setMark(value: MaskedMark | MarkWithBits | number): Instruction[] {
  const set: Instruction = { name: 'meta-set', key: META_KEYS.mark, sreg: REGISTER };
  if (typeof value === 'number') {
    return [{ name: 'immediate', dreg: REGISTER, data: integerBytes(value, 4, 'host') }, set];
  }
  const load: Instruction = { name: 'meta', key: META_KEYS.mark, dreg: REGISTER };
  return '&' in value
    ? [load, bitwise(value['&'][1], 0), set]
    : [load, bitwise(~value['|'][1] >>> 0, value['|'][1]), set];
}

/** Where the traffic class is, in the first two bytes of the header: what to keep of them, and the shift of the code point. */
const DSCP_LAYOUTS = {
  // ECN (RFC 3168) is in the last two bits of the second byte. The checksum covers the header.
  ip: { nfproto: NFPROTO_IPV4, keep: [0xff, 0x03], shift: 2, checksum: { type: 1, offset: 10 } },
  ip6: { nfproto: NFPROTO_IPV6, keep: [0xf0, 0x3f], shift: 6, checksum: { type: 0, offset: 0 } },
} as const;
const NETWORK_HEADER = 1;

function setDscp(protocol: 'ip' | 'ip6', value: number, context: Context): Instruction[] {
  const { nfproto, keep, shift, checksum } = DSCP_LAYOUTS[protocol];
  const place = { base: NETWORK_HEADER, offset: 0, length: 2 };
  return [
    ...dependencies([{ nfproto }], context),
    { name: 'payload', dreg: REGISTER, ...place },
    {
      name: 'bitwise',
      sreg: REGISTER,
      dreg: REGISTER,
      mask: Uint8Array.from(keep),
      xor: integerBytes(value << shift, 2, 'big'),
    },
    { name: 'payload-set', sreg: REGISTER, ...place, checksum },
  ];
}

/** `register = (register & mask) ^ xor`, on a 32-bit value in host order. */
function bitwise(mask: number, xor: number): Instruction {
  return {
    name: 'bitwise',
    sreg: REGISTER,
    dreg: REGISTER,
    mask: integerBytes(mask, 4, 'host'),
    xor: integerBytes(xor, 4, 'host'),
  };
}

function compare(op: CompareOperator, data: Uint8Array): Instruction {
  return { name: 'cmp', sreg: REGISTER, op, data };
}

function compileMatch(match: Match, context: Context): Instruction[] {
  if (match.op === 'in') {
    const bits = match.right.reduce((sum, state) => sum | CONNTRACK_STATE_BITS[state], 0);
    const load: Instruction = { name: 'ct', key: CT_STATE, dreg: REGISTER };
    return [load, bitwise(bits, 0), compare('neq', new Uint8Array(4))];
  }
  const { left, right } = match;
  const inverted = match.op === '!=';
  const operator = inverted ? 'neq' : 'eq';
  if ('&' in left) {
    if (typeof right !== 'number') throw new InternalError('a mark is compared with a number');
    const [mark, mask] = left['&'];
    if ('payload' in mark) return compareTcpFlags(mask, operator, right, context);
    const load: Instruction =
      'ct' in mark
        ? { name: 'ct', key: CT_MARK, dreg: REGISTER }
        : { name: 'meta', key: META_KEYS.mark, dreg: REGISTER };
    return [load, bitwise(mask, 0), compare(operator, integerBytes(right, 4, 'host'))];
  }
  if ('fib' in left) return [loadFib(left), compare(operator, Uint8Array.of(right === true ? 1 : 0))];
  if (typeof right === 'string' && right.startsWith('@')) {
    const lookup: Instruction = {
      name: 'lookup',
      set: right.slice(1),
      sreg: REGISTER,
      inverted,
      dreg: undefined,
    };
    return [...loadKey(left, context), lookup];
  }
  if ('concat' in left || typeof right === 'boolean') throw new InternalError('only a set fits this match');
  return compareField(left, inverted, right, context);
}

/** Bytes of the TCP header before its flags. */
const TCP_FLAGS_OFFSET = 13;
const IPPROTO_TCP = 6;
const TRANSPORT_HEADER = 2;

function compareTcpFlags(
  mask: number,
  operator: CompareOperator,
  value: number,
  context: Context,
): Instruction[] {
  return [
    ...dependencies([{ l4proto: IPPROTO_TCP }], context),
    { name: 'payload', dreg: REGISTER, base: TRANSPORT_HEADER, offset: TCP_FLAGS_OFFSET, length: 1 },
    {
      name: 'bitwise',
      sreg: REGISTER,
      dreg: REGISTER,
      mask: Uint8Array.of(mask),
      xor: Uint8Array.of(0),
    },
    compare(operator, Uint8Array.of(value)),
  ];
}

function loadFib({ fib }: Fib): Instruction {
  const flags = fib.flags.reduce((sum, flag) => sum | FIB_FLAG_BITS[flag], FIB_PRESENT);
  return { name: 'fib', dreg: REGISTER, result: FIB_RESULT_OIF, flags };
}

function compareField(field: Field, inverted: boolean, value: Value, context: Context): Instruction[] {
  const layout = fieldLayout(field);
  const before = dependencies([layout], context);
  const load = layout.load(REGISTER);
  const operator = inverted ? 'neq' : 'eq';
  if (typeof value === 'object' && 'prefix' in value) {
    return [...before, ...comparePrefix(layout, operator, value.prefix)];
  }
  if (typeof value === 'object') {
    const [from, to] = value.range.map((bound) => integerBytes(bound, layout.length, layout.order));
    if (inverted) return [...before, load, { name: 'range', sreg: REGISTER, inverted, from: from!, to: to! }];
    return [...before, load, compare('gte', from!), compare('lte', to!)];
  }
  if ('meta' in field && !inverted && typeof value === 'number') establish(field.meta.key, value, context);
  return [...before, load, compare(operator, valueBytes(layout, value))];
}

function establish(key: string, value: number, context: Context): void {
  if (key === 'nfproto') context.nfproto = value;
  if (key === 'l4proto') context.l4proto = value;
}

function valueBytes(layout: FieldLayout, value: number | string): Uint8Array {
  if (typeof value === 'number') return integerBytes(value, layout.length, layout.order);
  if (layout.kind === 'address') return addressBytes(value as Address);
  if (value.endsWith('*')) return Buffer.from(value.slice(0, -1), 'utf8');
  return interfaceNameBytes(value);
}

function comparePrefix(
  layout: FieldLayout,
  operator: CompareOperator,
  { addr, len }: { readonly addr: string; readonly len: number },
): Instruction[] {
  const bytes = addressBytes(addr as Address);
  if (len === 0 || bytes.length !== layout.length)
    throw new InternalError(`cannot match ${addr}/${len} here`);
  const load = layout.load(REGISTER);
  if (load.name !== 'payload') throw new InternalError('a prefix is matched in the packet');
  if (len % 8 === 0) {
    return [{ ...load, length: len / 8 }, compare(operator, bytes.slice(0, len / 8))];
  }
  const mask = maskBytes(new Uint8Array(bytes.length).fill(0xff), len);
  const xor = new Uint8Array(bytes.length);
  return [load, { name: 'bitwise', sreg: REGISTER, dreg: REGISTER, mask, xor }, compare(operator, bytes)];
}

function loadKey(key: Key, context: Context): Instruction[] {
  const fields = 'concat' in key ? key.concat : [key];
  const layouts = fields.map(fieldLayout);
  const loads: Instruction[] = [];
  let word = 0;
  for (const layout of layouts) {
    loads.push(layout.load(registerOfWord(word)));
    word += (layout.length + 3) >> 2;
  }
  return [...dependencies(layouts, context), ...loads];
}

/** Register number at a 4-byte offset, as the kernel reports it: by its 16-byte name where there is one. */
function registerOfWord(word: number): number {
  return word % 4 === 0 ? 1 + word / 4 : 8 + word;
}

function dependencies(
  layouts: readonly Pick<FieldLayout, 'nfproto' | 'l4proto'>[],
  context: Context,
): Instruction[] {
  const instructions: Instruction[] = [];
  const need = (key: 'nfproto' | 'l4proto', value: number | undefined): void => {
    if (value === undefined || context[key] === value) return;
    if (context[key] !== undefined)
      throw new InternalError(`a rule matches ${key} ${context[key]} and ${value}`);
    context[key] = value;
    const load: Instruction = { name: 'meta', key: META_KEYS[key], dreg: REGISTER };
    instructions.push(load, compare('eq', Uint8Array.of(value)));
  };
  for (const layout of layouts) {
    need('nfproto', layout.nfproto);
    need('l4proto', layout.l4proto);
  }
  return instructions;
}
