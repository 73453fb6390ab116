/** A conformance suite in one shape, whatever format it was written in (conformance-format.ts). Pure. */
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../net/address.ts';
import { maskBytes } from '../net/prefix.ts';
import type { ProbeService } from './probe.ts';
import type { TopologyPort } from './topology.ts';

export interface Suite {
  readonly name: string;
  /** Labels by namespace. */
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly pods: readonly SuitePod[];
  readonly cases: readonly SuiteCase[];
  /** What of the file was not understood and left out, in words. */
  readonly notes: readonly string[];
}

export interface SuitePod {
  /** `NAMESPACE/POD`. */
  readonly name: string;
  readonly namespace: string;
  readonly pod: string;
  /** From 1; round robin when left out. */
  readonly node?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly TopologyPort[];
  readonly ips?: readonly Address[];
}

export interface SuiteCase {
  readonly name: string;
  /** Why it is not to be judged, if so. */
  readonly skip?: string;
  readonly steps: readonly SuiteStep[];
}

export interface SuiteStep {
  /** Resources as users write them, made or replaced. */
  readonly apply: readonly unknown[];
  readonly remove: readonly ResourceReference[];
  readonly labels: readonly LabelChange[];
  readonly probes: readonly ProbeSet[];
}

/** A resource by what its document says. */
export interface ResourceReference {
  /** Tells two kinds of one name apart, if given. */
  readonly apiVersion?: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** A whole new set of labels; `add` keeps the others. */
export interface LabelChange {
  readonly kind: 'Pod' | 'Namespace';
  /** `NAMESPACE/POD` or the namespace. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly add: boolean;
}

/** Every ordered pair of different `pods` is probed once; what `open` lists must answer, the rest must not. */
export interface ProbeSet {
  readonly service: ProbeService;
  readonly pods: readonly string[];
  readonly open: ReadonlyMap<string, ReadonlySet<string>>;
}

const PLACEHOLDER = /\$\{(ip|net4):([^}]+)\}(\/(?:32|128))?/g;

/** The pods whose addresses a case names: it means another thing in each family. None if it names no address. */
export function addressedPods({ steps }: SuiteCase): string[] {
  const changes = JSON.stringify(steps.map(({ apply, remove, labels }) => [apply, remove, labels]));
  return [...new Set([...changes.matchAll(PLACEHOLDER)].map(([, , pod]) => pod!))];
}

/**
 * Replaces `${ip:NAMESPACE/POD}` by the pod's address of a family and `${net4:…}` by the prefix of 4 bits around it, in
 * every text of a document. `${ip:…}/32` and `/128` become the host prefix of the family. Throws what `addressOf` throws.
 */
export function substitute<T>(
  document: T,
  family: Family,
  addressOf: (pod: string, family: Family) => Address,
): T {
  const text = JSON.stringify(document).replace(
    PLACEHOLDER,
    (_, kind: string, pod: string, host?: string) => {
      const address = addressOf(pod, family);
      if (kind === 'net4') return `${formatAddress(maskBytes(addressBytes(address), 4))}/4`;
      return host === undefined ? address : `${address}/${familyOf(address) === 4 ? 32 : 128}`;
    },
  );
  return JSON.parse(text) as T;
}
