/** One message through framer, codec and state machine, and what must hold afterwards, whatever its octets are. */
import { messageEvent } from '../../src/bgp/fsm/message-event.ts';
import type { Session } from '../../src/bgp/fsm/session.ts';
import { step } from '../../src/bgp/fsm/step.ts';
import { decodeMessage, encodeMessage } from '../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../src/bgp/wire/framer.ts';
import type {
  DecodeError,
  NextHop,
  NlriList,
  PathAttributes,
  ReceivedMessage,
  ReceivedUpdate,
  WireOptions,
} from '../../src/bgp/wire/message.ts';
import { encodeRouteAttributes, fits } from '../../src/bgp/wire/update-writer.ts';
import { addressBytes } from '../../src/net/address.ts';
import { prefixAddress, prefixLength } from '../../src/net/prefix.ts';
import { type Meaning, type UpdateMeaning, judge, prefixText } from '../oracle/bgp-oracle.ts';
import { hex } from '../oracle/octets.ts';
import { UPDATE, at } from '../unit/bgp/fsm/sessions.ts';
import { SESSIONS } from './bgp-corpus.ts';
import type { Case } from './bgp-mutator.ts';

/** What is tried: the codec, or a codec with a planted defect. */
export type Decode = (message: Uint8Array, wire: WireOptions) => ReceivedMessage | DecodeError;

export interface TrialResult {
  /** At least one attribute had its header read. */
  readonly reachedAttributes: boolean;
  /** What the message meant, in a word. */
  readonly outcome: 'incomplete' | 'error' | 'withdraw' | 'discard' | 'valid' | 'other';
  /** What does not hold; undefined if all does. */
  readonly problem?: string;
}

/** One in so many short messages comes octet by octet. */
const ONE_BY_ONE = 16;
const SHORT = 512;

/** One in so many is also written and read again. */
const REWRITTEN = 3;

/** Framers go from message to message as they do in a session, until one has met an end or is left with a part. */
const framers = new Map<boolean, MessageFramer>();

function framerOf({ extendedMessages }: WireOptions): MessageFramer {
  let framer = framers.get(extendedMessages);
  if (framer === undefined) {
    framer = new MessageFramer();
    framer.extendedMessages = extendedMessages;
    framers.set(extendedMessages, framer);
  }
  return framer;
}

/** Tries a message. What the codec throws comes through. */
export function tryMessage({ bytes, session }: Case, decode: Decode = decodeMessage): TrialResult {
  const wire = SESSIONS[session]!;
  const judgement = judge(bytes, wire);
  const framer = framerOf(wire);
  framers.delete(wire.extendedMessages);
  const size = bytes.length % ONE_BY_ONE === 0 && bytes.length < SHORT ? 1 : bytes.length;
  let found: ReturnType<MessageFramer['next']>;
  for (let at = 0; at < bytes.length; at += size) {
    framer.push(size === bytes.length ? bytes : bytes.subarray(at, at + size));
    found ??= framer.next();
  }
  if (found === undefined || judgement === undefined) {
    const problem = (found === undefined) === (judgement === undefined) ? {} : { problem: 'not cut alike' };
    return { reachedAttributes: false, outcome: 'incomplete', ...problem };
  }
  const result = found instanceof Uint8Array ? decode(found, wire) : found;
  const problem =
    difference(judgement.meaning, result) ??
    (bytes.length % REWRITTEN === 0 ? unstable(result, wire) : undefined) ??
    stateProblem(result);
  // What the first message left over may be anything, but reading it must end.
  let left = framer.next();
  if (left === undefined && found instanceof Uint8Array && bytes.length === found.length)
    framers.set(wire.extendedMessages, framer);
  for (; left instanceof Uint8Array; left = framer.next()) decode(left, wire);
  return {
    reachedAttributes: judgement.reachedAttributes,
    outcome: outcomeOf(result),
    ...(problem === undefined ? {} : { problem }),
  };
}

function outcomeOf(result: ReceivedMessage | DecodeError): TrialResult['outcome'] {
  if (result.type === 'error') return 'error';
  if (result.type !== 'update') return 'other';
  if (result.faults.length === 0) return 'valid';
  return result.faults.some(({ action }) => action === 'withdraw') ? 'withdraw' : 'discard';
}

/** Where codec and oracle do not agree. */
function difference(meaning: Meaning, result: ReceivedMessage | DecodeError): string | undefined {
  if (meaning.type === 'error') {
    const said = result.type === 'error' ? `${result.code}/${result.subcode}` : result.type;
    return meaning.allowed.has(said)
      ? undefined
      : `wanted an end by ${[...meaning.allowed].join()}, got ${said}`;
  }
  if (meaning.type !== result.type) {
    const why = result.type === 'error' ? ` (${result.reason})` : '';
    return `wanted ${meaning.type}, got ${result.type}${why}`;
  }
  if (meaning.type !== 'update' || result.type !== 'update') return undefined;
  const got = updateMeaning(result);
  for (const field of FIELDS) {
    const [wanted, said] = [JSON.stringify(meaning[field]), JSON.stringify(got[field])];
    if (wanted !== said) return `${field}: wanted ${wanted}, got ${said}`;
  }
  const attributes = { ...meaning.attributes, ...got.attributes };
  for (const name of Object.keys(attributes)) {
    const [wanted, said] = [meaning.attributes[name], got.attributes[name]];
    if (wanted !== said) return `${name}: wanted ${wanted}, got ${said}`;
  }
  return undefined;
}

const FIELDS = ['withdrawn', 'announced', 'treatAsWithdraw', 'endOfRib'] as const;

function updateMeaning(update: ReceivedUpdate): UpdateMeaning {
  const { attributes } = update;
  return {
    type: 'update',
    withdrawn: update.withdrawn.flatMap(prefixTexts),
    announced: update.announced.flatMap((list) =>
      prefixTexts(list).map((text) => `${text} via ${nextHopText(list.nextHop)}`),
    ),
    treatAsWithdraw: update.treatAsWithdraw.flatMap(prefixTexts),
    attributes: attributes === undefined ? {} : attributeTexts(attributes),
    endOfRib: update.endOfRib,
  };
}

function prefixTexts({ family, prefixes, pathIds }: NlriList): string[] {
  return prefixes.map((prefix, index) => {
    const bits = prefixLength(prefix);
    const octets = addressBytes(prefixAddress(prefix)).subarray(0, (bits + 7) >> 3);
    return prefixText(family, octets, bits, pathIds?.[index] ?? 0);
  });
}

function nextHopText({ address, linkLocal }: NextHop): string {
  const octets = addressBytes(address);
  if (octets.length === 4) return octets.join('.');
  return linkLocal === undefined ? hex(octets) : `${hex(octets)}+${hex(addressBytes(linkLocal))}`;
}

function attributeTexts(attributes: PathAttributes): Record<string, string> {
  const texts: Record<string, string> = {};
  const put = (name: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined) texts[name] = String(value);
  };
  put('origin', attributes.origin);
  put('asPath', attributes.asPath.map(({ type, asNumbers }) => SEGMENTS[type](asNumbers)).join(' '));
  put('multiExitDisc', attributes.multiExitDisc);
  put('localPref', attributes.localPref);
  put('atomicAggregate', attributes.atomicAggregate);
  const { aggregator } = attributes;
  put('aggregator', aggregator && `${aggregator.asNumber} ${aggregator.address}`);
  put('communities', attributes.communities?.join(' '));
  put('originatorId', attributes.originatorId);
  put('clusterList', attributes.clusterList?.join(' '));
  put('extendedCommunities', attributes.extendedCommunities?.map(wide).join(' '));
  put('ipv6ExtendedCommunities', attributes.ipv6ExtendedCommunities?.map(hex).join(' '));
  put('aigp', attributes.aigp === undefined ? undefined : wide(attributes.aigp));
  put(
    'largeCommunities',
    attributes.largeCommunities
      ?.map(({ global, local1, local2 }) => `${global}:${local1}:${local2}`)
      .join(' '),
  );
  put('onlyToCustomer', attributes.onlyToCustomer);
  put('unknown', attributes.unknown?.map(({ code, value }) => `${code}:${hex(value)}`).join(' '));
  put('partial', attributes.partial?.join(' '));
  return texts;
}

const SEGMENTS = {
  sequence: (numbers: readonly number[]) => numbers.join(' '),
  set: (numbers: readonly number[]) => `{${numbers.join(',')}`,
  'confederation-sequence': (numbers: readonly number[]) => `(${numbers.join(',')}`,
  'confederation-set': (numbers: readonly number[]) => `[${numbers.join(',')}`,
};

const wide = (value: bigint): string => value.toString(16).padStart(16, '0');

/** What was read must be writable, and what is written must say the same when it is read and written again. */
function unstable(result: ReceivedMessage | DecodeError, wire: WireOptions): string | undefined {
  if (result.type === 'error') return undefined;
  if (result.type === 'update' && !writable(result, wire)) return undefined;
  const first = encodeMessage(result, wire);
  const framer = new MessageFramer();
  framer.extendedMessages = wire.extendedMessages;
  framer.push(first);
  let offset = 0;
  for (let found = framer.next(); found !== undefined; found = framer.next()) {
    if (!(found instanceof Uint8Array)) return `written so that it is no message: ${found.reason}`;
    const again = decodeMessage(found, wire);
    if (again.type === 'error') return `written so that it cannot be read: ${again.reason}`;
    if (again.type === 'update' && again.faults.length > 0) {
      return `written with a fault: ${again.faults[0]!.attribute}, ${again.faults[0]!.reason}`;
    }
    const second = encodeMessage(again, wire);
    if (!same(first.subarray(offset, offset + found.length), second)) {
      return `written as ${hex(found)}, read again and written as ${hex(second)}`;
    }
    offset += found.length;
  }
  return offset === first.length ? undefined : 'written with octets behind the last message';
}

/** A route that has no room in a message is not sent on (RFC 4271 §9.2). */
function writable({ announced, attributes }: ReceivedUpdate, wire: WireOptions): boolean {
  return announced.every(
    ({ family, nextHop }) =>
      attributes !== undefined &&
      fits(encodeRouteAttributes(attributes, family, nextHop, wire), family, nextHop, wire),
  );
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, index) => octet === b[index]);
}

let established: Session | undefined;

/** A message that cannot be read ends the session with a NOTIFICATION, any other leaves the machine in a known state. */
function stateProblem(result: ReceivedMessage | DecodeError): string | undefined {
  established ??= at('Established');
  const event = messageEvent('out-1', result.type === 'update' ? UPDATE : result);
  const { session, actions } = step(established, event, () => 0);
  const up = session.state === 'Established';
  if (result.type === 'update' && !up) return 'an UPDATE that could be read ended the session';
  if (result.type !== 'error') return undefined;
  const notified = actions.some((action) => action.type === 'send' && action.message.type === 'notification');
  return up || !notified ? 'a message that could not be read did not end the session' : undefined;
}
