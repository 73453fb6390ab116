/** Fields that are numbers between two bounds: both bounds, and the numbers just beyond. */
import { type RuleCases, fieldRule } from './case.ts';

const bounds: readonly (readonly [
  kind: string,
  path: string,
  source: string,
  least: number,
  most: number,
])[] = [
  ['BGPConfiguration', 'listenPort', 'calico.md §2.2', 1, 65535],
  ['BGPPeer', 'ttlSecurity', 'RFC 5082, calico.md §2.3', 0, 255],
  ['CalicoNodeStatus', 'updatePeriodSeconds', 'api/nodestatus.go', 0, 86_400],
  ['IPAMConfiguration', 'ipCooldownSeconds', 'calico.md §1.2', 0, 1200],
  ['KubeControllersConfiguration', 'prometheusMetricsPort', 'api/kubecontrollersconfig.go', 0, 65535],
  ['KubeControllersConfiguration', 'debugProfilePort', 'api/kubecontrollersconfig.go', 0, 65535],
  ['FelixConfiguration', 'healthPort', 'calico.md §1.10', 1, 65535],
  ['FelixConfiguration', 'prometheusMetricsPort', 'calico.md §1.10', 1, 65535],
  ['FelixConfiguration', 'vxlanPort', 'calico.md §1.10', 1, 65535],
  ['FelixConfiguration', 'deviceRouteProtocol', 'calico.md §1.10', 0, 255],
  ['BGPFilter', 'exportV4[0].priority', 'api/bgpfilter.go', 1, 2_147_483_646],
  ['BGPFilter', 'importV4[0].operations[0].setPriority.value', 'api/bgpfilter.go', 1, 2_147_483_646],
  ['BGPFilter', 'importV4[0].prefixLength.max', 'api/bgpfilter.go', 0, 32],
  ['BGPFilter', 'exportV4[0].prefixLength.min', 'api/bgpfilter.go', 0, 32],
  ['BGPFilter', 'importV6[0].prefixLength.max', 'api/bgpfilter.go', 0, 128],
  ['BGPFilter', 'exportV6[0].prefixLength.min', 'api/bgpfilter.go', 0, 128],
  ['HostEndpoint', 'ports[0].port', 'api/hostendpoint.go', 1, 65535],
  ['WorkloadEndpoint', 'ports[0].port', 'calico.md §1.2', 1, 65535],
  ['NetworkPolicy', 'ingress[0].icmp.type', 'calico.md §1.2', 0, 254],
  ['NetworkPolicy', 'ingress[0].notICMP.type', 'calico.md §1.2', 0, 254],
  ['KubernetesService', 'ports[0].port', 'Kubernetes API: Service', 1, 65535],
];

/** What else must stand beside the field, in the innermost objects on its way. */
const company: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  exportV4: { action: 'Accept' },
  importV4: { action: 'Accept' },
  exportV6: { action: 'Accept' },
  importV6: { action: 'Accept' },
  'HostEndpoint.ports': { name: 'http', protocol: 'TCP' },
  'WorkloadEndpoint.ports': { name: 'http', protocol: 'TCP' },
  ingress: { action: 'Allow', protocol: 'ICMP' },
};

const filterPrefix: Readonly<Record<string, object>> = {
  4: { cidr: '10.0.0.0/8', matchOperator: 'In' },
  6: { cidr: 'fd00::/8', matchOperator: 'In' },
};

function completed(kind: string, spec: unknown): unknown {
  return Object.fromEntries(
    Object.entries(spec as object).map(([name, value]) => {
      const others = company[`${kind}.${name}`] ?? company[name];
      if (others === undefined || !Array.isArray(value)) return [name, value as unknown];
      const prefix = 'prefixLength' in (value[0] as object) ? filterPrefix[name.at(-1)!] : undefined;
      return [name, [{ ...others, ...prefix, ...(value[0] as object) }]];
    }),
  );
}

export const boundRules: readonly RuleCases[] = bounds.map(([kind, path, source, least, most]): RuleCases => {
  const cases = fieldRule(
    kind,
    path,
    `is from ${least} to ${most} [${source}]`,
    [least, most],
    [
      [least - 1, `: must be at least ${least}, found ${least - 1}`],
      [most + 1, `: must be at most ${most}, found ${most + 1}`],
      ['x', ': expected a number, found "x"'],
    ],
  );
  return {
    ...cases,
    rows: cases.rows.map(([of, part, value, ...problems]) => [of, part, completed(kind, value), ...problems]),
  };
});
