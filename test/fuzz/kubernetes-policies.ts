/** Random policies of Kubernetes: NetworkPolicy and ClusterNetworkPolicy. */
import { type Fields, namespaces, portNames, portPool } from './policy-pools.ts';
import type { Random } from './random.ts';

function labelSelector(random: Random, keys: readonly string[]): Fields {
  const expression = (): Fields => {
    const operator = random.one(['In', 'NotIn', 'Exists', 'DoesNotExist']);
    const takesValues = operator === 'In' || operator === 'NotIn';
    return {
      key: random.one(keys),
      operator,
      ...(takesValues ? { values: random.some(['x', 'y', 'xy'], 1, 2) } : {}),
    };
  };
  return {
    ...(random.chance(0.35) ? { matchLabels: { [random.one(keys)]: random.one(['x', 'y']) } } : {}),
    ...(random.chance(0.35) ? { matchExpressions: [expression()] } : {}),
  };
}

/** The spec of a NetworkPolicy of Kubernetes. */
export function kubernetesSpec(random: Random): Fields {
  const policyTypes = random.one([undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']]);
  const rules = (peers: string): Fields[] =>
    Array.from({ length: random.integer(0, 3) }, () => ({
      ...(random.chance(0.6)
        ? { [peers]: Array.from({ length: random.integer(0, 2) }, () => kubernetesPeer(random)) }
        : {}),
      ...(random.chance(0.5)
        ? { ports: Array.from({ length: random.integer(0, 2) }, () => kubernetesPort(random)) }
        : {}),
    }));
  return {
    podSelector: labelSelector(random, ['a', 'b', 'role']),
    ...(policyTypes === undefined ? {} : { policyTypes }),
    ...(random.chance(0.7) ? { ingress: rules('from') } : {}),
    ...(random.chance(0.5) ? { egress: rules('to') } : {}),
  };
}

function kubernetesPeer(random: Random): Fields {
  const pods = (): Fields => labelSelector(random, ['a', 'b', 'role']);
  const spaces = (): Fields =>
    random.chance(0.4)
      ? { matchLabels: { 'kubernetes.io/metadata.name': random.one(namespaces) } }
      : labelSelector(random, ['team', 'env']);
  switch (random.integer(0, 3)) {
    case 0:
      return { podSelector: pods() };
    case 1:
      return { namespaceSelector: spaces() };
    case 2:
      return { podSelector: pods(), namespaceSelector: spaces() };
    default:
      return {
        ipBlock: random.one([
          { cidr: '10.65.0.0/16', except: ['10.65.0.4/31'] },
          { cidr: '10.65.0.0/16', except: ['10.65.0.0/29', '10.65.0.6/32'] },
          { cidr: 'fd65::/64', except: ['fd65::/125'] },
          { cidr: '0.0.0.0/0' },
          { cidr: '::/0', except: ['2001:db8::/64'] },
          { cidr: '192.0.2.0/24' },
        ]),
      };
  }
}

function kubernetesPort(random: Random): Fields {
  const protocol = random.one([undefined, 'TCP', 'UDP', 'SCTP']);
  const first = random.one([53, 80, 1000, 1000]);
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...random.one([
      {},
      { port: random.one(portPool) },
      { port: random.one(portNames) },
      { port: first, endPort: first + random.one([0, 1, 10]) },
      { port: first, endPort: first + random.one([1, 10]) },
    ]),
  };
}

/** The spec of a ClusterNetworkPolicy. */
export function clusterSpec(random: Random): Fields {
  const rules = (direction: 'from' | 'to'): Fields[] =>
    Array.from({ length: random.integer(1, 3) }, () => {
      const named = random.chance(0.12);
      const peers = Array.from({ length: random.integer(1, 2) }, () => clusterPeer(random, direction, named));
      return {
        action: random.one(['Accept', 'Deny', 'Pass']),
        [direction]: peers,
        ...(named || random.chance(0.5) ? { protocols: clusterProtocols(random, named) } : {}),
      };
    });
  return {
    tier: random.one(['Admin', 'Baseline']),
    priority: random.one([0, 1, 1, 500]),
    subject: clusterPods(random),
    ...(random.chance(0.7) ? { ingress: rules('from') } : {}),
    ...(random.chance(0.6) ? { egress: rules('to') } : {}),
  };
}

function clusterPods(random: Random): Fields {
  const spaces = labelSelector(random, ['team', 'env']);
  if (random.chance(0.5)) return { namespaces: spaces };
  return { pods: { namespaceSelector: spaces, podSelector: labelSelector(random, ['a', 'b', 'role']) } };
}

function clusterPeer(random: Random, direction: 'from' | 'to', named: boolean): Fields {
  if (direction === 'from' || named || random.chance(0.5)) return clusterPods(random);
  if (random.chance(0.4)) return { nodes: labelSelector(random, ['rack']) };
  return {
    networks: random.some(
      ['10.65.0.0/29', '192.0.2.0/24', 'fd65::/125', '2001:db8::/64', '10.64.0.0/10'],
      1,
      3,
    ),
  };
}

function clusterProtocols(random: Random, named: boolean): Fields[] {
  if (named) return [{ destinationNamedPort: random.one(portNames) }];
  return Array.from({ length: random.integer(1, 2) }, () => ({
    [random.one(['tcp', 'tcp', 'udp', 'sctp'])]: random.one([
      {},
      { destinationPort: { number: random.one(portPool) } },
      { destinationPort: { range: { start: 50, end: 100 } } },
      { destinationPort: { range: { start: 1000, end: 1010 } } },
    ]),
  }));
}
