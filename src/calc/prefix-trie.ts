/**
 * A path-compressed binary trie of the prefixes of one family: which prefix covers which, in time proportional to
 * the length of an address.
 */
import type { Prefix } from '../net/prefix.ts';
import { parsePrefixParts } from '../net/prefix.ts';

interface TrieNode {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** The prefix, if it was inserted; a node without one only forks. */
  prefix: Prefix | undefined;
  zero: TrieNode | undefined;
  one: TrieNode | undefined;
}

/** A set of prefixes of one family. */
export class PrefixTrie {
  private root: TrieNode | undefined;

  /** Inserts a prefix that is not there. */
  insert(prefix: Prefix): void {
    const added = nodeOf(prefix);
    let parent: TrieNode | undefined;
    let node = this.root;
    while (node !== undefined) {
      const shared = sharedLength(node, added);
      if (shared < node.length) {
        this.attach(parent, shared === added.length ? adopt(added, node) : fork(node, added, shared));
        return;
      }
      if (added.length === node.length) {
        node.prefix = prefix;
        return;
      }
      parent = node;
      node = childToward(node, added.bytes);
    }
    this.attach(parent, added);
  }

  /** Removes a prefix that is there. */
  remove(prefix: Prefix): void {
    const gone = nodeOf(prefix);
    let grandparent: TrieNode | undefined;
    let parent: TrieNode | undefined;
    let node = this.root;
    while (node !== undefined && node.length < gone.length) {
      grandparent = parent;
      parent = node;
      node = childToward(node, gone.bytes);
    }
    if (node?.prefix !== prefix) throw new RangeError(`${prefix} is not in the trie`);
    node.prefix = undefined;
    if (node.zero !== undefined && node.one !== undefined) return;
    const heir = node.zero ?? node.one;
    if (parent === undefined) {
      this.root = heir;
      return;
    }
    replaceChild(parent, node, heir);
    // A fork that has one branch left is no fork.
    if (heir === undefined && parent.prefix === undefined) {
      const rest = parent.zero ?? parent.one;
      if (grandparent === undefined) this.root = rest;
      else replaceChild(grandparent, parent, rest);
    }
  }

  /** Whether a shorter prefix in the set covers this one. */
  isCovered(prefix: Prefix): boolean {
    const target = nodeOf(prefix);
    let node = this.root;
    while (node !== undefined && node.length < target.length) {
      if (sharedLength(node, target) < node.length) return false;
      if (node.prefix !== undefined) return true;
      node = childToward(node, target.bytes);
    }
    return false;
  }

  /** The longer prefixes that this one covers and that no other of those covers. */
  *largestBelow(prefix: Prefix): Generator<Prefix> {
    const target = nodeOf(prefix);
    let node = this.root;
    while (node !== undefined && node.length < target.length) {
      if (sharedLength(node, target) < node.length) return;
      node = childToward(node, target.bytes);
    }
    if (node === undefined || sharedLength(node, target) < target.length) return;
    const pending = node.length === target.length ? [node.one, node.zero] : [node];
    while (pending.length > 0) {
      const next = pending.pop();
      if (next === undefined) continue;
      if (next.prefix === undefined) pending.push(next.one, next.zero);
      else yield next.prefix;
    }
  }

  private attach(parent: TrieNode | undefined, child: TrieNode): void {
    if (parent === undefined) this.root = child;
    else if (bitAt(child.bytes, parent.length) === 0) parent.zero = child;
    else parent.one = child;
  }
}

function nodeOf(prefix: Prefix): TrieNode {
  const parts = parsePrefixParts(prefix);
  if (parts === undefined) throw new RangeError(`not an IP prefix: ${JSON.stringify(prefix)}`);
  return { bytes: parts.bytes, length: parts.length, prefix, zero: undefined, one: undefined };
}

/** Puts `upper` above `lower`, which it covers. */
function adopt(upper: TrieNode, lower: TrieNode): TrieNode {
  if (bitAt(lower.bytes, upper.length) === 0) upper.zero = lower;
  else upper.one = lower;
  return upper;
}

/** A node above two that part at bit `length`. */
function fork(a: TrieNode, b: TrieNode, length: number): TrieNode {
  const node: TrieNode = { bytes: a.bytes, length, prefix: undefined, zero: undefined, one: undefined };
  return adopt(adopt(node, a), b);
}

function replaceChild(parent: TrieNode, child: TrieNode, replacement: TrieNode | undefined): void {
  if (parent.zero === child) parent.zero = replacement;
  else parent.one = replacement;
}

function childToward(node: TrieNode, bytes: Uint8Array): TrieNode | undefined {
  return bitAt(bytes, node.length) === 0 ? node.zero : node.one;
}

function bitAt(bytes: Uint8Array, index: number): number {
  return (bytes[index >> 3]! >> (7 - (index & 7))) & 1;
}

/** How many leading bits two nodes share, at most the length of the shorter. */
function sharedLength(a: TrieNode, b: TrieNode): number {
  const limit = Math.min(a.length, b.length);
  for (let index = 0; index * 8 < limit; index++) {
    const difference = a.bytes[index]! ^ b.bytes[index]!;
    if (difference !== 0) return Math.min(limit, index * 8 + Math.clz32(difference) - 24);
  }
  return limit;
}
