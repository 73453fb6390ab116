/**
 * Makes messages that are nearly valid. Most changes keep the lengths true, so that the damage is met where it is meant
 * to be, deep in an attribute, and not already at the door.
 */
import type { CorpusMessage } from './bgp-corpus.ts';
import { type Attribute, HEADER, type Parts, putTogether, relabelled, takeApart } from './bgp-message.ts';
import type { Random } from './random.ts';

interface Base extends CorpusMessage {
  readonly parts: Parts | undefined;
}

/** A message to be tried, and its session's place in SESSIONS. */
export interface Case {
  readonly bytes: Uint8Array;
  readonly session: number;
}

/** Octets that have broken parsers before. */
const TELLING = [0, 1, 2, 3, 4, 0x0f, 0x10, 0x1f, 0x20, 0x21, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];
/** Types that somebody reads, beside all others. */
const CODES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 22, 23, 25, 26, 28, 29, 32, 35, 40, 128];
const FLAGS = [0x00, 0x20, 0x40, 0x50, 0x60, 0x80, 0x90, 0xc0, 0xd0, 0xe0, 0xf0];
const ENOUGH = 66_000;

export class Mutator {
  private readonly bases: readonly Base[];
  private readonly updates: readonly (Base & { readonly parts: Parts })[];

  constructor(
    corpus: readonly CorpusMessage[],
    private readonly sessions: number,
  ) {
    this.bases = corpus.map((message) => ({ ...message, parts: takeApart(message.bytes) }));
    this.updates = this.bases.filter(
      (base): base is Base & { readonly parts: Parts } =>
        base.parts !== undefined && base.parts.attributes.length > 0,
    );
  }

  /** A case made of random choices only: the same choices make the same case. */
  make(random: Random): Case {
    if (random.chance(0.15)) {
      const { bytes, session } = random.one(this.bases);
      return { bytes: this.octets(bytes.slice(), random), session: this.sessionFor(session, random) };
    }
    const { parts, session } = random.one(this.updates);
    let changed = parts;
    for (let count = random.integer(1, 3); count > 0; count--) changed = this.structure(changed, random);
    const bytes = putTogether(changed);
    return {
      bytes: random.chance(0.1) ? this.octets(bytes, random) : bytes,
      session: this.sessionFor(session, random),
    };
  }

  /** Now and then the message arrives on a session of another kind. */
  private sessionFor(session: number, random: Random): number {
    return random.chance(0.1) ? random.integer(0, this.sessions - 1) : session;
  }

  private structure(parts: Parts, random: Random): Parts {
    const { attributes } = parts;
    const kind = random.integer(0, 19);
    if (kind === 0) return { ...parts, nlri: this.prefixes(parts.nlri, random) };
    if (kind === 1) return { ...parts, withdrawn: this.prefixes(parts.withdrawn, random) };
    const other = random.one(this.updates).parts;
    if (kind === 2) return { ...parts, nlri: other.nlri };
    if (attributes.length === 0) return { ...parts, attributes: other.attributes };
    const at = random.integer(0, attributes.length - 1);
    const chosen = attributes[at]!;
    const replaced = (...by: readonly Attribute[]): Parts => ({
      ...parts,
      attributes: attributes.toSpliced(at, 1, ...by),
    });
    switch (kind) {
      case 3:
        return replaced();
      case 4:
        return replaced(chosen, chosen);
      case 5:
      case 6:
        return replaced(chosen, random.one(other.attributes));
      case 7:
        return { ...parts, attributes: [...attributes.toSpliced(at, 1), chosen] };
      case 8:
        return replaced({ ...chosen, code: random.chance(0.7) ? random.one(CODES) : random.integer(0, 255) });
      case 9:
        return replaced({
          ...chosen,
          flags: random.chance(0.7) ? random.one(FLAGS) : random.integer(0, 255),
        });
      case 10:
        return replaced({ ...chosen, flags: chosen.flags ^ (1 << random.integer(4, 7)) });
      case 11:
        return replaced({ ...chosen, lie: random.one([-4, -2, -1, 1, 2, 4, 255, 0x7fff]) });
      case 12:
        return replaced({
          ...chosen,
          value: chosen.value.subarray(0, random.integer(0, chosen.value.length)),
        });
      case 13: {
        const value = new Uint8Array(chosen.value.length + random.integer(1, 8));
        value.set(chosen.value);
        return replaced({ ...chosen, value });
      }
      default:
        return replaced({ ...chosen, value: this.value(chosen.value, random) });
    }
  }

  /** Octets of a value set to others, its length kept. */
  private value(before: Uint8Array, random: Random): Uint8Array {
    if (before.length === 0) return before;
    const value = before.slice();
    for (let count = random.integer(1, 3); count > 0; count--) {
      // Headers inside of values come first: types, counts, lengths.
      const last = random.chance(0.5) ? Math.min(value.length, 8) : value.length;
      value[random.integer(0, last - 1)] = octet(random);
    }
    return value;
  }

  private prefixes(before: Uint8Array, random: Random): Uint8Array {
    if (before.length === 0 || random.chance(0.3)) {
      const more = Uint8Array.from({ length: random.integer(1, 6) }, () => octet(random));
      const joined = new Uint8Array(before.length + more.length);
      joined.set(before);
      joined.set(more, before.length);
      return joined;
    }
    return random.chance(0.3)
      ? before.subarray(0, random.integer(0, before.length))
      : this.value(before, random);
  }

  /** Changes octets anywhere, header included; the length in the header mostly stays true. */
  private octets(before: Uint8Array, random: Random): Uint8Array {
    let bytes = before;
    for (let count = random.integer(1, 4); count > 0; count--) {
      const at = random.chance(0.05)
        ? random.integer(0, HEADER - 1)
        : random.integer(Math.min(HEADER, bytes.length - 1), bytes.length - 1);
      switch (random.integer(0, 5)) {
        case 0:
          bytes = without(bytes, at, random.integer(1, 4));
          break;
        case 1:
          bytes = withMore(bytes, at, random);
          break;
        case 2:
          bytes[at] = bytes[at]! ^ (1 << random.integer(0, 7));
          break;
        default:
          bytes[at] = octet(random);
      }
    }
    return bytes;
  }
}

function octet(random: Random): number {
  return random.chance(0.6) ? random.one(TELLING) : random.integer(0, 255);
}

function without(bytes: Uint8Array, at: number, count: number): Uint8Array {
  if (at < HEADER) return bytes;
  const left = new Uint8Array(Math.max(HEADER, bytes.length - count));
  left.set(bytes.subarray(0, Math.min(at, left.length)));
  left.set(bytes.subarray(at + count).subarray(0, Math.max(0, left.length - at)), Math.min(at, left.length));
  return relabelled(left);
}

function withMore(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  if (at < HEADER || bytes.length > ENOUGH) return bytes;
  const more = random.integer(1, 4);
  const grown = new Uint8Array(bytes.length + more);
  grown.set(bytes.subarray(0, at));
  for (let index = 0; index < more; index++) grown[at + index] = octet(random);
  grown.set(bytes.subarray(at), at + more);
  return relabelled(grown);
}
