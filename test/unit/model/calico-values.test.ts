/**
 * Values as Calico's own Go code writes them into etcd, written by hand (libcalico-go `lib/backend/model` and
 * `lib/backend/etcdv3`): read, and written again byte for byte.
 */
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue, parseEtcdKey } from '../../../src/model/keys.ts';
import { goJson, parseGoJson, sortedByBytes } from '../../../src/model/go-json.ts';
import type { IPAMBlock } from '../../../src/model/kinds/ipam-block.ts';
import type { WorkloadEndpoint } from '../../../src/model/kinds/workload-endpoint.ts';
import { ValidationError } from '../../../src/model/problem.ts';
import type { Resource } from '../../../src/model/resource.ts';

const resources = '/calico/resources/v3/projectcalico.org';
const identity = '"uid":"0b5c2b9e-3c1e-4a53-a9b5-21f0c6f7a111","creationTimestamp":"2026-01-02T03:04:05Z"';

/** What it is, its path, and its value. */
const literals: readonly (readonly [what: string, path: string, value: string])[] = [
  [
    'a profile of a namespace',
    `${resources}/profiles/kns.shop`,
    `{"kind":"Profile","apiVersion":"projectcalico.org/v3","metadata":{"name":"kns.shop",${identity}},"spec":{"ingress":[{"action":"Allow","source":{},"destination":{}}],"egress":[{"action":"Allow","source":{},"destination":{}}],"labelsToApply":{"pcns.kubernetes.io/metadata.name":"shop","pcns.projectcalico.org/name":"shop"}}}`,
  ],
  [
    'a profile of a service account',
    `${resources}/profiles/ksa.shop.default`,
    `{"kind":"Profile","apiVersion":"projectcalico.org/v3","metadata":{"name":"ksa.shop.default",${identity}},"spec":{"labelsToApply":{"pcsa.projectcalico.org/name":"default"}}}`,
  ],
  [
    'a policy of Kubernetes',
    `${resources}/kubernetesnetworkpolicies/shop/web`,
    `{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"name":"web","namespace":"shop",${identity},"labels":{"a":"b"}},"spec":{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"ports":[{"protocol":"TCP","port":80}],"from":[{"podSelector":{"matchLabels":{"app":"client"}},"namespaceSelector":{}}]}],"policyTypes":["Ingress"]}}`,
  ],
  [
    'a policy',
    `${resources}/networkpolicies/shop/default.web`,
    `{"kind":"NetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"default.web","namespace":"shop",${identity},"labels":{"projectcalico.org/tier":"default"},"annotations":{"note":"a \\u003c b \\u0026 c"}},"spec":{"tier":"default","order":10.5,"ingress":[{"action":"Allow","protocol":"TCP","source":{"selector":"a == 'b' \\u0026\\u0026 has(c)"},"destination":{"ports":[80,"8000:8080","http"]}}],"selector":"app == 'web'","types":["Ingress"]}}`,
  ],
  [
    'an endpoint of a pod',
    `${resources}/workloadendpoints/shop/n1-k8s-web--1-eth0`,
    `{"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1-k8s-web--1-eth0","generateName":"web-","namespace":"shop",${identity},"labels":{"app":"web","projectcalico.org/namespace":"shop","projectcalico.org/orchestrator":"k8s","projectcalico.org/serviceaccount":"default"}},"spec":{"orchestrator":"k8s","node":"n1","containerID":"1337495556942031415926535","pod":"web-1","endpoint":"eth0","serviceAccountName":"default","ipNetworks":["10.65.0.2/32","fd65::2/128"],"profiles":["kns.shop","ksa.shop.default"],"interfaceName":"cali1234567890a","mac":"ee:ee:ee:ee:ee:ee","ports":[{"name":"http","protocol":"TCP","port":80,"hostPort":8080}]}}`,
  ],
  [
    'a host endpoint',
    `${resources}/hostendpoints/n1-auto-hep`,
    `{"kind":"HostEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1-auto-hep",${identity},"labels":{"projectcalico.org/created-by":"calico-kube-controllers"}},"spec":{"node":"n1","interfaceName":"*","expectedIPs":["172.16.0.1"],"profiles":["projectcalico-default-allow"]}}`,
  ],
  [
    'a block with owners',
    '/calico/ipam/v2/assignment/ipv4/block/10.65.0.0-30',
    '{"cidr":"10.65.0.0/30","affinity":"host:n-1","allocations":[0,null,1,null],"unallocated":[3,1],"attributes":[{"handle_id":"ipip-tunnel-addr-n-1","secondary":{"node":"n-1","type":"ipipTunnelAddress"}},{"handle_id":"k8s-pod-network.abc","secondary":{"namespace":"shop","node":"n-1","pod":"web-1","timestamp":"2026-01-02 03:04:05 UTC"}}],"sequenceNumber":1763839402034021343,"sequenceNumberForAllocation":{"0":1763839402034021341,"2":1763839402034021342},"deleted":false}',
  ],
  [
    'a fresh block',
    '/calico/ipam/v2/assignment/ipv6/block/fd65::-126',
    '{"cidr":"fd65::/126","affinity":"virtual:load-balancer","affinity_claim_time":"2026-01-02T03:04:05Z","allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":null,"sequenceNumber":7,"sequenceNumberForAllocation":{},"deleted":false}',
  ],
  [
    'a block without holder, with an address that cools down',
    '/calico/ipam/v2/assignment/ipv4/block/10.65.0.4-31',
    '{"cidr":"10.65.0.4/31","affinity":null,"allocations":[0,0],"unallocated":[],"attributes":[{"handle_id":null,"secondary":null,"alternateOwnerAttrs":{"pod":"p"},"releasedAt":"2026-01-02T03:04:05Z"}],"sequenceNumber":2,"sequenceNumberForAllocation":null,"deleted":true,"hostAffinity":"n1"}',
  ],
  [
    'a handle',
    '/calico/ipam/v2/handle/k8s-pod-network.abc',
    '{"block":{"10.65.0.0/26":1,"fd65::/122":2},"deleted":false}',
  ],
  [
    'a handle that names itself',
    '/calico/ipam/v2/handle/vxlan-tunnel-addr-N_1',
    '{"id":"vxlan-tunnel-addr-N_1","block":{},"deleted":false}',
  ],
  [
    'the configuration of IPAM',
    '/calico/ipam/v2/config',
    '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":20}',
  ],
  ['an empty configuration of IPAM', '/calico/ipam/v2/config', '{}'],
  [
    'an affinity',
    '/calico/ipam/v2/host/n-1/ipv4/block/10.65.0.0-26',
    '{"state":"confirmed","deleted":false}',
  ],
];

function read(path: string, value: string): Resource {
  const key = parseEtcdKey(path);
  if (key === undefined) throw new Error(`no key: ${path}`);
  return decodeValue(key, value, 42);
}

describe("Calico's etcd values", () => {
  it.each(literals)('of %s are written as they were read', (_what, path, value) => {
    const resource = read(path, value);
    expect(resource.metadata.resourceVersion).toBe('42');
    expect(encodeValue(resource)).toBe(value);
  });

  it('change where they are changed and nowhere else', () => {
    const [, path, value] = literals.find(([what]) => what === 'an endpoint of a pod')!;
    const endpoint = read(path, value) as WorkloadEndpoint;
    const moved = { ...endpoint, spec: { ...endpoint.spec, interfaceName: 'cali0' } };
    expect(encodeValue(moved)).toBe(value.replace('cali1234567890a', 'cali0'));
  });

  it('of blocks keep sequence numbers of 64 bits', () => {
    const [, path, value] = literals.find(([what]) => what === 'a block with owners')!;
    const block = read(path, value) as IPAMBlock;
    expect(block.spec.sequenceNumber).toBe('1763839402034021343');
    const next = { ...block, spec: { ...block.spec, sequenceNumber: '1763839402034021344' } };
    expect(encodeValue(next)).toContain('"sequenceNumber":1763839402034021344,');
  });

  it('of blocks order places by their digits, as Go does', () => {
    const numbers = '{"0":1,"10":2,"2":3}';
    const value = `{"cidr":"10.65.0.0/28","affinity":null,"allocations":[${'null,'.repeat(15)}null],"unallocated":[],"attributes":[],"sequenceNumber":1,"sequenceNumberForAllocation":${numbers},"deleted":false}`;
    expect(encodeValue(read('/calico/ipam/v2/assignment/ipv4/block/10.65.0.0-28', value))).toBe(value);
  });

  it.each([
    ['/calico/ipam/v2/config', '[]', /expected a map/],
    ['/calico/ipam/v2/config', '{', /not JSON/],
    ['/calico/ipam/v2/config', '{"strictAffinity":1}', /spec\.strictAffinity: expected true or false/],
    ['/calico/ipam/v2/handle/h', '{"id":"g"}', /spec\.id: not the name of the object/],
    [
      '/calico/ipam/v2/assignment/ipv4/block/10.65.0.0-30',
      '{"cidr":"10.65.0.4/30","allocations":[]}',
      /metadata\.name/,
    ],
  ])('under %s that are %s are refused with the reason', (path, value, reason) => {
    expect(() => read(path, value)).toThrow(ValidationError);
    expect(() => read(path, value)).toThrow(reason);
  });
});

describe("Go's JSON", () => {
  it('escapes what HTML could read, sorts maps by bytes, and leaves out what is undefined', () => {
    expect(goJson({ b: '<a>&\u2028\u2029"\\', a: undefined, c: [null, true, 1.5, 2n ** 60n] })).toBe(
      '{"b":"\\u003ca\\u003e\\u0026\\u2028\\u2029\\"\\\\","c":[null,true,1.5,1152921504606846976]}',
    );
    expect(
      goJson(
        sortedByBytes([
          ['b', 1],
          ['10', 2],
          ['2', 3],
          ['B', 4],
        ]),
      ),
    ).toBe('{"10":2,"2":3,"B":4,"b":1}');
  });

  it('keeps long integers as text, and nothing within texts', () => {
    expect(
      parseGoJson('{"a":1763839402034021343,"b":"x:1763839402034021343,","c":9007199254740991,"d":1e20}'),
    ).toEqual({
      a: '1763839402034021343',
      b: 'x:1763839402034021343,',
      c: 9007199254740991,
      d: 1e20,
    });
  });
});
