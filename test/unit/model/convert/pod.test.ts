import { describe, expect, it } from 'vitest';
import { convertPod } from '../../../../src/model/convert/pod.ts';
import { parseQuantity } from '../../../../src/model/convert/quantity.ts';
import { storedForm } from '../../../../src/model/convert/stored-form.ts';
import { decodeEntry, validateResource } from '../../../../src/model/decode.ts';
import type { Pod } from '../../../../src/model/kinds/pod.ts';
import { formatProblem } from '../../../../src/model/problem.ts';

interface PodParts {
  readonly annotations?: Record<string, string>;
  readonly spec?: object;
  readonly status?: object;
  readonly metadata?: object;
}

function pod({ annotations = {}, spec = {}, status = {}, metadata = {} }: PodParts): Pod {
  const { resource, faults } = decodeEntry({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-1', namespace: 'shop', annotations, ...metadata },
    spec: { nodeName: 'n-1', ...spec },
    status,
  });
  if (resource?.kind !== 'Pod') throw new Error(faults?.map(formatProblem).join());
  return resource;
}

const endpointSpec = (parts: PodParts) => convertPod(pod(parts)).endpoint?.spec;
const prefix = 'cni.projectcalico.org/';

describe('the endpoint of a pod', () => {
  it('has the names, labels, profiles and addresses that Calico gives it', () => {
    const { endpoint, faults } = convertPod(
      pod({
        metadata: {
          labels: { app: 'web' },
          uid: 'u',
          creationTimestamp: '2026-01-02T03:04:05Z',
          generateName: 'web-',
        },
        annotations: { [`${prefix}containerID`]: 'abc', 'k8s.v1.cni.cncf.io/network-status': '[]' },
        spec: {
          serviceAccountName: 'robot',
          containers: [
            {
              ports: [
                { name: 'http', containerPort: 80 },
                { containerPort: 81 },
                { containerPort: 82, hostPort: 8082, hostIP: '192.0.2.1', protocol: 'UDP' },
              ],
            },
          ],
          initContainers: [
            {
              ports: [
                { name: 'init', containerPort: 1, protocol: 'SCTP' },
                { name: 'odd', containerPort: 2, protocol: 'X' },
              ],
            },
          ],
        },
        status: { podIPs: [{ ip: '10.65.0.2' }, { ip: 'fd65::2' }], podIP: '10.65.0.2' },
      }),
    );
    expect(faults).toEqual([]);
    expect(endpoint).toEqual({
      apiVersion: 'projectcalico.org/v3',
      kind: 'WorkloadEndpoint',
      metadata: {
        name: 'n--1-k8s-web--1-eth0',
        namespace: 'shop',
        uid: 'u',
        creationTimestamp: '2026-01-02T03:04:05Z',
        generateName: 'web-',
        labels: {
          app: 'web',
          'projectcalico.org/namespace': 'shop',
          'projectcalico.org/orchestrator': 'k8s',
          'projectcalico.org/serviceaccount': 'robot',
        },
        annotations: { 'k8s.v1.cni.cncf.io/network-status': '[]' },
      },
      spec: {
        orchestrator: 'k8s',
        node: 'n-1',
        pod: 'web-1',
        endpoint: 'eth0',
        containerID: 'abc',
        serviceAccountName: 'robot',
        ipNetworks: ['10.65.0.2/32', 'fd65::2/128'],
        profiles: ['kns.shop', 'ksa.shop.robot'],
        // SHA-1 of "shop.web-1".
        interfaceName: 'cali751425ce827',
        ports: [
          { name: 'http', protocol: 'TCP', port: 80 },
          { protocol: 'UDP', port: 82, hostPort: 8082, hostIP: '192.0.2.1' },
          { name: 'init', protocol: 'SCTP', port: 1 },
        ],
      },
    });
    expect(validateResource(endpoint!)).toEqual(endpoint);
  });

  it('takes its addresses from the annotation of the CNI plugin before the status', () => {
    const status = { podIP: '10.65.0.9' };
    const of = (annotations: Record<string, string>) => endpointSpec({ annotations, status })?.ipNetworks;
    expect(of({})).toEqual(['10.65.0.9/32']);
    expect(of({ [`${prefix}podIP`]: '10.65.0.2/32' })).toEqual(['10.65.0.2/32']);
    expect(of({ [`${prefix}podIPs`]: '10.65.0.2/32, fd65::2', [`${prefix}podIP`]: '10.65.0.3' })).toEqual([
      '10.65.0.2/32',
      'fd65::2/128',
    ]);
    expect(of({ 'vpc.amazonaws.com/pod-ips': '10.65.0.4' })).toEqual(['10.65.0.9/32']);
    expect(endpointSpec({ annotations: { 'vpc.amazonaws.com/pod-ips': '10.65.0.4' } })?.ipNetworks).toEqual([
      '10.65.0.4/32',
    ]);
    expect(endpointSpec({})?.ipNetworks).toEqual([]);
  });

  it.each([
    [{ status: { phase: 'Succeeded', podIP: '10.65.0.2' } }, []],
    [{ status: { phase: 'Failed', podIP: '10.65.0.2' } }, []],
    [{ status: { phase: 'Running', podIP: '10.65.0.2' } }, ['10.65.0.2/32']],
    [
      {
        metadata: { deletionTimestamp: 'now', annotations: { [`${prefix}podIP`]: '' } },
        status: { podIP: '10.65.0.2' },
      },
      [],
    ],
    [{ metadata: { deletionTimestamp: 'now' }, status: { podIP: '10.65.0.2' } }, ['10.65.0.2/32']],
    [{ annotations: { [`${prefix}podIP`]: '' }, status: { podIP: '10.65.0.2' } }, ['10.65.0.2/32']],
  ])('of a pod %j has the addresses %j', (parts: PodParts, networks) => {
    expect(endpointSpec(parts)?.ipNetworks).toEqual(networks);
  });

  it('translates floating addresses of the families that the pod has', () => {
    const annotations = {
      [`${prefix}podIP`]: '10.65.0.2/32',
      [`${prefix}floatingIPs`]: '["192.0.2.1","2001:db8::1"]',
    };
    expect(endpointSpec({ annotations })?.ipNATs).toEqual([
      { internalIP: '10.65.0.2', externalIP: '192.0.2.1' },
    ]);
  });

  it('may use further source addresses if an annotation says so', () => {
    const annotations = { [`${prefix}allowedSourcePrefixes`]: '["10.0.0.1/8","fd00::/8"]' };
    expect(endpointSpec({ annotations })?.allowSpoofedSourcePrefixes).toEqual(['10.0.0.0/8', 'fd00::/8']);
  });

  it('is limited as annotations say, with bursts filled in', () => {
    const qos = 'qos.projectcalico.org/';
    expect(
      endpointSpec({
        annotations: {
          'kubernetes.io/ingress-bandwidth': '10M',
          [`${qos}egressBandwidth`]: '20M',
          'kubernetes.io/egress-bandwidth': '1M',
          [`${qos}egressBurst`]: '1Mi',
          [`${qos}ingressPacketRate`]: '1k',
          [`${qos}egressMaxConnections`]: '100',
          [`${qos}dscp`]: '46',
        },
      })?.qosControls,
    ).toEqual({
      ingressBandwidth: 10_000_000,
      ingressBurst: 4_294_967_296,
      ingressPacketRate: 1000,
      ingressPacketBurst: 5,
      egressBandwidth: 20_000_000,
      egressBurst: 1_048_576,
      egressMaxConnections: 100,
      dscp: 46,
    });
    expect(endpointSpec({})?.qosControls).toBeUndefined();
  });

  it('does not exist for pods on the network of their node, and on none', () => {
    const bare = { metadata: { name: 'p', namespace: 'x' } };
    expect(convertPod({ ...bare, spec: { hostNetwork: true, nodeName: 'n' } }).endpoint).toBeUndefined();
    expect(convertPod({ ...bare, spec: {} }).endpoint).toBeUndefined();
    expect(() => storedForm({ apiVersion: 'v1', kind: 'Pod', ...bare, spec: {} })).toThrow(/on no node/);
    expect(storedForm(pod({})).kind).toBe('WorkloadEndpoint');
  });

  it('has an interface name with the prefix that is configured', () => {
    expect(convertPod(pod({}), 'tap').endpoint?.spec.interfaceName).toMatch(/^tap[0-9a-f]{11}$/);
  });
});

describe('quantities', () => {
  it.each([
    ['0', 0],
    ['1k', 1000],
    ['1.01k', 1010],
    ['1.5', 2],
    ['4Gi', 4_294_967_296],
    ['.5k', 500],
    ['2e3', 2000],
    ['2E3', 2000],
    ['1P', 1e15],
    ['100m', 1],
    ['-1', -1],
    ['k', undefined],
    ['1kb', undefined],
    ['1 k', undefined],
    ['', undefined],
    ['1KI', undefined],
  ])('%j are %s', (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });
});
