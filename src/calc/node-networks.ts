/**
 * Networks that rules outside policy are decided by, each as a set: the pools that ask for NAT outgoing, all pools, all
 * nodes, the ranges of services. A set is out while something looks it up; one change of a pool or node is one change
 * of its members.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Prefix } from '../net/prefix.ts';
import type { BGPConfiguration } from '../model/kinds/bgp-configuration.ts';
import type { IPPool } from '../model/kinds/ip-pool.ts';
import type { Node } from '../model/kinds/node.ts';
import { nodeAddresses, prefixesOf } from './endpoint-facts.ts';
import { MemberSet } from './member-set.ts';
import type { NetworkPlan, SetDelta, SetId } from './output.ts';

/** The names that stand in `nft list`; no canonical selector looks like them. */
const setIds = {
  masqueraded: 'IP pools with natOutgoing',
  pools: 'IP pools',
  nodes: 'nodes',
  services: 'ranges of services',
} as const satisfies Readonly<Record<string, SetId>>;

type Role = keyof typeof setIds;
type Contributions = Readonly<Partial<Record<Role, readonly Prefix[]>>>;

const roles = Object.keys(setIds) as Role[];

export class NodeNetworks {
  /** What each resource brings into which set. */
  private readonly contributions = new Map<string, Contributions>();
  /** The sets that are out. */
  private readonly sets = new Map<Role, MemberSet>();
  /** How many resources bring something, by role. */
  private readonly sources: Record<Role, number> = { masqueraded: 0, pools: 0, nodes: 0, services: 0 };
  /** Endpoints of this node whose packets to elsewhere than pools get a code point. */
  private readonly marking = new Set<string>();
  private flushed: NetworkPlan = { outgoing: undefined, pools: undefined, services: undefined };

  setPool(name: string, spec: IPPool['spec'] | undefined): void {
    this.contribute(
      `IPPool/${name}`,
      spec && { pools: [spec.cidr], ...(spec.natOutgoing === true ? { masqueraded: [spec.cidr] } : {}) },
    );
  }

  setNode(name: string, node: Node | undefined): void {
    this.contribute(`Node/${name}`, node && { nodes: nodeAddresses(node) });
  }

  /** Service ranges are those of the configuration of all nodes. */
  setBgpConfiguration(name: string, spec: BGPConfiguration['spec'] | undefined): void {
    if (name !== 'default') return;
    const { serviceClusterIPs = [], serviceExternalIPs = [], serviceLoadBalancerIPs = [] } = spec ?? {};
    const ranges = [...serviceClusterIPs, ...serviceExternalIPs, ...serviceLoadBalancerIPs];
    const services = prefixesOf(ranges.map(({ cidr }) => cidr));
    this.contribute('BGPConfiguration/default', services.length === 0 ? undefined : { services });
  }

  setMarking(endpoint: string, marks: boolean): void {
    if (marks) this.marking.add(endpoint);
    else this.marking.delete(endpoint);
  }

  /** Takes the sets' changes into `deltas`; returns the plan if it changed. */
  flush(deltas: Map<SetId, SetDelta | undefined>): NetworkPlan | undefined {
    const masquerades = this.sources.masqueraded > 0;
    const wanted: Readonly<Record<Role, boolean>> = {
      masqueraded: masquerades,
      pools: masquerades || this.marking.size > 0,
      nodes: masquerades,
      services: this.sources.services > 0,
    };
    for (const role of roles) {
      if (wanted[role]) {
        const delta = this.setOf(role).flush();
        if (delta !== undefined) deltas.set(setIds[role], delta);
      } else if (this.sets.delete(role)) {
        deltas.set(setIds[role], undefined);
      }
    }
    const { masqueraded, pools, nodes, services } = setIds;
    const plan: NetworkPlan = {
      outgoing: masquerades ? { masqueraded, pools, nodes } : undefined,
      pools: wanted.pools ? pools : undefined,
      services: wanted.services ? services : undefined,
    };
    if (isDeepStrictEqual(plan, this.flushed)) return undefined;
    this.flushed = plan;
    return plan;
  }

  private contribute(resource: string, after: Contributions | undefined): void {
    const before = this.contributions.get(resource);
    if (after === undefined) this.contributions.delete(resource);
    else this.contributions.set(resource, after);
    for (const role of roles) {
      this.sources[role] += Number(after?.[role] !== undefined) - Number(before?.[role] !== undefined);
      const set = this.sets.get(role);
      // Added before removed, so that what stays is not seen to go.
      set?.add({ prefixes: after?.[role] ?? [], ports: [] });
      set?.remove({ prefixes: before?.[role] ?? [], ports: [] });
    }
  }

  private setOf(role: Role): MemberSet {
    const known = this.sets.get(role);
    if (known !== undefined) return known;
    const set = new MemberSet({ kind: 'addresses', description: setIds[role], port: undefined });
    for (const contribution of this.contributions.values()) {
      set.add({ prefixes: contribution[role] ?? [], ports: [] });
    }
    this.sets.set(role, set);
    return set;
  }
}
