/** Host endpoints, filters, reservations, statuses, controllers. */
import { type RuleCases, rule } from './case.ts';

const hep = (fields: object) => ({ node: 'n1', interfaceName: 'eth0', ...fields });
const v4 = (fields: object) => ({ importV4: [{ action: 'Accept', ...fields }] });
const v6 = (fields: object) => ({ exportV6: [{ action: 'Accept', ...fields }] });
const templates = (...list: object[]) => ({ controllers: { node: { hostEndpoint: { templates: list } } } });

export const calicoKindRules: readonly RuleCases[] = [
  rule(
    'HostEndpoint',
    'node is required [calico.md §1.2, api/hostendpoint.go XValidation]',
    [{ node: 'n1.example.org', interfaceName: 'eth0' }],
    [
      [{ interfaceName: 'eth0' }, 'spec.node: required field is missing'],
      [{ node: '', interfaceName: 'eth0' }, 'spec.node: required field is missing'],
      [{ node: 'N1', interfaceName: 'eth0' }, 'spec.node: not a valid name, found "N1"'],
    ],
  ),
  rule(
    'HostEndpoint',
    'interfaceName or expectedIPs is required [calico.md §1.2]',
    [
      { node: 'n1', interfaceName: 'eth0' },
      { node: 'n1', expectedIPs: ['10.0.0.1', 'fd00::1'] },
      { node: 'n1', interfaceName: '*', expectedIPs: ['10.0.0.1'] },
    ],
    [
      [{ node: 'n1' }, 'spec.interfaceName: interfaceName or expectedIPs must be given'],
      [{ node: 'n1', expectedIPs: [] }, 'spec.interfaceName: interfaceName or expectedIPs must be given'],
    ],
  ),
  rule(
    'HostEndpoint',
    'interfaceName is `*` or matches ^[a-zA-Z0-9_.-]{1,15}$ [calico.md §1.2]',
    ['*', 'eth0', 'bond0.100', 'a_b-c.d', 'abcdefghijklmno'].map((interfaceName) => hep({ interfaceName })),
    [
      [hep({ interfaceName: 'eth*' }), 'spec.interfaceName: not an interface name, found "eth*"'],
      [hep({ interfaceName: 'abcdefghijklmnop' }), 'spec.interfaceName: not an interface name'],
      [hep({ interfaceName: 'eth/0' }), 'spec.interfaceName: not an interface name'],
    ],
  ),
  rule(
    'HostEndpoint',
    'expectedIPs are addresses, each once [api/hostendpoint.go: ip, listType=set]',
    [hep({ expectedIPs: ['10.0.0.1', 'FD00:0::1'] })],
    [
      [hep({ expectedIPs: ['10.0.0.1/32'] }), 'spec.expectedIPs[0]: not an IP address, found "10.0.0.1/32"'],
      [hep({ expectedIPs: ['fd00::1', 'fd00:0::1'] }), 'spec.expectedIPs[1]: duplicate entry'],
    ],
  ),
  rule(
    'HostEndpoint',
    'profiles are names, each once [api/hostendpoint.go: name, listType=set]',
    [hep({ profiles: ['projectcalico-default-allow', 'kns.x'] })],
    [
      [hep({ profiles: ['A'] }), 'spec.profiles[0]: not a valid name, found "A"'],
      [hep({ profiles: ['a', 'a'] }), 'spec.profiles[1]: duplicate entry'],
    ],
  ),
  rule(
    'HostEndpoint',
    'ports have a name (RFC 6335 §5.1), a protocol with ports and a number [validator.go validateEndpointPort, portName]',
    [
      hep({ ports: [{ name: 'http', protocol: 'TCP', port: 80 }] }),
      hep({ ports: [{ name: 'd', protocol: 17, port: 53 }] }),
      hep({ ports: [{ name: 'a-1', protocol: 'sctp', port: 1 }] }),
    ],
    [
      [hep({ ports: [{ protocol: 'TCP', port: 80 }] }), 'spec.ports[0].name: required field is missing'],
      [
        hep({ ports: [{ name: '80', protocol: 'TCP', port: 80 }] }),
        'spec.ports[0].name: not the name of a port',
      ],
      [
        hep({ ports: [{ name: 'a--b', protocol: 'TCP', port: 80 }] }),
        'spec.ports[0].name: not the name of a port',
      ],
      [
        hep({ ports: [{ name: 'HTTP', protocol: 'TCP', port: 80 }] }),
        'spec.ports[0].name: not the name of a port',
      ],
      [
        hep({ ports: [{ name: 'abcdefghijklmnop', protocol: 'TCP', port: 80 }] }),
        'spec.ports[0].name: not the name of a port',
      ],
      [
        hep({ ports: [{ name: 'p', protocol: 'ICMP', port: 80 }] }),
        'spec.ports[0].protocol: not a protocol with ports',
      ],
      [hep({ ports: [{ name: 'p', port: 80 }] }), 'spec.ports[0].protocol: required field is missing'],
    ],
  ),

  rule(
    'BGPFilter',
    'action is required [api/bgpfilter.go]',
    [{ importV4: [{ action: 'Reject' }], exportV6: [] }],
    [[{ importV4: [{}] }, 'spec.importV4[0].action: required field is missing']],
  ),
  rule(
    'BGPFilter',
    'cidr and matchOperator come together [calico.md §2.4, api/bgpfilter.go XValidation]',
    [
      v4({ cidr: '10.0.0.0/8', matchOperator: 'In' }),
      v6({ cidr: 'fd00::1', matchOperator: 'Equal' }),
      v4({}),
    ],
    [
      [v4({ cidr: '10.0.0.0/8' }), 'spec.importV4[0].cidr: cidr needs matchOperator'],
      [v4({ matchOperator: 'In' }), 'spec.importV4[0].matchOperator: matchOperator needs cidr'],
      [v6({ cidr: 'fd00::/8' }), 'spec.exportV6[0].cidr: cidr needs matchOperator'],
    ],
  ),
  rule(
    'BGPFilter',
    'cidr is of the family of its list and masked [validator.go netv4, netv6]',
    [v4({ cidr: '10.0.0.1', matchOperator: 'In' }), v6({ cidr: '::/0', matchOperator: 'NotIn' })],
    [
      [v4({ cidr: 'fd00::/8', matchOperator: 'In' }), 'spec.importV4[0].cidr: not an IPv4 address or CIDR'],
      [v6({ cidr: '10.0.0.0/8', matchOperator: 'In' }), 'spec.exportV6[0].cidr: not an IPv6 address or CIDR'],
      [
        v4({ cidr: '10.0.0.1/8', matchOperator: 'In' }),
        'spec.importV4[0].cidr: CIDR has bits set beyond its prefix length, found "10.0.0.1/8"; allowed: 10.0.0.0/8',
      ],
    ],
  ),
  rule(
    'BGPFilter',
    'prefixLength needs cidr, and its bounds a length between them [api/bgpfilter.go XValidation]',
    [
      v4({ cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 16, max: 24 } }),
      v4({ cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 24, max: 24 } }),
      v6({ cidr: 'fd00::/8', matchOperator: 'In', prefixLength: { max: 64 } }),
    ],
    [
      [v4({ prefixLength: { min: 16 } }), 'spec.importV4[0].prefixLength: prefixLength needs cidr'],
      [
        v4({ cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 25, max: 24 } }),
        'spec.importV4[0].prefixLength.max: less than min',
      ],
    ],
  ),
  rule(
    'BGPFilter',
    'interface matches ^[a-zA-Z0-9_.*-]{1,15}$ [validator.go bgpFilterInterface]',
    [v4({ interface: '*' }), v4({ interface: 'cali*' }), v4({ interface: 'eth0.1' })],
    [
      [v4({ interface: 'eth0/1' }), 'spec.importV4[0].interface: not an interface pattern'],
      [v4({ interface: 'abcdefghijklmnop' }), 'spec.importV4[0].interface: not an interface pattern'],
    ],
  ),
  rule(
    'BGPFilter',
    'communities has exactly one value, standard or large [RFC 1997, RFC 8092, api/bgpfilter.go]',
    [v4({ communities: { values: ['65000:100'] } }), v6({ communities: { values: ['4294967295:0:1'] } })],
    [
      [v4({ communities: {} }), 'spec.importV4[0].communities.values: required field is missing'],
      [
        v4({ communities: { values: [] } }),
        'spec.importV4[0].communities.values: number of entries must be at least 1, found 0',
      ],
      [
        v4({ communities: { values: ['1:1', '1:2'] } }),
        'spec.importV4[0].communities.values: number of entries must be at most 1, found 2',
      ],
      [
        v4({ communities: { values: ['65536:1'] } }),
        'spec.importV4[0].communities.values[0]: not a BGP community',
      ],
      [v4({ communities: { values: ['1'] } }), 'spec.importV4[0].communities.values[0]: not a BGP community'],
      [
        v4({ communities: { values: ['1:2:3:4'] } }),
        'spec.importV4[0].communities.values[0]: not a BGP community',
      ],
    ],
  ),
  rule(
    'BGPFilter',
    'asPathPrefix is a list of AS numbers [RFC 6793, RFC 5396]',
    [v4({ asPathPrefix: [65000, '1.10'] })],
    [[v4({ asPathPrefix: ['x'] }), 'spec.importV4[0].asPathPrefix[0]: not an AS number, found "x"']],
  ),
  rule(
    'BGPFilter',
    'operations are 1 to 10, each of one kind, and of Accept only [calico.md §2.4, api/bgpfilter.go XValidation]',
    [
      v4({ operations: [{ addCommunity: { value: '1:1' } }, { setPriority: { value: 5 } }] }),
      v6({ operations: [{ prependASPath: { prefix: [65000, 65001] } }] }),
      v4({ operations: Array.from({ length: 10 }, () => ({ setPriority: { value: 1 } })) }),
    ],
    [
      [
        { importV4: [{ action: 'Reject', operations: [{ setPriority: { value: 5 } }] }] },
        'spec.importV4[0].operations: operations are for action Accept only',
      ],
      [v4({ operations: [] }), 'spec.importV4[0].operations: number of entries must be at least 1'],
      [
        v4({ operations: Array.from({ length: 11 }, () => ({ setPriority: { value: 1 } })) }),
        'spec.importV4[0].operations: number of entries must be at most 10',
      ],
      [v4({ operations: [{}] }), 'spec.importV4[0].operations[0]: an operation has exactly one field'],
      [
        v4({ operations: [{ addCommunity: { value: '1:1' }, setPriority: { value: 1 } }] }),
        'spec.importV4[0].operations[0]: an operation has exactly one field',
      ],
      [
        v4({ operations: [{ prependASPath: { prefix: [] } }] }),
        'spec.importV4[0].operations[0].prependASPath.prefix: number of entries must be at least 1',
      ],
      [
        v4({ operations: [{ prependASPath: { prefix: Array.from({ length: 11 }, () => 1) } }] }),
        'spec.importV4[0].operations[0].prependASPath.prefix: number of entries must be at most 10',
      ],
      [
        v4({ operations: [{ addCommunity: {} }] }),
        'spec.importV4[0].operations[0].addCommunity.value: required field is missing',
      ],
    ],
  ),

  rule(
    'CalicoNodeStatus',
    'node, classes and updatePeriodSeconds are required [calico.md §1.2, api/nodestatus.go]',
    [{ node: 'n1', classes: ['Agent', 'BGP', 'Routes'], updatePeriodSeconds: 0 }],
    [
      [{ classes: ['BGP'], updatePeriodSeconds: 1 }, 'spec.node: required field is missing'],
      [{ node: 'n1', updatePeriodSeconds: 1 }, 'spec.classes: required field is missing'],
      [{ node: 'n1', classes: ['BGP'] }, 'spec.updatePeriodSeconds: required field is missing'],
    ],
  ),
  rule(
    'CalicoNodeStatus',
    'classes are 1 to 3, each once [api/nodestatus.go: unique, MinItems=1, MaxItems=3]',
    [{ node: 'n1', classes: ['Routes'], updatePeriodSeconds: 1 }],
    [
      [
        { node: 'n1', classes: [], updatePeriodSeconds: 1 },
        'spec.classes: number of entries must be at least 1, found 0',
      ],
      [{ node: 'n1', classes: ['BGP', 'BGP'], updatePeriodSeconds: 1 }, 'spec.classes[1]: duplicate entry'],
      [
        { node: 'n1', classes: ['BGP', 'Agent', 'Routes', 'BGP'], updatePeriodSeconds: 1 },
        'spec.classes: number of entries must be at most 3',
      ],
    ],
  ),

  rule(
    'IPReservation',
    'reservedCIDRs are addresses and masked CIDRs [calico.md §1.2, api/ipreservation.go: net]',
    [{}, { reservedCIDRs: ['10.0.0.1', '10.0.0.0/24', 'fd00::/64'] }],
    [
      [
        { reservedCIDRs: ['10.0.0.1/24'] },
        'spec.reservedCIDRs[0]: CIDR has bits set beyond its prefix length',
      ],
      [{ reservedCIDRs: ['ten'] }, 'spec.reservedCIDRs[0]: not an IP address or CIDR'],
      [{ reservedCIDR: ['10.0.0.1'] }, 'spec.reservedCIDR: unknown field (did you mean "reservedCIDRs"?)'],
    ],
  ),

  rule(
    'KubeControllersConfiguration',
    'there is one, called default [libcalico-go/clientv3/kubecontrollersconfig.go]',
    [{ name: 'default' }],
    [[{ name: 'other' }, 'metadata.name: not a valid name, found "other"; allowed: default']],
    'metadata',
  ),
  rule(
    'KubeControllersConfiguration',
    'periods are durations [api/kubecontrollersconfig.go]',
    [
      {
        etcdV3CompactionPeriod: '0s',
        controllers: { node: { reconcilerPeriod: '5m', leakGracePeriod: '15m0s' } },
      },
      {
        controllers: {
          policy: { reconcilerPeriod: '1h' },
          namespace: {},
          serviceAccount: {},
          workloadEndpoint: {},
        },
      },
    ],
    [
      [{ etcdV3CompactionPeriod: '10' }, 'spec.etcdV3CompactionPeriod: not a duration, found "10"'],
      [
        { controllers: { node: { leakGracePeriod: 'never' } } },
        'spec.controllers.node.leakGracePeriod: not a duration',
      ],
      [
        { controllers: { policy: { reconcilerPeriod: 5 } } },
        'spec.controllers.policy.reconcilerPeriod: expected text',
      ],
    ],
  ),
  rule(
    'KubeControllersConfiguration',
    'a template has interfaceCIDRs or interfacePattern [api/kubecontrollersconfig.go Template]',
    [
      templates({
        generateName: 'a',
        interfaceCIDRs: ['10.0.0.0/8'],
        labels: { a: 'b' },
        nodeSelector: 'has(a)',
      }),
      templates({ interfacePattern: '^eth[0-9]+$' }),
    ],
    [
      [
        templates({ generateName: 'a' }),
        'spec.controllers.node.hostEndpoint.templates[0]: interfaceCIDRs or interfacePattern must be given',
      ],
      [
        templates({ interfacePattern: '(' }),
        'spec.controllers.node.hostEndpoint.templates[0].interfacePattern: not a regular expression',
      ],
      [
        templates({ interfaceCIDRs: ['x'] }),
        'spec.controllers.node.hostEndpoint.templates[0].interfaceCIDRs[0]: not an IP address or CIDR',
      ],
      [
        templates({ interfacePattern: 'a', generateName: 'A' }),
        'spec.controllers.node.hostEndpoint.templates[0].generateName: not a valid name',
      ],
      [
        templates({ interfacePattern: 'a', labels: { 'a b': 'c' } }),
        'spec.controllers.node.hostEndpoint.templates[0].labels["a b"]: not a label key',
      ],
      [
        templates({ interfacePattern: 'a', nodeSelector: 'a ==' }),
        'spec.controllers.node.hostEndpoint.templates[0].nodeSelector: selector: expected a string',
      ],
    ],
  ),
];
