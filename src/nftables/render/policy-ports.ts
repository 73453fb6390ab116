/**
 * Which policies of a tier are about which destination port of one protocol. Ports of narrow ranges are kept one by
 * one, because a hash is found faster than a tree and changes port by port; wide ranges are kept as segments.
 */
import type { PortRange } from '../../calc/output.ts';

/** Neighbouring ports that the same policies are about: indexes of policies, ascending. */
export interface Segment extends PortRange {
  readonly policies: readonly number[];
}

const HIGHEST_PORT = 65_535;
/** A range of so many ports or fewer is written out port by port. */
const MOST_SINGLE_PORTS = 16;

export class PolicyPorts {
  /** By port, the policies with a narrow range that it is in, ascending. */
  private readonly single = new Map<number, number[]>();
  /** Every port from 0 to 65535 in order, by the policies with a wide range that it is in; also by none. */
  readonly segments: readonly Segment[];
  /** How many ports and segments have the same list of policies. */
  private readonly lists = new Map<string, number>();
  private listedPolicies = 0;

  /** `ranges` of each policy, sorted and disjoint. */
  constructor(ranges: readonly (readonly PortRange[])[]) {
    this.segments = segmentsOf(ranges.map((own) => own.filter(isWide)));
    for (const [policy, own] of ranges.entries()) {
      for (const port of singlePortsOf(own)) {
        const known = this.single.get(port);
        if (known === undefined) this.single.set(port, [policy]);
        else known.push(policy);
      }
    }
    for (const { policies } of this.segments) this.count(policies, 1);
    for (const port of this.single.keys()) this.count(this.policiesAt(port), 1);
  }

  /** How many policies all the different lists of them name. */
  get listed(): number {
    return this.listedPolicies;
  }

  /** Whether ports tell anything about who is concerned. */
  get tells(): boolean {
    return this.hasSinglePorts || this.segments.length > 1;
  }

  get hasSinglePorts(): boolean {
    return this.single.size > 0;
  }

  get hasWideRanges(): boolean {
    return this.segments.some(({ policies }) => policies.length > 0);
  }

  /** The ports of narrow ranges, ascending. */
  singlePorts(): number[] {
    return [...this.single.keys()].toSorted((a, b) => a - b);
  }

  /** Every policy that is about a port, with whatever range; undefined for a port that is in no narrow one. */
  policiesAt(port: number): readonly number[] | undefined {
    const single = this.single.get(port);
    if (single === undefined) return undefined;
    const wide = this.segmentAt(port).policies;
    return wide.length === 0 ? [...single] : [...new Set([...single, ...wide])].toSorted((a, b) => a - b);
  }

  private segmentAt(port: number): Segment {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle]!.first <= port) low = middle;
      else high = middle - 1;
    }
    return this.segments[low]!;
  }

  /** Gives a policy other narrow ranges. Returns the ports about which it matters. */
  move(policy: number, from: readonly PortRange[], to: readonly PortRange[]): number[] {
    const before = new Set(singlePortsOf(from));
    const after = new Set(singlePortsOf(to));
    const touched: number[] = [];
    for (const port of new Set([...before, ...after])) {
      if (before.has(port) === after.has(port)) continue;
      touched.push(port);
      this.count(this.policiesAt(port), -1);
      const policies = (this.single.get(port) ?? []).filter((one) => one !== policy);
      if (after.has(port)) policies.push(policy);
      if (policies.length === 0) this.single.delete(port);
      else
        this.single.set(
          port,
          policies.toSorted((a, b) => a - b),
        );
      this.count(this.policiesAt(port), 1);
    }
    return touched;
  }

  private count(policies: readonly number[] | undefined, by: 1 | -1): void {
    if (policies === undefined) return;
    const key = policies.join();
    const before = this.lists.get(key) ?? 0;
    if (before === 0) this.listedPolicies += policies.length;
    if (before + by > 0) {
      this.lists.set(key, before + by);
      return;
    }
    this.lists.delete(key);
    this.listedPolicies -= policies.length;
  }
}

/** Whether two policies' wide ranges are the same. */
export function sameWideRanges(one: readonly PortRange[], other: readonly PortRange[]): boolean {
  const text = (ranges: readonly PortRange[]): string => JSON.stringify(ranges.filter(isWide));
  return text(one) === text(other);
}

function isWide({ first, last }: PortRange): boolean {
  return last - first + 1 > MOST_SINGLE_PORTS;
}

function singlePortsOf(ranges: readonly PortRange[]): number[] {
  return ranges
    .filter((range) => !isWide(range))
    .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, port) => first + port));
}

/** All ports from 0 to 65535 in order, those included that no range is about. */
function segmentsOf(ranges: readonly (readonly PortRange[])[]): Segment[] {
  const changes = new Map<number, { readonly begin: number[]; readonly end: number[] }>([
    [0, { begin: [], end: [] }],
  ]);
  const at = (port: number): { readonly begin: number[]; readonly end: number[] } => {
    let change = changes.get(port);
    if (change === undefined) changes.set(port, (change = { begin: [], end: [] }));
    return change;
  };
  for (const [index, own] of ranges.entries()) {
    for (const { first, last } of own) {
      at(first).begin.push(index);
      if (last < HIGHEST_PORT) at(last + 1).end.push(index);
    }
  }
  const open = new Set<number>();
  const segments: Segment[] = [];
  const starts = [...changes.keys()].toSorted((a, b) => a - b);
  for (const [position, first] of starts.entries()) {
    const { begin, end } = changes.get(first)!;
    for (const index of end) open.delete(index);
    for (const index of begin) open.add(index);
    const last = (starts[position + 1] ?? HIGHEST_PORT + 1) - 1;
    segments.push({ first, last, policies: [...open].toSorted((a, b) => a - b) });
  }
  return segments;
}
