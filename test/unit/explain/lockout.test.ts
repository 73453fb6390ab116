import { describe, expect, it } from 'vitest';
import { type Surroundings, lockouts } from '../../../src/explain/lockout.ts';
import type { KnownResource } from '../../../src/model/registry.ts';
import { parseResources } from '../../../src/model/yaml.ts';
import { address } from '../../../src/net/address.ts';

const read = (...texts: readonly string[]): KnownResource[] =>
  texts.flatMap((text) => [...parseResources(text)].map(({ resource }) => resource as KnownResource));

const node = (name: string, last: number): string => `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: ${name}}
spec: {bgp: {ipv4Address: 192.0.2.${last}/24, ipv6Address: "2001:db8::${last}/64"}}
`;
const host = (spec: string, name = 'guard'): string => `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: ${name}, labels: {host: guarded}}
spec: {node: one, ${spec}}
`;
const policy = (spec: string, name = 'p'): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: ${name}}
spec: {selector: host == "guarded", ${spec}}
`;
const felix = (spec: string, name = 'default'): string => `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: ${name}}
spec: {${spec}}
`;
const nodes = [node('one', 1), node('two', 2)];
const ssh = (port: number, server = '192.0.2.1'): Surroundings => ({
  operator: {
    from: { address: address('203.0.113.7'), port: 50_000 },
    to: { address: address(server), port },
  },
  datastore: [],
});
const nobody: Surroundings = { datastore: [] };
const cut = (before: readonly string[], after: readonly string[], surroundings: Surroundings): string[] =>
  lockouts(read(...before), read(...after), surroundings).map(
    ({ connection, endpoint, decidedBy }) => `${endpoint}: ${connection}: ${decidedBy.join()}`,
  );

describe('a change that locks out', () => {
  it('is a host endpoint before a port that is no failsafe port, with what denies it', () => {
    const after = [...nodes, host('interfaceName: "*"')];
    expect(cut(nodes, after, ssh(2222))).toEqual([
      'guard: your SSH connection from 203.0.113.7: HostEndpoint/guard/ingress/no-profile-match',
    ]);
    expect(cut(nodes, after, ssh(22))).toEqual([]);
    expect(cut(nodes, after, ssh(2222, '192.0.2.2'))).toEqual([]);
    expect(cut(nodes, after, ssh(2222, '198.51.100.1'))).toEqual([]);
  });

  it('is none if the connection is refused already, or policy lets it through', () => {
    const before = [...nodes, host('interfaceName: "*"')];
    expect(cut(before, [...before, policy('types: [Ingress]')], ssh(2222))).toEqual([]);
    const allowed = [...before, policy('ingress: [{action: Allow, source: {nets: [203.0.113.0/24]}}]')];
    expect(cut(nodes, allowed, ssh(2222))).toEqual([]);
    expect(cut(allowed, before, ssh(2222))).toHaveLength(1);
  });

  it('may come of untracked and preDNAT policy, of failsafe ports that go, and of an address alone', () => {
    const open = [...nodes, host('expectedIPs: [192.0.2.1], profiles: [projectcalico-default-allow]')];
    expect(cut(open, open, ssh(2222))).toEqual([]);
    const denies = 'applyOnForward: true, ingress: [{action: Deny, protocol: TCP}]';
    for (const stage of ['doNotTrack: true', 'preDNAT: true']) {
      expect(cut(open, [...open, policy(`${stage}, ${denies}`)], ssh(2222)), stage).toEqual([
        'guard: your SSH connection from 203.0.113.7: default/GlobalNetworkPolicy//p/ingress/0',
      ]);
    }
    const closed = [...nodes, host('interfaceName: eth0')];
    const [first] = cut(closed, [...closed, felix('failsafeInboundHostPorts: []')], ssh(22));
    expect(first).toMatch(/your SSH connection/);
    expect(cut(closed, [...closed, felix('failsafeInboundHostPorts: []', 'node.two')], ssh(22))).toEqual([]);
  });

  it('knows the interface of the operator, where it is told', () => {
    const after = [...nodes, host('interfaceName: eth1')];
    const by = (interfaceName: string): Surroundings => ({
      ...ssh(2222),
      operator: { ...ssh(2222).operator!, interfaceName },
    });
    expect(cut(nodes, after, by('eth0'))).toEqual([]);
    expect(cut(nodes, after, by('eth1'))).toHaveLength(1);
    expect(cut(nodes, after, ssh(2222))).toHaveLength(1);
    // One that names its interface is not found by the addresses that it expects.
    const expecting = [...nodes, host('interfaceName: eth1, expectedIPs: [192.0.2.1]')];
    expect(cut(nodes, expecting, by('eth0'))).toEqual([]);
    expect(cut(nodes, expecting, by('eth1'))).toHaveLength(1);
  });

  it('is one that cuts nodes off from etcd or from BGP, in either direction and family', () => {
    const ports = 'failsafeInboundHostPorts: [], failsafeOutboundHostPorts: [{protocol: tcp, port: 22}]';
    const after = [...nodes, host('interfaceName: "*"'), felix(ports)];
    const etcd = (text: string): Surroundings => ({ datastore: [{ address: address(text), port: 2379 }] });
    const before = nodes;
    expect(cut(before, after, etcd('198.51.100.9')).filter((one) => one.includes('datastore'))).toEqual([
      'guard: datastore connection to 198.51.100.9 port 2379: HostEndpoint/guard/egress/no-profile-match',
    ]);
    expect(cut(before, after, etcd('192.0.2.1')).filter((one) => one.includes('datastore'))).toEqual([
      'guard: datastore connection from 192.0.2.2 to port 2379: HostEndpoint/guard/ingress/no-profile-match',
    ]);
    expect(cut(before, after, nobody).map((one) => one.split(': ')[1])).toEqual([
      'BGP session from 192.0.2.2',
      'BGP session to 192.0.2.2',
    ]);
    const withoutMesh = `
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: false}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: "[2001:db8::9]:1179", asNumber: 65000}
`;
    expect(cut(before, [...after, withoutMesh], nobody).map((one) => one.split(': ')[1])).toEqual([
      'BGP session from 2001:db8::9',
      'BGP session to 2001:db8::9',
    ]);
  });
});
