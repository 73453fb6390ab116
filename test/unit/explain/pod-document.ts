interface Pod {
  readonly node: string;
  readonly name: string;
  /** Value of its label `app`. */
  readonly app: string;
  /** In YAML's flow style, as are the ports. */
  readonly networks: string;
  readonly ports?: string;
}

/** The YAML document of a pod of namespace and profile `shop`. */
export function podDocument({ node, name, app, networks, ports = '[]' }: Pod): string {
  return `apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: ${node}-k8s-${name}-eth0, namespace: shop, labels: {app: ${app}}}
spec:
  {orchestrator: k8s, node: ${node}, pod: ${name}, endpoint: eth0, ipNetworks: ${networks}, profiles: [kns.shop],
   ports: ${ports}}`;
}
