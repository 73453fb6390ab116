/**
 * The scalar fields that kinds are made of. Schemas are functions, built on first use (see kinds/definition.ts).
 * A fault's `params` carry what a report needs beyond the message: {@link FaultParams}.
 */
import * as z from 'zod';
import { type Address, type Family, familyOf, formatAddress, parseAddress } from '../net/address.ts';
import { type Prefix, hostPrefix, parsePrefix, parsePrefixParts } from '../net/prefix.ts';
import { once } from './kinds/definition.ts';
import { isSubdomain } from './names.ts';
import { parseSelector } from './selector/parser.ts';
import { SelectorError } from './selector/tokenizer.ts';
import type { Selector } from './selector/selector.ts';

// zod's own words for a value of the wrong type ask the value what its constructor is called, and a document may answer.
z.config({
  customError: (issue) => (issue.code === 'invalid_type' ? `expected ${issue.expected}` : undefined),
});

/** Facts of a fault that a custom check adds to its zod issue. */
export interface FaultParams {
  /** What would be right, in words or as a list. */
  readonly allowed?: string;
  /** The values that would be right, if they can be listed. */
  readonly options?: readonly string[];
  /** Characters from the start of the scalar to the fault. */
  readonly offset?: number;
}

/** Where a schema's metadata say in words what its values may be; json-schema.ts knows it. */
export const allowedKey = 'x-allowed';
/** Where they list the values that are meant, whatever their case. */
export const optionsKey = 'x-options';

/** Adds a fault to the value under check. */
export function fault(
  context: z.RefinementCtx,
  message: string,
  params: FaultParams = {},
  path: readonly (string | number)[] = [],
): void {
  context.addIssue({ code: 'custom', message, params: { ...params }, path: [...path], input: undefined });
}

/**
 * Adds a check across the fields of an object. It runs also when some fields are at fault, and does not see those,
 * so that one report names everything that is wrong.
 */
export function across<Schema extends z.ZodObject>(
  schema: Schema,
  check: (value: Partial<z.output<Schema>>, context: z.RefinementCtx) => void,
): Schema {
  return schema.superRefine(
    (value: unknown, context) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
      const sound: Record<string, unknown> = { ...value };
      for (const issue of context.issues) {
        const key = issue.path?.[0];
        if (key !== undefined) delete sound[String(key)];
      }
      check(sound as Partial<z.output<Schema>>, context as z.RefinementCtx);
    },
    { when: () => true },
  );
}

/** Text, of which the documentation says what it may be. */
function documented(allowed: string) {
  return z.string().meta({ [allowedKey]: allowed });
}

/** A schema that reads text with `parse`, which gives undefined for what it refuses. */
function parsed<T>(parse: (text: string) => T | undefined, message: string, allowed: string) {
  return documented(allowed).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    fault(context, message, { allowed });
    return z.NEVER;
  });
}

/** A canonical address, or a canonical prefix with host bits zero: both as the user wrote it, address or prefix. */
export type Net = Address | Prefix;

/** The prefix of a {@link Net}; a bare address gives its host prefix. */
export function netPrefix(net: Net): Prefix {
  return net.includes('/') ? (net as Prefix) : hostPrefix(net as Address);
}

/** Reads an address or a prefix, of which host bits are cleared; undefined if the text is neither. */
export function parseNet(text: string): Net | undefined {
  return text.includes('/') ? parsePrefix(text) : parseAddress(text);
}

const netExamples: Readonly<Record<Family | 'any', string>> = {
  4: 'an address such as 10.0.0.1 or a CIDR such as 10.0.0.0/8',
  6: 'an address such as fd00::1 or a CIDR such as fd00::/8',
  any: 'an address such as 10.0.0.1 or a CIDR such as 10.0.0.0/8 or fd00::/8',
};

/** An address or a prefix; host bits of a prefix are cleared. */
export const net = once(() => parsed(parseNet, 'not an IP address or CIDR', netExamples.any));

/** Adds a fault if a prefix has bits beyond its length; gives whether it has none. */
function checkMasked(text: string, value: Net, context: z.RefinementCtx): boolean {
  if (!parsePrefixParts(text)!.hostBits) return true;
  fault(context, 'CIDR has bits set beyond its prefix length', { allowed: value });
  return false;
}

/** An address, or a prefix whose host bits must be zero. */
function maskedNetField(family?: Family) {
  const allowed = netExamples[family ?? 'any'];
  return documented(allowed).transform((text, context): Net => {
    const value = parseNet(text);
    if (value === undefined || (family !== undefined && familyOf(value) !== family)) {
      fault(context, `not an IP${family === undefined ? '' : `v${family}`} address or CIDR`, { allowed });
      return z.NEVER;
    }
    return checkMasked(text, value, context) ? value : z.NEVER;
  });
}

export const maskedNet = once(() => maskedNetField());

/** {@link maskedNet} of one family. */
export const maskedNetOf = (family: Family) => maskedNetField(family);

/** A prefix whose host bits must be zero. */
const prefixExamples = 'a CIDR such as 10.0.0.0/16 or fd00::/48';

export const maskedPrefix = once(() =>
  documented(prefixExamples).transform((text, context): Prefix => {
    const value = text.includes('/') ? parsePrefix(text) : undefined;
    if (value === undefined) {
      fault(context, 'not a CIDR', { allowed: prefixExamples });
      return z.NEVER;
    }
    return checkMasked(text, value, context) ? value : z.NEVER;
  }),
);

export const anyAddress = once(() =>
  parsed(parseAddress, 'not an IP address', 'an address such as 10.0.0.1 or fd00::1'),
);

function addressOf(family: Family, text: string): Address | undefined {
  const value = parseAddress(text);
  return value !== undefined && familyOf(value) === family ? value : undefined;
}

export const ipv4Address = once(() =>
  parsed((text) => addressOf(4, text), 'not an IPv4 address', 'an address such as 10.0.0.1'),
);

export const ipv6Address = once(() =>
  parsed((text) => addressOf(6, text), 'not an IPv6 address', 'an address such as fd00::1'),
);

/** An interface's address with the length of its subnet, host bits kept: `172.16.0.1/24`. A bare address is alone. */
export type InterfaceAddress = string & { readonly __interfaceAddress: 'InterfaceAddress' };

/** The two parts of an {@link InterfaceAddress}; the subnet has its host bits cleared. */
export function interfaceAddressParts(text: InterfaceAddress): { address: Address; subnet: Prefix } {
  const slash = text.indexOf('/');
  const address = (slash < 0 ? text : text.slice(0, slash)) as string as Address;
  return { address, subnet: slash < 0 ? hostPrefix(address) : parsePrefix(text)! };
}

function parseInterfaceAddress(family: Family, text: string): InterfaceAddress | undefined {
  const parts = parsePrefixParts(text);
  if (parts === undefined || parts.family !== family) return undefined;
  const written = formatAddress(parts.bytes);
  return (text.includes('/') ? `${written}/${parts.length}` : written) as string as InterfaceAddress;
}

export const ipv4InterfaceAddress = once(() =>
  parsed(
    (text) => parseInterfaceAddress(4, text),
    'not an IPv4 address',
    'an address with its subnet, such as 172.16.0.1/24',
  ),
);

export const ipv6InterfaceAddress = once(() =>
  parsed(
    (text) => parseInterfaceAddress(6, text),
    'not an IPv6 address',
    'an address with its subnet, such as fd16::1/64',
  ),
);

/** A MAC address in lower case with colons. */
export const mac = once(() =>
  parsed(
    (text) =>
      /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text) ? text.toLowerCase().replaceAll('-', ':') : undefined,
    'not a MAC address',
    'six bytes such as ee:ee:ee:ee:ee:ee',
  ),
);

/** Longest selector that Calico accepts in a policy. */
const maximumSelectorLength = 1024;

/** Selector text that parses; `global()` only where the field can mean it. */
function selectorField(globalAllowed: boolean) {
  return z.string().superRefine((text, context) => {
    if (text.length > maximumSelectorLength) {
      fault(context, `selector is longer than ${maximumSelectorLength} characters`);
      return;
    }
    try {
      const tree = parseSelector(text);
      if (!mentionsGlobal(tree)) return;
      if (!globalAllowed) {
        fault(context, 'global() has no meaning here', {
          allowed: "global() only in a rule's namespaceSelector",
          offset: text.indexOf('global('),
        });
      } else if (tree.type !== 'global') {
        fault(context, 'global() cannot be combined with other selectors', {
          allowed: 'global() alone',
          offset: text.indexOf('global('),
        });
      }
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      fault(context, `selector: ${error.reason}${error.fix === undefined ? '' : ` (${error.fix})`}`, {
        offset: error.offset,
      });
    }
  });
}

function mentionsGlobal(selector: Selector): boolean {
  if (selector.type === 'global') return true;
  if (selector.type === 'not') return mentionsGlobal(selector.operand);
  return (selector.type === 'and' || selector.type === 'or') && selector.operands.some(mentionsGlobal);
}

export const selector = once(() => selectorField(false));
export const namespaceSelector = once(() => selectorField(true));

/** IANA numbers of the protocols that have names here. */
export const protocolNumbers = {
  TCP: 6,
  UDP: 17,
  ICMP: 1,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
} as const;

/** A name of {@link protocolNumbers} in its canonical spelling, or a number from 1 to 255. */
export type Protocol = keyof typeof protocolNumbers | number;

/** The IANA number. */
export function protocolNumber(value: Protocol): number {
  return typeof value === 'number' ? value : protocolNumbers[value];
}

/** A text or number from JSON that means an integer. */
function integerOf(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
  return /^(0|[1-9][0-9]{0,9})$/.test(value) ? Number(value) : undefined;
}

function parseProtocol(value: string | number): Protocol | undefined {
  const number = integerOf(value);
  if (number !== undefined) return number >= 1 && number <= 255 ? number : undefined;
  const names = Object.keys(protocolNumbers) as (keyof typeof protocolNumbers)[];
  return names.find((name) => name.toLowerCase() === String(value).toLowerCase());
}

/** A schema for what Kubernetes calls int-or-string. */
function intOrString<T>(parse: (value: string | number) => T | undefined, message: string, allowed: string) {
  return z
    .union([z.number(), z.string()])
    .meta({ 'x-kubernetes-int-or-string': true, [allowedKey]: allowed })
    .transform((value, context): T => {
      const result = parse(value);
      if (result !== undefined) return result;
      fault(context, message, { allowed });
      return z.NEVER;
    });
}

export const protocol = once(() =>
  intOrString(
    parseProtocol,
    'not a protocol',
    `${Object.keys(protocolNumbers).join(', ')} or a number from 1 to 255`,
  ),
);

/** A port number, an inclusive range `first:last`, or the name of an endpoint's port. */
export type Port = number | string;

export type ParsedPort = { readonly first: number; readonly last: number } | { readonly name: string };

/** What a {@link Port} means; undefined if it is neither number, range nor name. */
export function parsePort(value: Port): ParsedPort | undefined {
  const number = integerOf(value);
  if (number !== undefined)
    return number <= 65535 && number >= 0 ? { first: number, last: number } : undefined;
  if (typeof value === 'number') return undefined;
  const range = /^([0-9]{1,5}):([0-9]{1,5})$/.exec(value);
  if (range !== null) {
    const first = Number(range[1]);
    const last = Number(range[2]);
    return first <= last && last <= 65535 ? { first, last } : undefined;
  }
  return /^[a-zA-Z0-9_.-]{1,128}$/.test(value) && !/^[0-9]+$/.test(value) ? { name: value } : undefined;
}

export const port = once(() =>
  intOrString(
    (value): Port | undefined => {
      const meaning = parsePort(value);
      if (meaning === undefined) return undefined;
      return 'first' in meaning && meaning.first === meaning.last ? meaning.first : value;
    },
    'not a port',
    'a number up to 65535, a range such as 8000:9000, or the name of a port',
  ),
);

/** 1–65535. */
export const portNumber = once(() => z.int().min(1).max(65535));

/** A 32-bit AS number; `64512`, `"64512"` and `"1.10"` (RFC 5396 asdot+) are read. */
export const asNumber = once(() =>
  intOrString(
    (value): number | undefined => {
      const number = integerOf(value);
      if (number !== undefined) return number >= 0 && number <= 0xffffffff ? number : undefined;
      const dotted = /^([0-9]{1,5})\.([0-9]{1,5})$/.exec(String(value));
      if (dotted === null || typeof value === 'number') return undefined;
      const high = Number(dotted[1]);
      const low = Number(dotted[2]);
      return high <= 0xffff && low <= 0xffff ? high * 0x10000 + low : undefined;
    },
    'not an AS number',
    'a number up to 4294967295, or two of 16 bits such as "1.10"',
  ),
);

const durationUnits: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration such as `1m30s` or `500ms`; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const sign = text.startsWith('-') ? -1 : 1;
  const body = text.replace(/^[+-]/, '');
  if (!/^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+$/.test(body)) return undefined;
  let total = 0;
  for (const [, amount, unit] of body.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * durationUnits[unit!]!;
  }
  return sign * total;
}

/** One of the values, in any case; the canonical spelling comes out. */
export function caselessEnum<const Value extends string>(...values: readonly Value[]) {
  return z
    .string()
    .meta({ [optionsKey]: values })
    .transform((text, context): Value => {
      const value = values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
      if (value !== undefined) return value;
      fault(context, 'not an allowed value', { options: values });
      return z.NEVER;
    });
}

const durationForms = 'a number with a unit (ms, s, m, h), such as 90s';

/** A duration as text; {@link parseDuration} gives its milliseconds. */
export const duration = once(() =>
  documented(durationForms).superRefine((text, context) => {
    const value = parseDuration(text);
    if (value === undefined || value < 0) {
      fault(context, 'not a duration', { allowed: durationForms });
    }
  }),
);

/** Whether Linux takes the text as the name of an interface, and Calico too. */
export function isInterfaceName(text: string): boolean {
  return /^[a-zA-Z0-9_.-]{1,15}$/.test(text);
}

/** The name of a Linux interface. */
export const interfaceName = once(() =>
  z.string().superRefine((text, context) => {
    if (!isInterfaceName(text)) {
      fault(context, 'not an interface name', { allowed: '1 to 15 of letters, digits, "_", "." and "-"' });
    }
  }),
);

/** The name of another object. */
export const objectName = once(() =>
  z.string().superRefine((text, context) => {
    if (isSubdomain(text)) return;
    fault(context, 'not a valid name', { allowed: 'lower-case letters, digits, "-" and "."' });
  }),
);

/** The name of a port as Kubernetes has it (RFC 6335 §5.1, and lower case). */
export const portName = once(() =>
  z.string().superRefine((text, context) => {
    if (/^(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(text)) return;
    fault(context, 'not the name of a port', {
      allowed: 'up to 15 of lower-case letters, digits and single "-", with a letter',
    });
  }),
);

/** Protocols whose packets have ports that rules can name. */
export const portProtocolNumbers: ReadonlySet<number> = new Set([
  protocolNumbers.TCP,
  protocolNumbers.UDP,
  protocolNumbers.SCTP,
]);

/** TCP, UDP or SCTP. */
export const portProtocol = once(() =>
  protocol().superRefine((value, context) => {
    if (portProtocolNumbers.has(protocolNumber(value))) return;
    fault(context, 'not a protocol with ports', { allowed: 'TCP, UDP, SCTP' });
  }),
);

/** A selector by labels as Kubernetes writes it; empty selects everything. */
export const labelMap = once(() => z.record(z.string(), z.string()));
