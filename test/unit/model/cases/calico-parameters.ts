/** Parameters of FelixConfiguration, network sets, and metadata, as Calico's validator judges them. */
import { type RuleCases, fieldRule, rule } from './case.ts';

const prefix = '10.0.0.0/8';

export const calicoParameterRules: readonly RuleCases[] = [
  rule(
    'FelixConfiguration',
    'at most 7 ranges of node ports, all numbers [validator.go validateFelixConfigSpec]',
    [{ kubeNodePortRanges: ['30000:32767', 80] }, { kubeNodePortRanges: [1, 2, 3, 4, 5, 6, 7] }],
    [
      [
        { kubeNodePortRanges: [1, 2, 3, 4, 5, 6, 7, 8] },
        'spec.kubeNodePortRanges: number of entries must be at most 7',
      ],
      [{ kubeNodePortRanges: ['http'] }, 'spec.kubeNodePortRanges[0]: not a number or range of ports'],
    ],
  ),
  rule(
    'FelixConfiguration',
    'externalNodesList is of IPv4 [validator.go validateFelixConfigSpec]',
    [{ externalNodesList: ['10.0.0.1', prefix] }],
    [
      [{ externalNodesList: ['fd00::1'] }, 'spec.externalNodesList[0]: not an IPv4 address or CIDR'],
      [{ externalNodesList: ['x'] }, 'spec.externalNodesList[0]: not an IP address or CIDR'],
    ],
  ),
  rule(
    'FelixConfiguration',
    'routing tables are ranges of their own [validator.go validateRouteTableIDRange, validateRouteTableRange]',
    [
      {
        routeTableRanges: [
          { min: 1, max: 250 },
          { min: 1000, max: 1000 },
        ],
      },
      { routeTableRange: { min: 1, max: 250 } },
    ],
    [
      [
        { routeTableRanges: [{ min: 0, max: 5 }] },
        'spec.routeTableRanges[0].min: must be at least 1, found 0',
      ],
      [{ routeTableRanges: [{ min: 6, max: 5 }] }, 'spec.routeTableRanges[0].max: less than min'],
      [
        { routeTableRanges: [{ min: 1, max: 2 ** 32 }] },
        'spec.routeTableRanges[0].max: must be at most 4294967295',
      ],
      [{ routeTableRange: { min: 1, max: 251 } }, 'spec.routeTableRange.max: must be at most 250, found 251'],
      [
        { routeTableRange: { min: 1, max: 5 }, routeTableRanges: [{ min: 1, max: 5 }] },
        'spec.routeTableRange: routeTableRange and routeTableRanges exclude each other',
      ],
      [{ routeTableRanges: [{ min: 1 }] }, 'spec.routeTableRanges[0].max: required field is missing'],
    ],
  ),
  rule(
    'FelixConfiguration',
    'openstackRegion is a label of up to 46 characters [validator.go validateFelixConfigSpec]',
    [{ openstackRegion: 'europe-1' }, { openstackRegion: 'a'.repeat(46) }],
    [
      [{ openstackRegion: 'Europe' }, 'spec.openstackRegion: not a region'],
      [{ openstackRegion: 'a'.repeat(47) }, 'spec.openstackRegion: not a region'],
    ],
  ),
  rule(
    'FelixConfiguration',
    'source addresses are of their family [validator.go validateFelixConfigSpec]',
    [
      {
        natOutgoingAddress: '192.0.2.1',
        deviceRouteSourceAddress: '10.0.0.1',
        deviceRouteSourceAddressIPv6: 'fd00::1',
      },
    ],
    [
      [{ natOutgoingAddress: 'fd00::1' }, 'spec.natOutgoingAddress: not an IPv4 address'],
      [{ deviceRouteSourceAddress: 'fd00::1' }, 'spec.deviceRouteSourceAddress: not an IPv4 address'],
      [
        { deviceRouteSourceAddressIPv6: '10.0.0.1' },
        'spec.deviceRouteSourceAddressIPv6: not an IPv6 address',
      ],
    ],
  ),
  rule(
    'FelixConfiguration',
    'failsafe ports have a number and a network [calico.md §1.6]',
    [
      { failsafeInboundHostPorts: [] },
      { failsafeOutboundHostPorts: [{ protocol: 'udp', port: 53, net: '[fd00::]/8'.replace(/[[\]]/g, '') }] },
    ],
    [
      [
        { failsafeInboundHostPorts: [{ protocol: 'tcp' }] },
        'spec.failsafeInboundHostPorts[0].port: required field is missing',
      ],
      [
        { failsafeOutboundHostPorts: [{ port: 53, net: 'x' }] },
        'spec.failsafeOutboundHostPorts[0].net: not an IP address or CIDR',
      ],
      [
        { failsafeInboundHostPorts: [{ port: 65536 }] },
        'spec.failsafeInboundHostPorts[0].port: must be at most 65535',
      ],
    ],
  ),
  ...(
    [
      'nftablesRefreshInterval',
      'routeRefreshInterval',
      'interfaceRefreshInterval',
      'reportingInterval',
      'reportingTTL',
    ] as const
  ).map((name) =>
    fieldRule(
      'FelixConfiguration',
      name,
      'is a duration [calico.md §1.10]',
      ['90s', '0s'],
      [
        ['90', ': not a duration, found "90"'],
        [90, ': expected text, found 90; allowed: "90" in quotes'],
      ],
    ),
  ),
  ...(
    [
      'ipv6Support',
      'removeExternalRoutes',
      'prometheusMetricsEnabled',
      'healthEnabled',
      'routeSyncDisabled',
    ] as const
  ).map((name) =>
    fieldRule(
      'FelixConfiguration',
      name,
      'is true or false [calico.md §1.10]',
      [true, false],
      [['yes', ': expected true or false, found "yes"']],
    ),
  ),
  ...(['GlobalNetworkSet', 'NetworkSet'] as const).map((kind) =>
    fieldRule(
      kind,
      'nets',
      'are addresses and masked CIDRs [calico.md §1.2]',
      [['10.0.0.1', prefix, '::/0'], []],
      [
        [['10.0.0.1/8'], '[0]: CIDR has bits set beyond its prefix length, found "10.0.0.1/8"'],
        [['example.org'], '[0]: not an IP address or CIDR, found "example.org"'],
        [[1], '[0]: expected text, found 1'],
      ],
    ),
  ),
  rule(
    'Node',
    'annotation keys are qualified names, and 256 KiB is their limit [validator.go validateObjectMetaAnnotations]',
    [
      { name: 'n', annotations: { 'a.b/C_d': 'any text at all, {"even": "JSON"}' } },
      { name: 'n', annotations: { a: 'x'.repeat(262_143) } },
    ],
    [
      [{ name: 'n', annotations: { 'a b': 'c' } }, 'metadata.annotations["a b"]: not an annotation key'],
      [
        { name: 'n', annotations: { a: 'x'.repeat(262_144) } },
        'metadata.annotations: longer than 262144 bytes together',
      ],
    ],
    'metadata',
  ),
  rule(
    'NetworkPolicy',
    'names have at most 253 characters [validator.go validateObjectMeta, RFC 1123]',
    [{ name: `a.${'b'.repeat(63)}`, namespace: 'x' }],
    [[{ name: `a.${'b'.repeat(252)}`, namespace: 'x' }, 'metadata.name: not a valid name']],
    'metadata',
  ),
  rule(
    'Tier',
    'names are labels of at most 63 characters [calico.md §1.2, validator.go validateTier]',
    [{ name: 'a'.repeat(63) }],
    [
      [{ name: 'a'.repeat(64) }, 'metadata.name: not a valid name'],
      [{ name: 'a-' }, 'metadata.name: not a valid name'],
    ],
    'metadata',
  ),
];
