/**
 * What NAT outgoing is decided by: the pools that ask for it, all pools, all nodes, each as a set. The sets are out
 * while a pool masquerades; one change of a pool or node is one change of their members.
 */
import { type Prefix, hostPrefix, prefixAddress } from '../net/prefix.ts';
import { interfaceAddressParts, netPrefix } from '../model/fields.ts';
import type { IPPool } from '../model/kinds/ip-pool.ts';
import type { Node } from '../model/kinds/node.ts';
import { MemberSet } from './member-set.ts';
import type { NatOutgoingSets, NatPlan, SetDelta, SetId } from './output.ts';

/** The names that stand in `nft list`; no canonical selector looks like them. */
const setIds: NatOutgoingSets = {
  masqueraded: 'IP pools with natOutgoing',
  pools: 'IP pools',
  nodes: 'nodes',
};

type Role = keyof NatOutgoingSets;

const roles = Object.keys(setIds) as Role[];

export class NatOutgoing {
  /** What each resource brings into which set. */
  private readonly contributions = new Map<string, Readonly<Partial<Record<Role, readonly Prefix[]>>>>();
  /** Made by the first flush with a pool that masquerades, dropped by the first without one. */
  private sets: Readonly<Record<Role, MemberSet>> | undefined;
  private masquerading = 0;
  private flushed = false;

  setPool(name: string, spec: IPPool['spec'] | undefined): void {
    if (spec === undefined) {
      this.contribute(`IPPool/${name}`, undefined);
      return;
    }
    const { cidr, natOutgoing } = spec;
    this.contribute(`IPPool/${name}`, {
      pools: [cidr],
      ...(natOutgoing === true ? { masqueraded: [cidr] } : {}),
    });
  }

  setNode(name: string, node: Node | undefined): void {
    this.contribute(`Node/${name}`, node && { nodes: nodeAddresses(node) });
  }

  /** Takes the sets' changes into `deltas`; returns the plan if it changed. */
  flush(deltas: Map<SetId, SetDelta | undefined>): NatPlan | undefined {
    if (this.masquerading === 0) {
      this.sets = undefined;
      if (!this.flushed) return undefined;
      this.flushed = false;
      for (const role of roles) deltas.set(setIds[role], undefined);
      return { outgoing: undefined };
    }
    const sets = (this.sets ??= this.makeSets());
    for (const role of roles) {
      const delta = sets[role].flush();
      if (delta !== undefined) deltas.set(setIds[role], delta);
    }
    if (this.flushed) return undefined;
    this.flushed = true;
    return { outgoing: setIds };
  }

  private contribute(
    resource: string,
    after: Readonly<Partial<Record<Role, readonly Prefix[]>>> | undefined,
  ): void {
    const before = this.contributions.get(resource);
    if (after === undefined) this.contributions.delete(resource);
    else this.contributions.set(resource, after);
    this.masquerading += Number(after?.masqueraded !== undefined) - Number(before?.masqueraded !== undefined);
    const { sets } = this;
    if (sets === undefined) return;
    for (const role of roles) {
      // Added before removed, so that what stays is not seen to go.
      sets[role].add({ prefixes: after?.[role] ?? [], ports: [] });
      sets[role].remove({ prefixes: before?.[role] ?? [], ports: [] });
    }
  }

  private makeSets(): Readonly<Record<Role, MemberSet>> {
    const make = (role: Role): MemberSet => {
      const set = new MemberSet({ kind: 'addresses', description: setIds[role], port: undefined });
      for (const contribution of this.contributions.values()) {
        set.add({ prefixes: contribution[role] ?? [], ports: [] });
      }
      return set;
    };
    return { masqueraded: make('masqueraded'), pools: make('pools'), nodes: make('nodes') };
  }
}

/** Every address at which the node is reached, each once. */
function nodeAddresses({ spec }: Node): Prefix[] {
  const own = [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address]
    .filter((text) => text !== undefined)
    .map((text) => hostPrefix(interfaceAddressParts(text).address));
  const listed = (spec.addresses ?? []).map(({ address }) => hostPrefix(prefixAddress(netPrefix(address))));
  return [...new Set([...own, ...listed])];
}
