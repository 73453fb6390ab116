/** What the benches of the datastores are filled with: endpoints and policies as clusters have them. */
import type { Resource } from '../../src/model/resource.ts';

const NODES = 200;
const NAMESPACES = 100;
const APPS = 400;

function endpoint(index: number): Resource {
  const namespace = `ns-${index % NAMESPACES}`;
  const node = `node-${index % NODES}`;
  const pod = `app-${index % APPS}-${index.toString(36).padStart(5, '0')}`;
  const [high, low] = [(index >> 8) & 255, index & 255];
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: {
      name: `${node.replaceAll('-', '--')}-k8s-${pod.replaceAll('-', '--')}-eth0`,
      namespace,
      labels: {
        app: `app-${index % APPS}`,
        tier: index % 3 === 0 ? 'frontend' : 'backend',
        'projectcalico.org/namespace': namespace,
        'projectcalico.org/orchestrator': 'k8s',
        'projectcalico.org/serviceaccount': 'default',
      },
    },
    spec: {
      orchestrator: 'k8s',
      node,
      pod,
      endpoint: 'eth0',
      containerID: index.toString(16).padStart(64, '0'),
      ipNetworks: [
        `10.${64 + (index >> 16)}.${high}.${low}/32`,
        `fd00:64::${high.toString(16)}:${low.toString(16)}/128`,
      ],
      profiles: [`kns.${namespace}`, `ksa.${namespace}.default`],
      interfaceName: `cali${index.toString(16).padStart(11, '0')}`,
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    },
  };
}

function policy(index: number): Resource {
  const app = (offset: number): string => `app == "app-${(index * 7 + offset) % APPS}"`;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkPolicy',
    metadata: { name: `default.policy-${index}`, namespace: `ns-${index % NAMESPACES}` },
    spec: {
      tier: 'default',
      order: 100 + index,
      selector: app(0),
      types: ['Ingress', 'Egress'],
      ingress: [
        { action: 'Allow', protocol: 'TCP', source: { selector: app(1) }, destination: { ports: [80, 443] } },
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { nets: [`192.168.${index & 255}.0/24`] },
          destination: { ports: [8080] },
        },
        {
          action: 'Deny',
          source: { namespaceSelector: `kubernetes.io/metadata.name == "ns-${index % 50}"` },
        },
      ],
      egress: [
        { action: 'Allow', protocol: 'UDP', destination: { selector: 'k8s-app == "kube-dns"', ports: [53] } },
        { action: 'Allow', protocol: 'TCP', destination: { selector: app(2), ports: ['5432:5440'] } },
      ],
    },
  };
}

/** So many endpoints and policies, all different. */
export function datastoreWorld(endpoints: number, policies: number): Resource[] {
  return [
    ...Array.from({ length: endpoints }, (_, index) => endpoint(index)),
    ...Array.from({ length: policies }, (_, index) => policy(index)),
  ];
}
