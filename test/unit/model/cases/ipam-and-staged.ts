/** What IPAM stores, staged policies, migrations. */
import { type RuleCases, rule } from './case.ts';

const allow = { action: 'Allow' };
const block = (fields: object) => ({
  cidr: '10.65.0.0/30',
  allocations: [0, null, null, null],
  unallocated: [1, 2, 3],
  attributes: [{ handle_id: 'h', secondary: { node: 'n1' } }],
  ...fields,
});

export const ipamAndStagedRules: readonly RuleCases[] = [
  rule(
    'IPAMConfiguration',
    'there is one, called default [libcalico-go/clientv3/ipamconfig.go]',
    [{ name: 'default' }],
    [[{ name: 'a' }, 'metadata.name: not a valid name, found "a"; allowed: default']],
    'metadata',
  ),
  rule(
    'IPAMConfiguration',
    'strictAffinity or autoAllocateBlocks is on [calico.md §1.2]',
    [{}, { strictAffinity: true, autoAllocateBlocks: false }],
    [
      [
        { strictAffinity: false, autoAllocateBlocks: false },
        'spec.autoAllocateBlocks: with strictAffinity false, blocks must be claimed automatically; allowed: true',
      ],
      [{ autoAllocateBlocks: false }, 'spec.autoAllocateBlocks: with strictAffinity false'],
    ],
  ),
  rule(
    'IPAMConfiguration',
    'maxBlocksPerHost above 0 needs strictAffinity [calico.md §1.2, libcalico-go/ipam/ipam.go]',
    [{ maxBlocksPerHost: 0 }, { strictAffinity: true, maxBlocksPerHost: 20 }],
    [
      [{ maxBlocksPerHost: 1 }, 'spec.maxBlocksPerHost: maxBlocksPerHost needs strictAffinity: true'],
      [{ strictAffinity: true, maxBlocksPerHost: -1 }, 'spec.maxBlocksPerHost: must be at least 0, found -1'],
      [
        { strictAffinity: true, maxBlocksPerHost: 1_000_001 },
        'spec.maxBlocksPerHost: must be at most 1000000',
      ],
      [{ strictAffinity: 'yes' }, 'spec.strictAffinity: expected true or false, found "yes"'],
    ],
  ),

  rule(
    'IPAMBlock',
    'the name follows from the CIDR [calico.md §1.7]',
    [block({})],
    [
      [
        block({ cidr: '10.65.0.4/30' }),
        'metadata.name: does not follow from spec.cidr; allowed: 10-65-0-4-30',
      ],
      [block({ cidr: '10.65.0.1/30' }), 'spec.cidr: CIDR has bits set beyond its prefix length'],
      [block({ cidr: undefined }), 'spec.cidr: required field is missing'],
    ],
  ),
  rule(
    'IPAMBlock',
    'affinity names a host or a virtual holder [calico.md §1.7]',
    [
      block({ affinity: 'host:n-1.example.org' }),
      block({ affinity: 'virtual:load-balancer' }),
      block({ affinity: null }),
    ],
    [
      [block({ affinity: 'n1' }), 'spec.affinity: not the holder of a block, found "n1"'],
      [block({ affinity: 'node:n1' }), 'spec.affinity: not the holder of a block'],
    ],
  ),
  rule(
    'IPAMBlock',
    'every address is free or has an owner, not both [calico.md §1.7, libcalico-go/ipam/ipam_block.go]',
    [block({ unallocated: [3, 1, 2] }), block({ allocations: [0, 0, 0, 0], unallocated: [] })],
    [
      [block({ allocations: [0, null] }), 'spec.allocations: not one entry for each address; allowed: 4'],
      [block({ allocations: [1, null, null, null] }), 'spec.allocations[0]: no such entry in attributes'],
      [block({ unallocated: [0, 1] }), 'spec.unallocated[0]: is assigned'],
      [block({ unallocated: [4] }), 'spec.unallocated[0]: not an address of the block'],
      [block({ allocations: undefined }), 'spec.allocations: required field is missing'],
    ],
  ),
  rule(
    'IPAMBlock',
    'sequence numbers have 64 bits [calico.md §1.7; Calico starts them at the time in nanoseconds]',
    [
      block({ sequenceNumber: 5, sequenceNumberForAllocation: { 0: 5 } }),
      block({ sequenceNumber: '1763839402034021343' }),
      block({ sequenceNumber: '18446744073709551615' }),
    ],
    [
      [block({ sequenceNumber: -1 }), 'spec.sequenceNumber: not a sequence number, found -1'],
      [block({ sequenceNumber: 1.5 }), 'spec.sequenceNumber: not a sequence number'],
      [block({ sequenceNumber: 2 ** 60 }), 'spec.sequenceNumber: not a sequence number'],
      [block({ sequenceNumber: '18446744073709551616' }), 'spec.sequenceNumber: not a sequence number'],
      [block({ sequenceNumber: 'x' }), 'spec.sequenceNumber: not a sequence number'],
    ],
  ),
  rule(
    'IPAMHandle',
    'handleID is the name [calico.md §1.7]',
    [{ handleID: 'k8s-pod-network.abc', block: { '10.65.0.0/26': 1 } }],
    [
      [{ handleID: 'other' }, 'spec.handleID: not the name of the object; allowed: k8s-pod-network.abc'],
      [{}, 'spec.handleID: required field is missing'],
      [{ handleID: 'k8s-pod-network.abc', id: 'x' }, 'spec.id: not the name of the object'],
      [{ handleID: 'k8s-pod-network.abc', block: { a: -1 } }, 'spec.block.a: must be at least 0, found -1'],
    ],
  ),
  rule(
    'BlockAffinity',
    'users do not mark one deleted [validator.go validateBlockAffinitySpec]',
    [{ node: 'n1', cidr: '10.65.0.0/26', deleted: false }],
    [[{ node: 'n1', cidr: '10.65.0.0/26', deleted: true }, 'spec.deleted: cannot be set; allowed: false']],
  ),
  rule(
    'BlockAffinity',
    'node and cidr are required [calico.md §1.2]',
    [{ node: 'n1', cidr: '10.65.0.0/26', state: 'pending' }],
    [
      [{ cidr: '10.65.0.0/26' }, 'spec.node: required field is missing'],
      [{ node: 'n1' }, 'spec.cidr: required field is missing'],
    ],
  ),

  rule(
    'StagedNetworkPolicy',
    'Delete takes no other field but the tier [calico.md §1.2, validator.go]',
    [{ stagedAction: 'Delete' }, { stagedAction: 'Delete', tier: 'security', ingress: [] }],
    [
      [
        { stagedAction: 'Delete', selector: 'all()' },
        'spec.selector: stagedAction Delete takes no other fields',
      ],
      [
        { stagedAction: 'Delete', order: 1, types: ['Ingress'] },
        'spec.order: stagedAction Delete takes no other fields',
        'spec.types: stagedAction Delete takes no other fields',
      ],
      [{ stagedAction: 'Delete', egress: [allow] }, 'spec.egress: stagedAction Delete takes no other fields'],
    ],
  ),
  rule(
    'StagedNetworkPolicy',
    'otherwise it keeps the rules of a NetworkPolicy [calico.md §1.2]',
    [{ stagedAction: 'Learn', ingress: [allow], types: ['Ingress', 'Egress'] }],
    [
      [{ types: ['Ingress', 'Ingress'] }, 'spec.types[1]: duplicate policy type'],
      [{ selector: 'global()' }, 'spec.selector: global() has no meaning here'],
      [
        { egress: [{ ...allow, source: { services: { name: 's' } } }] },
        'spec.egress[0].source.services: egress rules name services only as destination',
      ],
    ],
  ),
  rule(
    'StagedGlobalNetworkPolicy',
    'Delete takes no other field but the tier [calico.md §1.2, validator.go]',
    [{ stagedAction: 'Delete', tier: 'security', doNotTrack: false }],
    [
      [
        { stagedAction: 'Delete', applyOnForward: true },
        'spec.applyOnForward: stagedAction Delete takes no other fields',
      ],
      [
        { stagedAction: 'Delete', namespaceSelector: 'all()' },
        'spec.namespaceSelector: stagedAction Delete takes no other fields',
      ],
    ],
  ),
  rule(
    'StagedGlobalNetworkPolicy',
    'otherwise it keeps the rules of a GlobalNetworkPolicy [calico.md §1.2]',
    [{ preDNAT: true, applyOnForward: true, ingress: [allow] }],
    [
      [{ preDNAT: true }, 'spec.preDNAT: preDNAT needs applyOnForward: true'],
      [
        { ingress: [{ ...allow, source: { services: { name: 's' } } }] },
        'spec.ingress[0].source.services: a service needs its namespace here',
      ],
    ],
  ),
  rule(
    'StagedKubernetesNetworkPolicy',
    'Delete takes no other field [calico.md §1.2, validator.go]',
    [{ stagedAction: 'Delete' }, { stagedAction: 'Delete', podSelector: {} }],
    [
      [
        { stagedAction: 'Delete', podSelector: { matchLabels: { a: 'b' } } },
        'spec.podSelector: stagedAction Delete takes no other fields',
      ],
      [
        { stagedAction: 'Delete', policyTypes: ['Ingress'] },
        'spec.policyTypes: stagedAction Delete takes no other fields',
      ],
    ],
  ),
  rule(
    'StagedKubernetesNetworkPolicy',
    'otherwise it can be converted [validator.go validateStagedKubernetesNetworkPolicy]',
    [{ ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }], policyTypes: ['Ingress'] }],
    [
      [{ ingress: [{ from: [{}] }] }, 'spec.ingress[0].from[0]: empty peer'],
      [{ policyTypes: ['Ingress', 'Ingress'] }, 'spec.policyTypes[1]: duplicate entry'],
      [{ policyTypes: ['Both'] }, 'spec.policyTypes[0]: not a policy type'],
    ],
  ),

  rule(
    'LiveMigration',
    'source is a workload or an endpoint [internalapi/livemigration.go: ExactlyOneOf]',
    [
      {},
      { source: { workload: { orchestratorID: 'k8s', workloadID: 'x/p' } } },
      { source: { workloadEndpoint: { hostname: 'n1', endpointID: 'e' } } },
    ],
    [
      [{ source: {} }, 'spec.source: exactly one of workload and workloadEndpoint must be given'],
      [
        { source: { workload: {}, workloadEndpoint: {} } },
        'spec.source: exactly one of workload and workloadEndpoint must be given',
      ],
    ],
  ),
  rule(
    'LiveMigration',
    'target is a selector or an endpoint [internalapi/livemigration.go: ExactlyOneOf]',
    [{ target: { selector: "a == 'b'" } }, { target: { workloadEndpoint: {} } }],
    [
      [{ target: {} }, 'spec.target: exactly one of selector and workloadEndpoint must be given'],
      [{ target: { selector: 'a b' } }, 'spec.target.selector: selector: '],
    ],
  ),
];
