/** Host endpoints of random clusters, and what makes a global policy one of theirs. */
import { hostPlaces, strangers, thisNode } from './policy-places.ts';
import { type Fields, portPool, vxlanPorts } from './policy-pools.ts';
import type { Random } from './random.ts';

/** A resource of kinds that concern hosts, but for its apiVersion. */
interface HostDocument {
  readonly kind: 'HostEndpoint' | 'FelixConfiguration';
  readonly metadata: Fields & { readonly name: string };
  readonly spec: Fields;
}

/** The node's host endpoints, those of others that selectors may select, and its FelixConfiguration. */
export function makeHosts(
  random: Random,
  labels: (keys: readonly string[]) => Record<string, string>,
): HostDocument[] {
  const [outside, fabric] = hostPlaces;
  const own = random.some(
    [
      { interfaceName: 'outside' },
      { interfaceName: 'outside', expectedIPs: [outside![4], outside![6]] },
      { interfaceName: 'fabric', expectedIPs: [fabric![6]] },
      { interfaceName: '*', expectedIPs: [outside![4]] },
      { interfaceName: '*' },
      { interfaceName: '*' },
      { expectedIPs: [outside![6]] },
      { expectedIPs: [fabric![4], fabric![6]] },
    ],
    1,
    3,
  );
  const hosts = own.map((spec, index): HostDocument => ({
    kind: 'HostEndpoint',
    metadata: { name: `host${index}`, labels: labels(['a', 'b', 'role']) },
    spec: {
      node: thisNode,
      ...spec,
      ...(random.chance(0.6)
        ? { profiles: [random.one(['projectcalico-default-allow', 'projectcalico-default-allow', 'extra'])] }
        : {}),
      ...(random.chance(0.5)
        ? { ports: [{ name: 'http', protocol: 'TCP', port: random.one([80, 443]) }] }
        : {}),
    },
  }));
  const stranger = random.one(strangers);
  const others: HostDocument[] = random.chance(0.4)
    ? [
        {
          kind: 'HostEndpoint',
          metadata: { name: 'other', labels: labels(['a', 'b', 'role']) },
          spec: { node: 'two', interfaceName: '*', expectedIPs: [stranger[4], stranger[6]] },
        },
      ]
    : [];
  const felix: HostDocument[] = random.chance(0.8)
    ? [
        {
          kind: 'FelixConfiguration',
          metadata: { name: 'default' },
          spec: {
            defaultEndpointToHostAction: random.one(['Accept', 'Accept', 'Return', 'Drop']),
            ...(random.chance(0.3) ? { allowVXLANPacketsFromWorkloads: random.chance(0.7) } : {}),
            ...(random.chance(0.3) ? { allowIPIPPacketsFromWorkloads: random.chance(0.7) } : {}),
            ...(random.chance(0.3) ? { vxlanPort: random.one(vxlanPorts) } : {}),
            ...(random.chance(0.8) ? { failsafeInboundHostPorts: failsafes(random) } : {}),
            ...(random.chance(0.8) ? { failsafeOutboundHostPorts: failsafes(random) } : {}),
          },
        },
      ]
    : [];
  return [...hosts, ...others, ...felix];
}

function failsafes(random: Random): Fields[] {
  return Array.from({ length: random.integer(0, 3) }, () => ({
    protocol: random.one(['tcp', 'tcp', 'udp', 'sctp']),
    port: random.one(portPool),
    ...(random.chance(0.4)
      ? { net: random.one(['192.0.2.0/24', '0.0.0.0/0', '2001:db8::/64', '::/0', '10.66.0.2']) }
      : {}),
  }));
}

/** Where a global policy is asked; what it says of other directions has to be left out before translation. */
export function stageOf(random: Random): Fields {
  const share = random.fraction();
  if (share < 0.3) return {};
  if (share < 0.7) return { applyOnForward: true };
  if (share < 0.85) return { applyOnForward: true, doNotTrack: true };
  return { applyOnForward: true, preDNAT: true, types: ['Ingress'], egress: [] };
}
