/** Workloads of this node as ends of BGP sessions (BGPPeer.localWorkloadSelector): which of them each BGPPeer selects. */
import type { Address } from '../../net/address.ts';
import { LabelIndex, type Labels } from '../label-index.ts';
import { matcherOfText } from '../selector-matcher.ts';

/** A workload that BGP sessions may lead to. */
export interface WorkloadEnd {
  /** `namespace/name` of its WorkloadEndpoint. */
  readonly key: string;
  readonly addresses: readonly Address[];
}

export class WorkloadEnds {
  private readonly addresses = new Map<string, readonly Address[]>();
  private readonly selectors = new Map<string, string>();
  private readonly index = new LabelIndex({
    joined: () => this.change(),
    left: () => this.change(),
    started: () => this.change(),
    stopped: () => this.change(),
  });

  /** `changed` is called when {@link selectedBy} may give something else. */
  constructor(private readonly changed: () => void) {}

  /** Sets a workload of this node with its own labels and the profiles that it inherits labels from. */
  setWorkload(key: string, addresses: readonly Address[], labels: Labels, profiles: readonly string[]): void {
    const before = this.addresses.get(key);
    this.addresses.set(key, addresses);
    this.index.setItem(key, labels, profiles);
    if (before?.join() !== addresses.join()) this.change();
  }

  deleteWorkload(key: string): void {
    if (this.addresses.delete(key)) this.index.deleteItem(key);
  }

  /** Sets the labels that a profile gives; undefined: it is gone. */
  setProfile(name: string, labels: Labels | undefined): void {
    this.index.setParent(name, labels);
  }

  /** Sets the localWorkloadSelector of a BGPPeer; undefined: it has none. */
  setSelector(peer: string, selector: string | undefined): void {
    if (this.selectors.get(peer) === selector) return;
    if (this.selectors.delete(peer)) this.index.deleteSelector(peer);
    if (selector === undefined) return;
    this.selectors.set(peer, selector);
    this.index.addSelector(peer, matcherOfText(selector));
  }

  /** The workloads that a BGPPeer selects, by their keys. */
  selectedBy(peer: string): readonly WorkloadEnd[] {
    return [...this.index.groupsOf(peer)]
      .flatMap(({ items }) => [...items])
      .toSorted()
      .map((key) => ({ key, addresses: this.addresses.get(key)! }));
  }

  /** Without a selector nothing here is of interest. */
  private change(): void {
    if (this.selectors.size > 0) this.changed();
  }
}
