/** Pools, BGP, nodes, endpoints, network sets, Felix. */
import type { RuleCases } from './case.ts';

const options = (annotations: Record<string, string>) => ({ name: 'a', annotations });

export const networkingRules: readonly RuleCases[] = [
  {
    rule: 'network sets: nets are masked [calico.md §1.2]',
    rows: [
      ['GlobalNetworkSet', 'spec', { nets: ['10.0.0.1', '10.0.0.0/8', 'FD00::1'] }],
      [
        'NetworkSet',
        'spec',
        { nets: ['10.0.0.1/8'] },
        'spec.nets[0]: CIDR has bits set beyond its prefix length, found "10.0.0.1/8"; allowed: 10.0.0.0/8',
      ],
    ],
  },
  {
    rule: 'IPPool: ranges, blocks, encapsulation [calico.md §1.2]',
    rows: [
      ['IPPool', 'spec', { cidr: 'fd65::/64', blockSize: 116, vxlanMode: 'CrossSubnet', natOutgoing: true }],
      ['IPPool', 'spec', {}, 'spec.cidr: required field is missing'],
      ['IPPool', 'spec', { cidr: '10.65.0.1/16' }, 'spec.cidr: CIDR has bits set beyond its prefix length'],
      ['IPPool', 'spec', { cidr: '10.65.0.0' }, 'spec.cidr: not a CIDR'],
      ['IPPool', 'spec', { cidr: '10.65.0.0/28' }, 'spec.cidr: smaller than one block of size 26'],
      ['IPPool', 'spec', { cidr: '10.65.0.0/28', blockSize: 28 }],
      [
        'IPPool',
        'spec',
        { cidr: '10.65.0.0/16', blockSize: 19 },
        'spec.blockSize: not a block size for IPv4, found 19; allowed: 20 to 32',
      ],
      [
        'IPPool',
        'spec',
        { cidr: 'fd65::/64', blockSize: 64 },
        'spec.blockSize: not a block size for IPv6, found 64; allowed: 116 to 128',
      ],
      ['IPPool', 'spec', { cidr: '169.254.0.0/20' }, 'spec.cidr: overlaps the link-local range'],
      ['IPPool', 'spec', { cidr: 'fe80::/64' }, 'spec.cidr: overlaps the link-local range'],
      [
        'IPPool',
        'spec',
        { cidr: 'fd65::/64', ipipMode: 'Always' },
        'spec.ipipMode: IP-in-IP is for IPv4 only',
      ],
      [
        'IPPool',
        'spec',
        { cidr: '10.65.0.0/16', ipipMode: 'Always', vxlanMode: 'Always' },
        'spec.vxlanMode: ipipMode and vxlanMode exclude each other',
      ],
      ['IPPool', 'spec', { cidr: '10.65.0.0/16', allowedUses: ['LoadBalancer'] }],
      [
        'IPPool',
        'spec',
        {
          cidr: '10.65.0.0/16',
          allowedUses: ['LoadBalancer', 'Workload'],
          vxlanMode: 'Always',
          nodeSelector: 'has(a)',
        },
        'spec.allowedUses: LoadBalancer cannot be combined',
        'spec.nodeSelector: a pool for LoadBalancer is for all nodes',
        'spec.vxlanMode: a pool for LoadBalancer has no encapsulation',
      ],
      [
        'IPPool',
        'spec',
        { cidr: '10.65.0.0/16', nodeSelector: 'a ==' },
        'spec.nodeSelector: selector: expected a string',
      ],
    ],
  },
  {
    rule: 'every kind: annotations in a margay.io domain are options that the kind takes [annotation-options.ts]',
    rows: [
      ['BGPPeer', 'metadata', options({ 'bgp.margay.io/hold-time': '9s', 'example.org/hold-time': 'x' })],
      ['BGPPeer', 'metadata', options({ 'bgp.margay.io/hold-time': '0', 'bgp.margay.io/passive': 'true' })],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/hold-time': '2s' }),
        'metadata.annotations["bgp.margay.io/hold-time"]: not a value of this option, found "2s"; allowed: 0 (never)',
      ],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/dynamic-neighbors': '10.1.0.0/24,fd00:1::/64 limit 9' }),
      ],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/dynamic-neighbors': '10.1.0.0/24', 'bgp.margay.io/interface': 'eth0' }),
        'metadata.annotations["bgp.margay.io/interface"]: bgp.margay.io/dynamic-neighbors and bgp.margay.io/interface exclude each other',
      ],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/dynamic-neighbors': '10.1.0.0/24', 'bgp.margay.io/passive': 'false' }),
        'metadata.annotations["bgp.margay.io/passive"]: bgp.margay.io/dynamic-neighbors and bgp.margay.io/passive exclude each other',
      ],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/hold-tiem': '9s' }),
        'metadata.annotations["bgp.margay.io/hold-tiem"]: unknown option (did you mean "bgp.margay.io/hold-time"?)',
      ],
      [
        'BGPPeer',
        'metadata',
        options({ 'bgp.margay.io/deferral-time': '9s' }),
        'metadata.annotations["bgp.margay.io/deferral-time"]: unknown option',
      ],
      [
        'BGPConfiguration',
        'metadata',
        {
          ...options({ 'bgp.margay.io/deferral-time': '9s', 'bgp.margay.io/hold-time': '9s' }),
          name: 'default',
        },
      ],
      [
        'BGPConfiguration',
        'metadata',
        { ...options({ 'bgp.margay.io/passive': 'true' }), name: 'default' },
        'metadata.annotations["bgp.margay.io/passive"]: unknown option',
      ],
      [
        'Tier',
        'metadata',
        options({ 'bgp.margay.io/passive': 'true' }),
        'metadata.annotations["bgp.margay.io/passive"]: this kind has no such options',
      ],
    ],
  },
  {
    rule: 'BGPPeer and BGPConfiguration: what excludes and needs what [calico.md §1.2, §2.2, §2.3]',
    rows: [
      [
        'BGPPeer',
        'spec',
        { peerIP: '10.0.0.1:1790', asNumber: '1.10', node: 'n1', keepaliveTime: '30s', ttlSecurity: 1 },
      ],
      ['BGPPeer', 'spec', { peerIP: '[fd00::1]:179', asNumber: 64512 }],
      ['BGPPeer', 'spec', { peerIP: 'fd00::1', asNumber: 4294967295 }],
      ['BGPPeer', 'spec', { peerIP: '[10.0.0.1]:179' }, 'spec.peerIP: not a peer address'],
      ['BGPPeer', 'spec', { peerIP: '10.0.0.1:0' }, 'spec.peerIP: not a peer address'],
      ['BGPPeer', 'spec', { asNumber: 4294967296 }, 'spec.asNumber: not an AS number'],
      ['BGPPeer', 'spec', { asNumber: '1.65536' }, 'spec.asNumber: not an AS number'],
      [
        'BGPPeer',
        'spec',
        { node: 'n1', nodeSelector: 'all()' },
        'spec.nodeSelector: node and nodeSelector exclude each other',
      ],
      [
        'BGPPeer',
        'spec',
        { peerIP: '10.0.0.1', peerSelector: 'all()', asNumber: 1 },
        'spec.peerSelector: peerIP and peerSelector exclude each other',
        'spec.peerSelector: asNumber and peerSelector exclude each other',
      ],
      ['BGPPeer', 'spec', { localWorkloadSelector: 'all()', asNumber: 1 }],
      [
        'BGPPeer',
        'spec',
        { localWorkloadSelector: 'all()', peerIP: '10.0.0.1' },
        'spec.localWorkloadSelector: localWorkloadSelector needs asNumber',
        'spec.peerIP: localWorkloadSelector and peerIP exclude each other',
      ],
      ['BGPPeer', 'spec', { peerIP: '10.0.0.1', reachableBy: '10.0.0.2' }],
      [
        'BGPPeer',
        'spec',
        { peerIP: '10.0.0.1', reachableBy: 'fd00::2' },
        'spec.reachableBy: not of the address family of peerIP',
      ],
      [
        'BGPPeer',
        'spec',
        { peerSelector: 'all()', reachableBy: 'fd00::2' },
        'spec.reachableBy: reachableBy needs peerIP',
      ],
      [
        'BGPPeer',
        'spec',
        { keepOriginalNextHop: true, nextHopMode: 'Keep' },
        'spec.nextHopMode: keepOriginalNextHop and nextHopMode exclude each other',
      ],
      ['BGPPeer', 'spec', { keepOriginalNextHop: false, nextHopMode: 'Keep' }],
      [
        'BGPPeer',
        'spec',
        { maxRestartTime: '2 minutes' },
        'spec.maxRestartTime: not a duration, found "2 minutes"',
      ],
      [
        'BGPConfiguration',
        'spec',
        { asNumber: 64512, nodeToNodeMeshEnabled: true, nodeMeshMaxRestartTime: '1m30s', listenPort: 1790 },
      ],
      ['BGPConfiguration', 'spec', { listenPort: 0 }, 'spec.listenPort: must be at least 1, found 0'],
      [
        'BGPConfiguration',
        'spec',
        { nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: '1m' },
        'spec.nodeMeshMaxRestartTime: needs the node-to-node mesh',
      ],
      [
        'BGPConfiguration',
        'spec',
        {
          communities: [
            { name: 'a', value: '64512:1' },
            { name: 'b', value: '1:2:4294967295' },
          ],
          prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['a', '1:2'] }],
        },
      ],
      [
        'BGPConfiguration',
        'spec',
        { communities: [{ name: 'a', value: '65536:1' }] },
        'spec.communities[0].value: not a BGP community',
      ],
      [
        'BGPConfiguration',
        'spec',
        {
          communities: [
            { name: 'a', value: '1:1' },
            { name: 'a', value: '1:2' },
          ],
        },
        'spec.communities[1].name: duplicate name',
        'spec.communities: not used by any of prefixAdvertisements',
      ],
      [
        'BGPConfiguration',
        'spec',
        { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['a'] }] },
        'spec.prefixAdvertisements[0].communities[0]: neither a community nor the name of one',
      ],
    ],
  },
  {
    rule: 'Node and WorkloadEndpoint: addresses and names [calico.md §1.2, §1.7]',
    rows: [
      [
        'Node',
        'spec',
        {
          bgp: {
            asNumber: 1,
            ipv4Address: '172.16.0.1/24',
            ipv6Address: 'fd16::1/64',
            routeReflectorClusterID: '244.0.0.1',
          },
          orchRefs: [{ nodeName: 'n1', orchestrator: 'k8s' }],
          addresses: [{ address: '172.16.0.1/24', type: 'CalicoNodeIP' }],
        },
      ],
      ['Node', 'spec', { bgp: { ipv4Address: 'fd16::1/64' } }, 'spec.bgp.ipv4Address: not an IPv4 address'],
      [
        'Node',
        'spec',
        { bgp: { routeReflectorClusterID: '1' } },
        'spec.bgp.routeReflectorClusterID: not an IPv4 address',
      ],
      [
        'Node',
        'spec',
        { bgp: { ipv4Adress: '10.0.0.1' } },
        'spec.bgp.ipv4Adress: unknown field (did you mean "ipv4Address"?)',
      ],
      [
        'WorkloadEndpoint',
        'spec',
        {
          node: 'n1',
          orchestrator: 'k8s',
          pod: 'p',
          endpoint: 'eth0',
          ipNetworks: ['10.65.0.2/32', 'fd65::2'],
          interfaceName: 'cali0123',
          mac: 'EE:ee:ee:ee:ee:ee',
          ports: [{ name: 'http', protocol: 'TCP', port: 80, hostPort: 0, hostIP: '' }],
        },
      ],
      [
        'WorkloadEndpoint',
        'spec',
        { node: 'n1', orchestrator: 'k8s', pod: 'q', endpoint: 'eth0' },
        'metadata.name: does not follow from the spec; allowed: n1-k8s-q-eth0',
      ],
      [
        'WorkloadEndpoint',
        'spec',
        { ipNetworks: ['10.65.0.0/24'] },
        'spec.ipNetworks[0]: not a single address',
      ],
      [
        'WorkloadEndpoint',
        'spec',
        { ipNetworks: ['10.65.0.2'], ipNATs: [{ internalIP: '10.65.0.3', externalIP: 'fd00::1' }] },
        'spec.ipNATs[0].internalIP: not one of ipNetworks',
        'spec.ipNATs[0].internalIP: not of the address family',
      ],
      [
        'WorkloadEndpoint',
        'spec',
        { ports: [{ name: 'p', protocol: 'ICMP', port: 1 }] },
        'spec.ports[0].protocol: not a protocol with ports',
      ],
      ['WorkloadEndpoint', 'spec', { interfaceName: 'cali/0' }, 'spec.interfaceName: not an interface name'],
      ['WorkloadEndpoint', 'spec', { mac: 'ee:ee' }, 'spec.mac: not a MAC address'],
    ],
  },
  {
    rule: 'FelixConfiguration: types of parameters [calico.md §1.10]',
    rows: [
      [
        'FelixConfiguration',
        'spec',
        {
          defaultEndpointToHostAction: 'ACCEPT',
          nftablesRefreshInterval: '90s',
          bpfEnabled: false,
          failsafeInboundHostPorts: [{ protocol: 'tcp', port: 22, net: '10.0.0.0/8' }, { port: 179 }],
        },
      ],
      [
        'FelixConfiguration',
        'spec',
        { defaultEndpointToHostAction: 'Deny' },
        'spec.defaultEndpointToHostAction: not an allowed value, found "Deny"; allowed: Drop, Accept, Return',
      ],
      [
        'FelixConfiguration',
        'spec',
        { iptablesRefreshInterval: 90 },
        'spec.iptablesRefreshInterval: expected text, found 90',
      ],
      [
        'FelixConfiguration',
        'spec',
        { interfacePrefx: 'cali' },
        'spec.interfacePrefx: unknown field (did you mean "interfacePrefix"?)',
      ],
      [
        'FelixConfiguration',
        'spec',
        { nodeSelector: 'all()' },
        'spec.nodeSelector: not in the object named default',
      ],
    ],
  },
];
