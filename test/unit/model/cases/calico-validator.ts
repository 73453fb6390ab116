/** Rules of Calico's own validator (libcalico-go `lib/validator/v3/validator.go`) on kinds that have rules elsewhere too. */
import { type RuleCases, fieldRule, rule } from './case.ts';

const pool = (fields: object) => ({ cidr: '10.65.0.0/16', ...fields });
const http = (match: object) => ({ ingress: [{ action: 'Allow', protocol: 'TCP', http: match }] });
const source = (entity: object) => ({ ingress: [{ action: 'Allow', source: entity }] });
const peer = (fields: object) => ({ asNumber: 64512, ...fields });
const wep = (fields: object) => ({ ipNetworks: ['10.65.0.2/32'], ...fields });
const prefix = '10.0.0.0/8';

/** Fields that hold a selector, each of every kind that has one. */
const selectors: readonly (readonly [kind: string, path: string])[] = [
  ['NetworkPolicy', 'selector'],
  ['NetworkPolicy', 'serviceAccountSelector'],
  ['NetworkPolicy', 'ingress[0].source.selector'],
  ['NetworkPolicy', 'ingress[0].source.notSelector'],
  ['NetworkPolicy', 'ingress[0].source.serviceAccounts.selector'],
  ['GlobalNetworkPolicy', 'selector'],
  ['GlobalNetworkPolicy', 'namespaceSelector'],
  ['StagedNetworkPolicy', 'selector'],
  ['IPPool', 'nodeSelector'],
  ['IPPool', 'namespaceSelector'],
  ['BGPPeer', 'nodeSelector'],
  ['BGPPeer', 'peerSelector'],
];

function withAction(spec: unknown): unknown {
  const { ingress } = spec as { ingress?: object[] };
  return ingress === undefined
    ? spec
    : { ...(spec as object), ingress: [{ action: 'Allow', ...ingress[0] }] };
}

const selectorRules = selectors.map(([kind, path]): RuleCases => {
  const cases = fieldRule(
    kind,
    path,
    'is a selector, and global() has no meaning in it [calico.md §1.3, validator.go selector]',
    ["a == 'b' && has(c)", 'all()'],
    [
      ['a = b', ': selector: '],
      ["a == 'b", ': selector: '],
      ['global()', ': global() has no meaning here'],
    ],
  );
  return {
    ...cases,
    rows: cases.rows.map(([of, part, value, ...problems]) => [of, part, withAction(value), ...problems]),
  };
});

export const calicoValidatorRules: readonly RuleCases[] = [
  ...selectorRules,
  rule(
    'NetworkPolicy',
    'global() stands alone in a namespaceSelector [validator.go validateEntityRule]',
    [source({ namespaceSelector: 'global()' }), source({ namespaceSelector: 'all()', selector: 'has(a)' })],
    [
      [
        source({ namespaceSelector: "global() || a == 'b'" }),
        'spec.ingress[0].source.namespaceSelector: global() cannot be combined with other selectors',
      ],
      [
        source({ namespaceSelector: '!global()' }),
        'spec.ingress[0].source.namespaceSelector: global() cannot be combined',
      ],
    ],
  ),
  rule(
    'NetworkPolicy',
    'HTTP methods are given once [validator.go validateHTTPMethods]',
    [http({ methods: ['GET', 'PUT'] })],
    [[http({ methods: ['GET', 'GET'] }), 'spec.ingress[0].http.methods[1]: duplicate method']],
  ),
  rule(
    'NetworkPolicy',
    'HTTP paths are absolute, without query and fragment [validator.go validateHTTPPaths, RFC 3986 §3.3]',
    [http({ paths: [{ exact: '/' }, { prefix: '/a/b' }] })],
    [
      [http({ paths: [{ exact: 'a' }] }), 'spec.ingress[0].http.paths[0].exact: not a path, found "a"'],
      [http({ paths: [{ prefix: '/a?b' }] }), 'spec.ingress[0].http.paths[0].prefix: not a path'],
      [http({ paths: [{ prefix: '/a#b' }] }), 'spec.ingress[0].http.paths[0].prefix: not a path'],
      [http({ paths: [{ exact: '/a b' }] }), 'spec.ingress[0].http.paths[0].exact: not a path'],
      [http({ paths: [{}] }), 'spec.ingress[0].http.paths[0]: a path is either exact or a prefix'],
      [
        http({ paths: Array.from({ length: 21 }, () => ({ exact: '/' })) }),
        'spec.ingress[0].http.paths: number of entries must be at most 20',
      ],
    ],
  ),
  rule(
    'NetworkPolicy',
    'notProtocol ICMP is of IPv4, ICMPv6 of IPv6 [validator.go validateRule]',
    [
      { ingress: [{ action: 'Allow', notProtocol: 'ICMP', ipVersion: 4 }] },
      { ingress: [{ action: 'Allow', notProtocol: 'ICMPv6', ipVersion: 6 }] },
    ],
    [
      [
        { ingress: [{ action: 'Allow', notProtocol: 'ICMP', ipVersion: 6 }] },
        'spec.ingress[0].ipVersion: protocol ICMP is of IPv4',
      ],
      [
        { ingress: [{ action: 'Allow', notProtocol: 'ICMPv6', ipVersion: 4 }] },
        'spec.ingress[0].ipVersion: protocol ICMPv6 is of IPv6',
      ],
    ],
  ),
  rule(
    'NetworkPolicy',
    'nets and notNets are at most 256 [calico.md §1.2]',
    [
      source({
        nets: Array.from({ length: 256 }, () => prefix),
        notNets: Array.from({ length: 256 }, () => prefix),
      }),
    ],
    [
      [
        source({ nets: Array.from({ length: 257 }, () => prefix) }),
        'spec.ingress[0].source.nets: number of entries must be at most 256, found 257',
      ],
      [
        source({ notNets: Array.from({ length: 257 }, () => prefix) }),
        'spec.ingress[0].source.notNets: number of entries must be at most 256, found 257',
      ],
    ],
  ),
  rule(
    'NetworkPolicy',
    'services excludes every other selection [calico.md §1.2, validator.go validateEntityRule]',
    [source({ services: { name: 's' } }), source({ services: { name: 's', namespace: 'y' } })],
    [
      [source({ services: {} }), 'spec.ingress[0].source.services.name: required field is missing'],
      ...(
        [
          ['nets', [prefix]],
          ['notNets', [prefix]],
          ['selector', 'has(a)'],
          ['notSelector', 'has(a)'],
          ['namespaceSelector', 'all()'],
          ['serviceAccounts', { names: ['a'] }],
        ] as const
      ).map(
        ([name, value]) =>
          [
            source({ services: { name: 's' }, [name]: value }),
            `spec.ingress[0].source.${name}: ${name} cannot be combined with services`,
          ] as const,
      ),
    ],
  ),
  rule(
    'NetworkPolicy',
    'egress rules are at most 1024 [calico.md §1.2]',
    [{ egress: Array.from({ length: 1024 }, () => ({ action: 'Allow' })) }],
    [
      [
        { egress: Array.from({ length: 1025 }, () => ({ action: 'Allow' })) },
        'spec.egress: number of entries must be at most 1024, found 1025',
      ],
    ],
  ),
  rule(
    'IPPool',
    'a pool in use holds at least one block; a disabled one may be smaller [validator.go validateIPPoolSpec]',
    [pool({ cidr: '10.65.0.0/26' }), pool({ cidr: '10.65.0.0/28', disabled: true })],
    [[pool({ cidr: '10.65.0.0/27' }), 'spec.cidr: smaller than one block of size 26']],
  ),
  rule(
    'IPPool',
    'blockSize is from 20 to 32, or 116 to 128 for IPv6 [calico.md §1.2]',
    [
      pool({ blockSize: 20 }),
      pool({ blockSize: 32 }),
      pool({ cidr: 'fd65::/64', blockSize: 116 }),
      pool({ cidr: 'fd65::/64', blockSize: 128 }),
    ],
    [
      [pool({ blockSize: 33 }), 'spec.blockSize: not a block size for IPv4, found 33; allowed: 20 to 32'],
      [pool({ cidr: 'fd65::/64', blockSize: 115 }), 'spec.blockSize: not a block size for IPv6, found 115'],
      [pool({ cidr: 'fd65::/64', blockSize: 129 }), 'spec.blockSize: not a block size for IPv6, found 129'],
      [pool({ blockSize: '26' }), 'spec.blockSize: expected a number, found "26"'],
    ],
  ),
  rule(
    'IPPool',
    'fields of API v1 are not accepted [api/ippool.go: mustBeNil, mustBeFalse]',
    [pool({ natOutgoing: true })],
    [
      [pool({ ipip: { enabled: true } }), 'spec.ipip: unknown field'],
      [pool({ 'nat-outgoing': true }), 'spec.nat-outgoing: unknown field (did you mean "natOutgoing"?)'],
    ],
  ),
  rule(
    'IPPool',
    'a pool for LoadBalancer is for nothing else [calico.md §1.2]',
    [pool({ allowedUses: ['LoadBalancer'] }), pool({ allowedUses: ['Tunnel'] })],
    [
      [
        pool({ allowedUses: ['LoadBalancer', 'Tunnel'] }),
        'spec.allowedUses: LoadBalancer cannot be combined',
      ],
      [
        pool({ allowedUses: ['LoadBalancer'], ipipMode: 'Always' }),
        'spec.ipipMode: a pool for LoadBalancer has no encapsulation, found "Always"; allowed: Never',
      ],
      [
        pool({ allowedUses: ['LoadBalancer'], nodeSelector: 'has(a)' }),
        'spec.nodeSelector: a pool for LoadBalancer is for all nodes, found "has(a)"; allowed: all()',
      ],
    ],
  ),
  rule(
    'Node',
    'bgp is not empty [validator.go validateNodeSpec]',
    [{}, { bgp: { asNumber: 64512 } }],
    [[{ bgp: {} }, 'spec.bgp: must not be empty']],
  ),
  ...(
    [
      ['bgp.ipv4IPIPTunnelAddr', '10.65.0.1', 'fd65::1', 'not an IPv4 address'],
      ['bgp.ipv6Address', 'fd16::1/64', '172.16.0.1', 'not an IPv6 address'],
      ['ipv4VXLANTunnelAddr', '10.65.0.1', 'ten', 'not an IPv4 address'],
      ['ipv6VXLANTunnelAddr', 'fd65::1', '10.65.0.1', 'not an IPv6 address'],
      ['vxlanTunnelMACAddr', '66:AA:bb:00:00:01', '66:aa', 'not a MAC address'],
      ['vxlanTunnelMACAddrV6', '66-aa-bb-00-00-01', 'mac', 'not a MAC address'],
      ['wireguard.interfaceIPv4Address', '10.65.0.1', 'fd65::1', 'not an IPv4 address'],
      ['wireguard.interfaceIPv6Address', 'fd65::1', '10.65.0.1', 'not an IPv6 address'],
      ['bgp.routeReflectorClusterID', '244.0.0.1', '244', 'not an IPv4 address'],
      ['addresses[0].address', '172.16.0.1/24', 'here', 'not an IP address or CIDR'],
    ] as const
  ).map(([path, good, bad, message]) =>
    fieldRule(
      'Node',
      path,
      'holds an address of its kind [calico.md §1.2]',
      [good],
      [[bad, `: ${message}, found "${bad}"`]],
    ),
  ),
  rule(
    'WorkloadEndpoint',
    'a port has a name or is mapped from the host [validator.go validateWorkloadEndpointPort]',
    [
      wep({ ports: [{ name: 'http', protocol: 'TCP', port: 80 }] }),
      wep({ ports: [{ protocol: 'TCP', port: 80, hostPort: 8080 }] }),
    ],
    [
      [
        wep({ ports: [{ protocol: 'TCP', port: 80 }] }),
        'spec.ports[0].name: a port that the host does not map needs a name',
      ],
      [
        wep({ ports: [{ protocol: 'TCP', port: 80, hostPort: 0 }] }),
        'spec.ports[0].name: a port that the host',
      ],
      [
        wep({ ports: [{ name: 'p', protocol: 'TCP', port: 80, hostPort: 65536 }] }),
        'spec.ports[0].hostPort: must be at most 65535',
      ],
    ],
  ),
  rule(
    'WorkloadEndpoint',
    'translations are between addresses of one family, to its own [validator.go validateIPNAT, validateWorkloadEndpointSpec]',
    [wep({ ipNATs: [{ internalIP: '10.65.0.2', externalIP: '192.0.2.1' }] })],
    [
      [
        wep({ ipNATs: [{ internalIP: '10.65.0.3', externalIP: '192.0.2.1' }] }),
        'spec.ipNATs[0].internalIP: not one of ipNetworks',
      ],
      [
        wep({ ipNATs: [{ internalIP: '10.65.0.2', externalIP: 'fd00::1' }] }),
        'spec.ipNATs[0].internalIP: not of the address family of externalIP',
      ],
      [
        wep({ ipNATs: [{ internalIP: '10.65.0.2' }] }),
        'spec.ipNATs[0].externalIP: required field is missing',
      ],
    ],
  ),
  rule(
    'WorkloadEndpoint',
    'dscp is a code point by number or name [calico.md §1.5, RFC 2474]',
    [0, 63, 'EF', 'AF11', 'CS1'].map((dscp) => wep({ qosControls: { dscp } })),
    [
      [wep({ qosControls: { dscp: 64 } }), 'spec.qosControls.dscp: not a DSCP value, found 64'],
      [wep({ qosControls: { dscp: 'ef' } }), 'spec.qosControls.dscp: not a DSCP value'],
      [wep({ qosControls: { dscp: true } }), 'spec.qosControls.dscp: expected a number or text, found true'],
      [
        wep({ qosControls: { ingressBandwidth: -1 } }),
        'spec.qosControls.ingressBandwidth: must be at least 0',
      ],
    ],
  ),
  rule(
    'WorkloadEndpoint',
    'gateways are of their family [validator.go validateWorkloadEndpointSpec]',
    [wep({ ipv4Gateway: '169.254.1.1', ipv6Gateway: 'fe80::1' })],
    [
      [wep({ ipv4Gateway: 'fe80::1' }), 'spec.ipv4Gateway: not an IPv4 address'],
      [wep({ ipv6Gateway: '169.254.1.1' }), 'spec.ipv6Gateway: not an IPv6 address'],
    ],
  ),
  rule(
    'BGPConfiguration',
    'communities that are named are used [validator.go validateBGPConfigurationSpec]',
    [
      {
        communities: [{ name: 'a', value: '1:1' }],
        prefixAdvertisements: [{ cidr: prefix, communities: ['a'] }],
      },
    ],
    [
      [
        { communities: [{ name: 'a', value: '1:1' }] },
        'spec.communities: not used by any of prefixAdvertisements',
      ],
    ],
  ),
  rule(
    'BGPConfiguration',
    'the password of the mesh needs the mesh [validator.go validateBGPConfigurationSpec]',
    [{ nodeMeshPassword: { secretKeyRef: { name: 's', key: 'k' } } }],
    [
      [
        { nodeToNodeMeshEnabled: false, nodeMeshPassword: { secretKeyRef: { name: 's', key: 'k' } } },
        'spec.nodeMeshPassword: needs the node-to-node mesh',
      ],
      [
        { nodeMeshPassword: { secretKeyRef: { name: 's' } } },
        'spec.nodeMeshPassword.secretKeyRef.key: required field is missing',
      ],
    ],
  ),
  ...(['serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'] as const).map((name) =>
    fieldRule(
      'BGPConfiguration',
      name,
      'holds CIDRs [calico.md §2.2]',
      [[{ cidr: '10.96.0.0/12' }, { cidr: 'fd96::/108' }]],
      [
        [[{ cidr: 'x' }], '[0].cidr: not an IP address or CIDR, found "x"'],
        [[{}], '[0].cidr: required field is missing'],
      ],
    ),
  ),
  rule(
    'BGPPeer',
    'a peer behind local workloads has an AS number and no other address [calico.md §1.2]',
    [peer({ localWorkloadSelector: "a == 'b'" })],
    [
      [
        { localWorkloadSelector: 'all()' },
        'spec.localWorkloadSelector: localWorkloadSelector needs asNumber',
      ],
      [
        peer({ localWorkloadSelector: 'all()', peerIP: '10.0.0.1' }),
        'spec.peerIP: localWorkloadSelector and peerIP exclude each other',
      ],
    ],
  ),
  ...(['keepaliveTime', 'maxRestartTime'] as const).map((name) =>
    fieldRule(
      'BGPPeer',
      name,
      'is a duration [calico.md §2.3]',
      ['30s', '2m30s'],
      [
        ['30', ': not a duration, found "30"'],
        [30, ': expected text, found 30'],
        ['-1s', ': not a duration'],
      ],
    ),
  ),
  ...(['asNumber', 'localASNumber'] as const).map((name) =>
    fieldRule(
      'BGPPeer',
      name,
      'is an AS number [RFC 6793, RFC 5396]',
      [0, 4_294_967_295, '64512', '65535.65535'],
      [
        [-1, ': not an AS number, found -1'],
        ['1.2.3', ': not an AS number'],
        [1.5, ': not an AS number'],
      ],
    ),
  ),
];
