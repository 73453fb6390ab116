/** How the values of BGP options are written, where that is more than a word (bgp-options.ts). */
import { type Address, parseAddress } from '../net/address.ts';
import { parsePrefix, parsePrefixParts, prefix, prefixContains } from '../net/prefix.ts';
import { parseCount } from './annotation-options.ts';
import { parseDuration } from './fields.ts';

export const DURATION = 'a duration such as 5s or 1m30s';

/** Reads a duration in seconds within bounds. */
export function seconds(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    const milliseconds = parseDuration(text);
    const value = milliseconds === undefined ? undefined : milliseconds / 1000;
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
}

/** Reads `10.0.0.0/8 summary-only, fd00::/8`. */
export function parseAggregates(text: string) {
  const aggregates = text.split(',').map((part) => {
    const [cidr = '', mode, ...more] = part.trim().split(' ');
    const parts = parsePrefixParts(cidr);
    const prefix = cidr.includes('/') ? parsePrefix(cidr) : undefined;
    if (parts === undefined || prefix === undefined || parts.hostBits || more.length > 0) return undefined;
    return mode === undefined || mode === 'summary-only'
      ? { prefix, summaryOnly: mode === 'summary-only' }
      : undefined;
  });
  const valid = aggregates.filter((aggregate) => aggregate !== undefined);
  return valid.length === aggregates.length ? valid : undefined;
}

const LINK_LOCAL = prefix('fe80::/10');

/** Reads `10.1.0.0/24,fd00:1::/64 limit 100`. */
export function parseDynamicNeighbors(text: string) {
  const parts = /^([0-9a-fA-F:./, ]+?)(?: limit ([0-9]+))?$/.exec(text);
  const limit = parts === null ? undefined : parseCount(parts[2] ?? '100', 1, 10_000);
  if (parts === null || limit === undefined) return undefined;
  const prefixes = parts[1]!.split(',').map((cidr) => {
    const read = parsePrefixParts(cidr.trim());
    const parsed = cidr.includes('/') ? parsePrefix(cidr.trim()) : undefined;
    if (read === undefined || parsed === undefined || read.hostBits) return undefined;
    return prefixContains(LINK_LOCAL, parsed) ? undefined : parsed;
  });
  const valid = prefixes.filter((parsed) => parsed !== undefined);
  const isSet = new Set(valid).size === prefixes.length;
  return isSet ? { prefixes: valid, limit } : undefined;
}

const UNITS: Readonly<Record<string, number>> = { K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Reads bits a second as octets a second. */
export function parseBandwidth(text: string): number | undefined {
  const parts = /^([0-9]{1,6}(?:\.[0-9]{1,3})?)([KMGT])$/.exec(text);
  const bits = parts === null ? 0 : Number(parts[1]) * UNITS[parts[2]!]!;
  return bits > 0 ? bits / 8 : undefined;
}

/** Reads `1000 90% restart 5m`. */
export function parseMaxPrefix(text: string) {
  const parts = /^([0-9]{1,10})(?: ([0-9]{1,3})%)?(?: (idle|warn|restart ([0-9a-z.]+)))?$/.exec(text);
  if (parts === null) return undefined;
  const limit = parseCount(parts[1]!, 1, 0xffff_ffff);
  const warning = parseCount(parts[2] ?? '75', 1, 100);
  const restart = parts[4] === undefined ? undefined : seconds(1, 86_400)(parts[4]);
  if (limit === undefined || warning === undefined) return undefined;
  if (parts[3] === undefined || parts[3] === 'idle') return { limit, warning, beyond: 'idle' as const };
  if (parts[3] === 'warn') return { limit, warning, beyond: 'warn' as const };
  return restart === undefined ? undefined : { limit, warning, beyond: { restart } };
}

/** Reads `off`, `on`, or an interval with what may follow it. */
export function parseBfd(text: string): BfdOption | false | undefined {
  if (text === 'off') return false;
  const [interval = '', ...words] = (text === 'on' ? '300ms' : text).split(' ');
  const milliseconds = parseDuration(interval);
  if (milliseconds === undefined || milliseconds < 10 || milliseconds > 10_000) return undefined;
  let multiplier = 3;
  let multihop: boolean | undefined;
  for (const [index, word] of words.entries()) {
    if (index === 0 && /^x[1-9][0-9]{0,2}$/.test(word)) multiplier = Number(word.slice(1));
    else if (index === words.length - 1 && (word === 'multihop' || word === 'single-hop'))
      multihop = word === 'multihop';
    else return undefined;
  }
  if (multiplier > 255) return undefined;
  return { interval: milliseconds, multiplier, ...(multihop === undefined ? {} : { multihop }) };
}

/** The field of the speaker's PeerConfig. */
export interface BfdOption {
  /** Milliseconds. */
  readonly interval: number;
  readonly multiplier: number;
  readonly multihop?: boolean;
}

/** Reads `9s`, or `0`. */
export function parseHoldTime(text: string) {
  const value = seconds(0, 65_535)(text);
  return value === 0 || (value !== undefined && value >= 3 && Number.isInteger(value)) ? value : undefined;
}

/** Reads `1s-30s`. */
export function parseIdleHoldTime(text: string) {
  const [initial, maximum, ...more] = text.split('-').map(seconds(1, 3600));
  if (initial === undefined || maximum === undefined || more.length > 0) return undefined;
  return initial <= maximum ? { initial, maximum } : undefined;
}

/** Reads `both 4`. */
export function parseAddPath(text: string) {
  const parts = /^(receive|send|both)(?: ([0-9]+))?$/.exec(text);
  if (parts === null || (parts[1] === 'receive' && parts[2] !== undefined)) return undefined;
  const limit = parts[2] === undefined ? undefined : parseCount(parts[2], 2, 64);
  if (parts[2] !== undefined && limit === undefined) return undefined;
  const modes = { send: parts[1] !== 'receive', receive: parts[1] !== 'send' };
  return limit === undefined ? modes : { ...modes, limit };
}

/** Reads `65000 64512 64513`. */
export function parseConfederation(text: string) {
  const [identifier, ...members] = text.split(' ').map((part) => parseCount(part, 1, 0xffff_fffe));
  const valid = members.filter((member) => member !== undefined);
  if (identifier === undefined || valid.length === 0 || valid.length < members.length) return undefined;
  return { identifier, members: valid };
}

/** What of the routes of peers a station is told: before import policy, after it, or both (RFC 7854 §5, RFC 8671). */
const MONITORED = ['pre-policy', 'post-policy', 'both'] as const;

interface BmpStation {
  readonly address: Address;
  readonly port: number;
  readonly routes?: (typeof MONITORED)[number];
}

/** Reads `192.0.2.9 11019 2001:db8::9 11019 both`: each an address, a port and, if not pre-policy, what it is told. */
export function parseBmpStations(text: string): BmpStation[] | undefined {
  const words = text.split(' ');
  const stations: BmpStation[] = [];
  while (words.length > 0) {
    const address = parseAddress(words.shift()!);
    const port = parseCount(words.shift() ?? '', 1, 65_535);
    if (address === undefined || port === undefined) return undefined;
    const routes = MONITORED.find((word) => word === words[0]);
    if (routes !== undefined) words.shift();
    stations.push({ address, port, ...(routes === undefined ? {} : { routes }) });
  }
  return stations;
}
