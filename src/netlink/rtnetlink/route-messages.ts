/**
 * RTM_NEWROUTE and RTM_DELROUTE messages by number, one after another in memory that is used again. Routes that differ
 * in nothing but their destination, which those by one next hop do, are copies of a template, 32 bits at a time:
 *
 *     word 0..3 nlmsghdr (2: sequence)   4..6 rtmsg (4: second byte: length)   7 RTA_DST   8.. destination   others
 */
import type { Family } from '../../net/address.ts';
import { ByteWriter } from '../../net/bytes.ts';
import type { PrefixBits } from '../../net/prefix-bits.ts';
import { prefixFromBytes } from '../../net/prefix.ts';
import type { RouteMake, RouteSelector } from '../kernel.ts';
import {
  NLMSG_HEADER_LENGTH,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  writeMessage,
} from '../message.ts';
import { RTM_DELROUTE, RTM_NEWROUTE, familyFromNumber } from './constants.ts';
import { encodeRouteMake, encodeRouteSelector } from './route.ts';

/** Messages to a system call, which the kernel works off at 2 to 3 µs each. */
export const ROUTE_MESSAGES = 8192;
/** Octets from which on no more are put in: wide multipath routes. */
const FULL = 2 << 20;
/** Room at first: most batches are of a few routes. */
const FIRST_WORDS = 256;
const FIRST_MESSAGES = 16;
/** Templates kept. */
const TEMPLATES = 256;

const SEQUENCE = 2;
const LENGTH = 17;
const DESTINATION = 8;
/** In the payload. */
const DESTINATION_OCTETS = DESTINATION * 4 - NLMSG_HEADER_LENGTH;

type Operation = 'add' | 'replace' | 'delete';
type Template = Uint32Array;

const FLAGS: Readonly<Record<Operation, number>> = {
  add: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE,
  delete: NLM_F_REQUEST,
};

export class RouteMessages {
  private words = new Uint32Array(FIRST_WORDS);
  private octets = new Uint8Array(this.words.buffer);
  private used = 0;
  private messages = 0;
  /** The word each begins at. */
  private starts = new Uint32Array(FIRST_MESSAGES);
  private firstSequence = 0;
  private readonly templates = new Map<RouteMake | RouteSelector, Map<string, Template>>();
  private last: Template = new Uint32Array(0);
  private lastMake: RouteMake | RouteSelector | undefined;
  private lastOperation: Operation = 'add';
  private lastFamily: Family = 4;

  get length(): number {
    return this.messages;
  }

  get isFull(): boolean {
    return this.messages === ROUTE_MESSAGES || this.used * 4 >= FULL;
  }

  /** Appends a message of others, without counting it: {@link bytes} ends with it. */
  end(message: Uint8Array): void {
    const start = this.used;
    this.used += message.length / 4;
    if (this.used > this.words.length) this.widen(this.used);
    this.octets.set(message, start * 4);
  }

  /** The sequence of the first. */
  get first(): number {
    return this.firstSequence;
  }

  /** What was put in; valid until more is. */
  get bytes(): Uint8Array {
    return this.octets.subarray(0, this.used * 4);
  }

  /** Empties it, for messages with sequences from `first` on. */
  begin(first: number): void {
    this.firstSequence = first;
    this.used = 0;
    this.messages = 0;
  }

  set(operation: 'add' | 'replace', destination: PrefixBits, make: RouteMake): void {
    this.put(this.templateOf(operation, destination.family, make), destination);
  }

  delete(destination: PrefixBits, selector: RouteSelector): void {
    this.put(this.templateOf('delete', destination.family, selector), destination);
  }

  /** What the message at a position does. */
  operation(index: number): string {
    const start = this.starts[index]! * 4;
    const type = this.octets[start + 4]!;
    const flags = this.octets[start + 6]! | (this.octets[start + 7]! << 8);
    const operation = type === RTM_DELROUTE ? 'delete' : (flags & NLM_F_EXCL) !== 0 ? 'add' : 'replace';
    const length = this.words[this.starts[index]!]!;
    return `${operation} route ${destinationOf(this.octets.subarray(start + NLMSG_HEADER_LENGTH, start + length))}`;
  }

  private put(template: Template, { family, length, w0, w1, w2, w3 }: PrefixBits): void {
    const start = this.used;
    const end = start + template.length;
    if (end > this.words.length) this.widen(end);
    const { words } = this;
    for (let from = 0, to = start; to < end; from++, to++) words[to] = template[from]!;
    words[start + SEQUENCE] = this.firstSequence + this.messages;
    this.octets[start * 4 + LENGTH] = length;
    words[start + DESTINATION] = swapped(w0);
    if (family === 6) {
      words[start + DESTINATION + 1] = swapped(w1);
      words[start + DESTINATION + 2] = swapped(w2);
      words[start + DESTINATION + 3] = swapped(w3);
    }
    if (this.messages === this.starts.length) this.starts = widened(this.starts, 0);
    this.starts[this.messages++] = start;
    this.used = end;
  }

  private widen(words: number): void {
    this.words = widened(this.words, words);
    this.octets = new Uint8Array(this.words.buffer);
  }

  private templateOf(operation: Operation, family: Family, make: RouteMake | RouteSelector): Template {
    if (make !== this.lastMake || operation !== this.lastOperation || family !== this.lastFamily) {
      this.last = this.findOrMake(operation, family, make);
      this.lastMake = make;
      this.lastOperation = operation;
      this.lastFamily = family;
    }
    return this.last;
  }

  private findOrMake(operation: Operation, family: Family, make: RouteMake | RouteSelector): Template {
    let known = this.templates.get(make);
    if (known === undefined) {
      if (this.templates.size >= TEMPLATES) this.templates.clear();
      this.templates.set(make, (known = new Map()));
    }
    const key = `${operation}${family}`;
    let template = known.get(key);
    if (template === undefined) known.set(key, (template = makeTemplate(operation, family, make)));
    return template;
  }
}

function makeTemplate(operation: Operation, family: Family, make: RouteMake | RouteSelector): Template {
  const writer = new ByteWriter(128);
  const type = operation === 'delete' ? RTM_DELROUTE : RTM_NEWROUTE;
  writeMessage(writer, { type, flags: FLAGS[operation], sequence: 0 }, (out) => {
    if (operation === 'delete') encodeRouteSelector(out, family, make);
    else encodeRouteMake(out, family, make as RouteMake);
  });
  return new Uint32Array(writer.copy().buffer);
}

function widened(column: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(Math.max(length, column.length * 4));
  wider.set(column);
  return wider;
}

/** Both kinds of message say where they lead to, and that in the same place. */
function destinationOf(payload: Uint8Array): string {
  const end = DESTINATION_OCTETS + (familyFromNumber(payload[0]!) === 4 ? 4 : 16);
  return prefixFromBytes(payload.subarray(DESTINATION_OCTETS, end), payload[1]!);
}

/** A word in the order of the network; every host that we run on is little-endian. */
function swapped(word: number): number {
  return (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24);
}
