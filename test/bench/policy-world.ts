/**
 * A cluster for the policy benches: pods, a hundredth of them on node `one`, and policies of five rules or more in
 * three tiers that all select every pod, each with selectors, ports and nets of its own. What {@link CLIENTS} send to
 * {@link SERVICE_PORT} is decided by the last rule of the last policy; nothing before it matches.
 */
import { keyOf, type Resource, type ResourceKey } from '../../src/model/resource.ts';

export interface WorldSize {
  readonly pods: number;
  readonly policies: number;
  /** How many of the pods are on node `one`. */
  readonly local: number;
  /** One rule of each policy is about nets alone, on all ports. */
  readonly netsWithoutPorts?: boolean;
  /** Whom the last rule allows; {@link CLIENTS} if left out. */
  readonly clients?: string;
}

/** Sources outside the cluster that the last rule allows. */
export const CLIENTS = '198.18.0.0/15';
export const SERVICE_PORT = 9_999;
export const NODE = 'one';

const apiVersion = 'projectcalico.org/v3';
const NAMESPACES = 50;
const APPLICATIONS = 1_000;
const TIERS = ['security', 'platform', 'default'] as const;
const FIRST_PORT = 10_000;
const PORTS = 50_000;

/** Everything there is, in an order in which a datastore may tell it. */
export function* worldResources(size: WorldSize): Generator<Resource> {
  for (let index = 0; index < NAMESPACES; index++) yield namespaceProfile(index);
  for (const [index, name] of TIERS.entries()) {
    yield {
      apiVersion,
      kind: 'Tier',
      metadata: { name },
      spec: { order: index + 1, defaultAction: name === 'default' ? 'Deny' : 'Pass' },
    };
  }
  for (let index = 0; index < size.policies; index++) yield policy(index, size);
  for (let index = 0; index < size.pods; index++) yield pod(index, index < size.local);
}

/** A resource with its key, as a datastore tells it. */
export function told(resource: Resource): [ResourceKey, Resource] {
  return [keyOf(resource), resource];
}

/** The interface of a local pod. */
export function podInterface(index: number): string {
  return `cali${index}`;
}

export function podAddress(index: number): string {
  return `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** A pod; `index` tells everything about it. */
export function pod(index: number, local: boolean): Resource {
  const namespace = `ns${index % NAMESPACES}`;
  return {
    apiVersion,
    kind: 'WorkloadEndpoint',
    metadata: {
      name: `w${index}`,
      namespace,
      labels: { app: `app${index % APPLICATIONS}`, instance: `w${index}` },
    },
    spec: {
      node: local ? NODE : 'two',
      orchestrator: 'k8s',
      pod: `w${index}`,
      interfaceName: podInterface(index),
      ipNetworks: [`${podAddress(index)}/32`],
      profiles: [`kns.${namespace}`],
    },
  };
}

function namespaceProfile(index: number): Resource {
  return {
    apiVersion,
    kind: 'Profile',
    metadata: { name: `kns.ns${index}` },
    spec: {
      ingress: [{ action: 'Allow' }],
      egress: [{ action: 'Allow' }],
      labelsToApply: { 'pcns.projectcalico.org/name': `ns${index}` },
    },
  };
}

/** A policy; another `revision` moves one of its ports. */
export function policy(
  index: number,
  { policies, netsWithoutPorts = false, clients = CLIENTS }: Omit<WorldSize, 'pods' | 'local'>,
  revision = 0,
): Resource {
  const port = (rule: number): number => FIRST_PORT + ((index * 5 + rule + revision * 7) % PORTS);
  const nets = (rule: number): string[] =>
    Array.from({ length: 3 }, (_, net) => {
      const number = (index * 8 + rule * 4 + net) % (1 << 18);
      return `172.${16 + (number >> 14)}.${(number >> 6) & 255}.${(number & 63) << 2}/30`;
    });
  const application = `app${index}`;
  const rules: object[] = [
    {
      action: 'Allow',
      protocol: 'TCP',
      source: { selector: `app == '${application}'` },
      destination: { ports: [port(0)] },
    },
    {
      action: 'Allow',
      protocol: 'TCP',
      source: { nets: nets(0) },
      destination: { ports: [port(1), port(0)] },
    },
    {
      action: 'Deny',
      protocol: 'UDP',
      source: { selector: `app == '${application}' && instance != 'x${index}'` },
      destination: { ports: [port(2)] },
    },
    {
      action: 'Deny',
      protocol: 'TCP',
      source: { nets: nets(1) },
      destination: netsWithoutPorts ? {} : { ports: [port(3), port(2)] },
    },
    {
      action: 'Allow',
      protocol: 'UDP',
      source: { selector: `app in {'${application}', 'app${index + 1}'} && instance != 'y${index}'` },
      destination: { ports: [port(4), port(3)] },
    },
  ];
  if (index === policies - 1) {
    for (const protocol of ['TCP', 'UDP']) {
      rules.push({
        action: 'Allow',
        protocol,
        source: { nets: [clients] },
        destination: { ports: [SERVICE_PORT] },
      });
    }
  }
  return {
    apiVersion,
    kind: 'GlobalNetworkPolicy',
    metadata: { name: `p${index}` },
    spec: {
      // The last policy is the last of the last tier.
      tier: TIERS[(index + 3 - (policies % 3)) % 3]!,
      order: index,
      selector: `has(app) && instance != 'z${index}'`,
      types: ['Ingress'],
      ingress: rules,
    },
  };
}
