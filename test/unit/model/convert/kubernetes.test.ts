import { describe, expect, it } from 'vitest';
import { convertNode } from '../../../../src/model/convert/kubernetes-node.ts';
import {
  profileServiceAccount,
  serviceAccountProfile,
} from '../../../../src/model/convert/service-account.ts';
import { storedForm } from '../../../../src/model/convert/stored-form.ts';
import { decodeEntry, validateResource } from '../../../../src/model/decode.ts';
import type { ServiceAccount } from '../../../../src/model/kinds/service-account.ts';
import { formatYaml, parseResources, toDocument } from '../../../../src/model/yaml.ts';

describe('a service account', () => {
  const account: ServiceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot.1', namespace: 'shop', labels: { team: 'a' } },
    spec: {},
  };

  it('is the profile that its pods inherit labels from, without rules', () => {
    const profile = serviceAccountProfile(account);
    expect(profile).toEqual({
      apiVersion: 'projectcalico.org/v3',
      kind: 'Profile',
      metadata: { name: 'ksa.shop.robot.1' },
      spec: { labelsToApply: { 'pcsa.team': 'a', 'pcsa.projectcalico.org/name': 'robot.1' } },
    });
    expect(validateResource(profile)).toEqual(profile);
    expect(profileServiceAccount(profile)).toEqual(account);
    expect(profileServiceAccount({ ...profile, metadata: { name: 'kns.shop' } })).toBeUndefined();
    expect(storedForm(account)).toEqual(profile);
  });
});

describe('a node of Kubernetes', () => {
  const node = (annotations: Record<string, string>, rest: object = {}) =>
    convertNode({ metadata: { name: 'n1', labels: { a: 'b' }, annotations }, spec: {}, ...rest });

  it("is Calico's node, with what its annotations add", () => {
    const result = node(
      {
        'projectcalico.org/IPv4Address': '172.16.0.1/24',
        'projectcalico.org/IPv6Address': 'fd16::1/64',
        'projectcalico.org/ASNumber': '1.10',
        'projectcalico.org/RouteReflectorClusterID': '244.0.0.1',
        'projectcalico.org/IPv4VXLANTunnelAddr': '10.65.0.1',
        'projectcalico.org/VXLANTunnelMACAddr': '66:AA:00:00:00:01',
        'projectcalico.org/WireguardPublicKey': 'key',
      },
      {
        spec: { podCIDR: '10.65.0.0/24', podCIDRs: ['10.65.0.0/24', 'fd65::/64'] },
        status: {
          addresses: [
            { type: 'InternalIP', address: '172.16.0.1' },
            { type: 'Hostname', address: 'n1' },
            { type: 'ExternalIP', address: '192.0.2.1' },
          ],
        },
      },
    );
    expect(result.faults).toEqual([]);
    expect(result.node).toEqual({
      apiVersion: 'projectcalico.org/v3',
      kind: 'Node',
      metadata: { name: 'n1', labels: { a: 'b' } },
      spec: {
        bgp: {
          ipv4Address: '172.16.0.1/24',
          ipv6Address: 'fd16::1/64',
          asNumber: 65546,
          routeReflectorClusterID: '244.0.0.1',
        },
        ipv4VXLANTunnelAddr: '10.65.0.1',
        vxlanTunnelMACAddr: '66:aa:00:00:00:01',
        addresses: [
          { address: '172.16.0.1', type: 'InternalIP' },
          { address: '192.0.2.1', type: 'ExternalIP' },
        ],
        orchRefs: [{ nodeName: 'n1', orchestrator: 'k8s' }],
      },
      status: { wireguardPublicKey: 'key', podCIDRs: ['10.65.0.0/24', 'fd65::/64'] },
    });
    expect(validateResource(result.node)).toEqual(result.node);
  });

  it('leaves out an annotation at fault, and only that', () => {
    const { node: converted, faults } = node({
      'projectcalico.org/IPv4Address': 'here',
      'projectcalico.org/ASNumber': '64512',
    });
    expect(converted.spec.bgp).toEqual({ asNumber: 64512 });
    expect(faults.map(({ path }) => path.at(-1))).toEqual(['projectcalico.org/IPv4Address']);
  });
});

describe('an endpoint slice', () => {
  const text = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-abc
  namespace: shop
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
endpoints:
  - addresses:
      - 10.65.0.2
    conditions:
      ready: true
    nodeName: n1
ports:
  - name: http
    protocol: TCP
    port: 80
`;

  it('has its fields beside the metadata, in documents', () => {
    const [parsed] = parseResources(text);
    expect(parsed?.resource).toMatchObject({
      kind: 'KubernetesEndpointSlice',
      spec: { addressType: 'IPv4', ports: [{ port: 80 }] },
    });
    expect(formatYaml(parsed!.resource!)).toBe(text);
    expect(validateResource(parsed!.resource!)).toEqual(parsed!.resource);
    expect(toDocument(parsed!.resource!)).not.toHaveProperty('spec');
  });

  it('that is wrong is told where', () => {
    const [parsed] = parseResources(text.replace('10.65.0.2', 'fd65::2'), { file: 'a.yaml' });
    expect(parsed?.problems).toMatchObject([{ line: 11, column: 9, path: ['endpoints', 0, 'addresses', 0] }]);
  });
});

describe('lists', () => {
  it('of a kind give each item the kind', () => {
    const text = JSON.stringify({
      apiVersion: 'crd.projectcalico.org/v1',
      kind: 'HostEndpointList',
      metadata: { resourceVersion: '5' },
      items: [{ metadata: { name: 'a' }, spec: { node: 'n', interfaceName: '*' } }],
    });
    expect(parseResources(text)[0]?.resource).toMatchObject({
      kind: 'HostEndpoint',
      apiVersion: 'projectcalico.org/v3',
    });
    const service = { metadata: { name: 's', namespace: 'x' }, spec: { ports: [{ port: 80 }] } };
    const services = JSON.stringify({ apiVersion: 'v1', kind: 'ServiceList', items: [service] });
    expect(parseResources(services)[0]?.resource?.kind).toBe('KubernetesService');
  });

  it('are not the kind itself', () => {
    expect(decodeEntry({ apiVersion: 'v1', kind: 'ServiceList' }).faults?.[0]?.message).toBe('unknown kind');
  });
});
