import { afterEach, expect, it } from 'vitest';
import { Conntrack } from '../../src/netlink/conntrack.ts';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from './fixture-namespace.ts';
import { NODE, NODE_NAME, OUTSIDE, TestNode, ask, ip, tellSources } from './fixture-node.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const FAMILIES = [4, 6] as const;

const host = (name: string, spec: string): string => `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: ${name}, labels: {host: guarded}}
spec: {node: ${NODE_NAME}, ${spec}}
`;
const guard = (name: string, spec: string): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: ${name}}
spec:
  selector: host == "guarded"
  ${spec}
`;
const key = (kind: string, name: string) => ({ kind, name });
const documents = (...texts: readonly string[]): string => texts.join('\n---\n');

describeKernel('host endpoints', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    while (closers.length > 0) closers.pop()!();
  });
  const listen = async (namespace: string, ...ports: readonly number[]): Promise<void> => {
    for (const port of ports) closers.push(await tellSources(namespace, port));
  };
  /** Which of these ports answer, in both families alike. */
  const open = async (
    from: string,
    hosts: Readonly<Record<4 | 6, string>>,
    ...ports: readonly number[]
  ): Promise<number[]> => {
    const answers = await Promise.all(
      ports.map(async (port) => {
        const both = await Promise.all(FAMILIES.map((family) => ask(from, hosts[family], port)));
        const found = both.map((answer) => answer !== undefined);
        if (found[0] !== found[1]) throw new Error(`port ${port}: IPv4 ${found[0]}, IPv6 ${found[1]}`);
        return found[0] ? [port] : [];
      }),
    );
    return answers.flat();
  };

  it('police nothing before there is one, then all but failsafes, and what policy allows', async () => {
    await TestNode.with(guard('deny', 'types: [Ingress, Egress]'), async (node) => {
      await listen(node.namespace, 22, 80, 81);
      await listen(node.outside, 179, 80, 81);
      const inward = (): Promise<number[]> => open(node.outside, NODE, 22, 80, 81);
      const outward = (): Promise<number[]> => open(node.namespace, OUTSIDE, 179, 80, 81);
      expect(await inward()).toEqual([22, 80, 81]);
      expect(await outward()).toEqual([179, 80, 81]);
      await node.apply(host('wire', 'interfaceName: wire'));
      expect(node.dataplane.status().problems).toEqual([]);
      expect(await inward()).toEqual([22]);
      expect(await outward()).toEqual([179]);
      await node.apply(
        guard(
          'allow',
          `order: 1
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [81]}}]`,
        ),
      );
      expect(await inward()).toEqual([22, 80]);
      expect(await outward()).toEqual([179, 81]);
      // Loopback is nobody's business.
      expect(await open(node.namespace, { 4: '127.0.0.1', 6: '::1' }, 81)).toEqual([81]);
      await node.remove(key('HostEndpoint', 'wire'));
      expect(await inward()).toEqual([22, 80, 81]);
    });
  });

  it('stand for the interface that is named, that has the expected address, or for all; the nearest wins', async () => {
    await TestNode.with(
      documents(
        guard('deny', 'types: [Ingress]'),
        `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: other}
spec: {selector: host == "other", types: [Ingress], ingress: [{action: Allow}]}
`,
      ),
      async (node) => {
        await listen(node.namespace, 80);
        const inward = async (): Promise<boolean> => (await open(node.outside, NODE, 80)).length > 0;
        const other = (name: string, spec: string): string =>
          host(name, spec).replace('host: guarded', 'host: other');
        await node.apply(host('all', 'interfaceName: "*"'));
        expect(await inward()).toBe(false);
        await node.apply(other('by-address', `expectedIPs: [${NODE[4]}]`));
        expect(await inward()).toBe(true);
        await node.apply(host('named', 'interfaceName: wire'));
        expect(await inward()).toBe(false);
        await node.apply(other('an-earlier', 'interfaceName: wire'));
        expect(await inward()).toBe(true);
        await node.remove(key('HostEndpoint', 'an-earlier'), key('HostEndpoint', 'named'));
        expect(await inward()).toBe(true);
        await node.remove(key('HostEndpoint', 'by-address'));
        expect(await inward()).toBe(false);
      },
    );
  });

  it('with neither policies nor profiles close the host but for failsafes, and a profile opens it', async () => {
    await TestNode.with(host('all', 'interfaceName: "*"'), async (node) => {
      await listen(node.namespace, 22, 80);
      expect(await open(node.outside, NODE, 22, 80)).toEqual([22]);
      await node.apply(host('all', 'interfaceName: "*", profiles: [projectcalico-default-allow]'));
      expect(await open(node.outside, NODE, 22, 80)).toEqual([22, 80]);
    });
  });

  it('let forwarded packets pass but for policies with applyOnForward', async () => {
    await TestNode.with(
      documents(host('wire', 'interfaceName: wire'), guard('deny', 'types: [Ingress, Egress]')),
      async (node) => {
        const a = await node.addPod('a', A);
        await listen(a.namespace, 80, 81);
        await listen(node.outside, 80, 81);
        expect(await open(node.outside, A, 80, 81)).toEqual([80, 81]);
        expect(await open(a.namespace, OUTSIDE, 80, 81)).toEqual([80, 81]);
        const forward = `applyOnForward: true
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]
  egress: [{action: Allow, protocol: TCP, destination: {ports: [81]}}]`;
        await node.apply(guard('deny', forward));
        expect(await open(node.outside, A, 80, 81)).toEqual([80]);
        expect(await open(a.namespace, OUTSIDE, 80, 81)).toEqual([81]);
      },
    );
  });

  it('see the destination before it is translated with preDNAT, and after it without (also of their own packets)', async () => {
    await TestNode.with(host('wire', 'interfaceName: wire, profiles: [open]'), async (node) => {
      const a = await node.addPod('a', A);
      await listen(a.namespace, 80);
      await listen(node.outside, 80);
      await runChecked(
        'nft',
        [
          `add table inet translate
          add chain inet translate in { type nat hook prerouting priority -100 ; }
          add chain inet translate out { type nat hook output priority -100 ; }
          add rule inet translate in iifname wire ip daddr ${NODE[4]} tcp dport { 8080, 8081 } dnat ip to ${A[4]}:80
          add rule inet translate in iifname wire ip6 daddr ${NODE[6]} tcp dport { 8080, 8081 } dnat ip6 to [${A[6]}]:80
          add rule inet translate out tcp dport 9090 ip daddr ${OUTSIDE[4]} dnat ip to ${OUTSIDE[4]}:80
          add rule inet translate out tcp dport 9090 ip6 daddr ${OUTSIDE[6]} dnat ip6 to [${OUTSIDE[6]}]:80`,
        ],
        { namespace: node.namespace },
      );
      const deny = (port: number): string =>
        guard(
          'early',
          `preDNAT: true
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [${port}]}}]`,
        );
      expect(await open(node.outside, NODE, 8080, 8081)).toEqual([8080, 8081]);
      await node.apply(deny(8080));
      expect(node.dataplane.status().problems).toEqual([]);
      expect(await open(node.outside, NODE, 8080, 8081)).toEqual([8081]);
      await node.apply(deny(80));
      expect(await open(node.outside, NODE, 8080, 8081)).toEqual([8080, 8081]);
      await node.remove(key('GlobalNetworkPolicy', 'early'));
      expect(await open(node.namespace, OUTSIDE, 9090)).toEqual([9090]);
      await node.apply(
        guard(
          'late',
          `types: [Egress]
  egress: [{action: Deny, protocol: TCP, destination: {ports: [80]}}, {action: Allow}]`,
        ),
      );
      expect(await open(node.namespace, OUTSIDE, 9090)).toEqual([]);
    });
  });

  it('do not track with doNotTrack, so that answers need their own rules, and accept for good', async () => {
    await TestNode.with(
      documents(host('wire', 'interfaceName: wire'), guard('deny', 'types: [Ingress, Egress]')),
      async (node) => {
        await listen(node.namespace, 22, 80);
        const untracked = (egress: string): string =>
          guard(
            'untracked',
            `doNotTrack: true
  applyOnForward: true
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]
  egress: [${egress}]`,
          );
        await node.apply(untracked('{action: Deny, protocol: TCP, source: {ports: [80]}}'));
        expect(node.dataplane.status().problems).toEqual([]);
        expect(await open(node.outside, NODE, 22, 80)).toEqual([22]);
        await node.apply(untracked('{action: Allow, protocol: TCP, source: {ports: [80]}}'));
        expect(await open(node.outside, NODE, 22, 80)).toEqual([22, 80]);
        const conntrack = new Conntrack({ namespace: node.namespace });
        closers.push(() => conntrack.close());
        const before = await conntrack.count();
        expect(await open(node.outside, NODE, 80)).toEqual([80]);
        expect(await conntrack.count()).toBe(before);
        expect(await open(node.outside, NODE, 22)).toEqual([22]);
        expect(await conntrack.count()).toBe(before + 2);
      },
    );
  });

  it('of all interfaces police what workloads send and receive, too, with applyOnForward and preDNAT, and not else', async () => {
    await TestNode.with(
      documents(
        host('all', 'interfaceName: "*"'),
        guard('deny', 'types: [Ingress, Egress]'),
        `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Accept}
`,
      ),
      async (node) => {
        const a = await node.addPod('a', A);
        const b = await node.addPod('b', B);
        for (const { namespace } of [a, b, node]) await listen(namespace, 80, 81);
        await listen(node.outside, 80, 81);
        const seen = async () => ({
          outward: await open(a.namespace, OUTSIDE, 80, 81),
          between: await open(a.namespace, B, 80, 81),
          toHost: await open(a.namespace, NODE, 80, 81),
          fromHost: await open(node.namespace, A, 80, 81),
        });
        const all = { outward: [80, 81], between: [80, 81], toHost: [80, 81], fromHost: [80, 81] };
        // What comes in first finds the way out, while the wire's own address is still tentative.
        expect(await open(node.outside, A, 80, 81)).toEqual([80, 81]);
        expect(await seen()).toEqual(all);
        const rules = '[{action: Deny, protocol: TCP, destination: {ports: [80]}}, {action: Allow}]';
        await node.apply(guard('deny', `applyOnForward: true\n  types: [Ingress]\n  ingress: ${rules}`));
        expect(node.dataplane.status().problems).toEqual([]);
        expect(await seen()).toEqual({ ...all, outward: [81], between: [81] });
        await node.apply(guard('deny', `applyOnForward: true\n  types: [Egress]\n  egress: ${rules}`));
        expect(await seen()).toEqual({ ...all, outward: [81], between: [81] });
        const early = `applyOnForward: true\n  preDNAT: true\n  types: [Ingress]\n  ingress: ${rules}`;
        await node.apply(guard('deny', early));
        expect(await seen()).toEqual({ ...all, outward: [81], between: [81], toHost: [81] });
        // An interface that is named is not theirs.
        await node.apply(host('all', 'interfaceName: wire'));
        expect(await seen()).toEqual(all);
      },
    );
  });

  it('let what preDNAT policy allows pass their forward policy as it comes in, not as it leaves', async () => {
    await TestNode.with(host('wire', 'interfaceName: wire'), async (node) => {
      const a = await node.addPod('a', A);
      await listen(a.namespace, 80, 81);
      await listen(node.outside, 80);
      const allow = '[{action: Allow, protocol: TCP, destination: {ports: [80]}}]';
      await node.apply(
        guard('early', `applyOnForward: true\n  preDNAT: true\n  types: [Ingress]\n  ingress: ${allow}`),
      );
      expect(await open(node.outside, A, 80, 81)).toEqual([80, 81]);
      await node.apply(guard('late', 'applyOnForward: true\n  types: [Ingress, Egress]'));
      expect(await open(node.outside, A, 80, 81)).toEqual([80]);
      expect(await open(a.namespace, OUTSIDE, 80)).toEqual([]);
    });
  });

  it('follow an address from one interface to another', async () => {
    await TestNode.with(
      documents(host('by-address', 'expectedIPs: [192.0.2.50]'), guard('deny', 'types: [Ingress]')),
      async (node) => {
        await listen(node.namespace, 80);
        expect(await open(node.outside, NODE, 80)).toEqual([80]);
        await ip(node.namespace, 'addr add 192.0.2.50/32 dev wire');
        let disturbed = (): void => undefined;
        const seen = new Promise<void>((resolve) => {
          disturbed = resolve;
        });
        node.dataplane.onDisturbance = disturbed;
        await seen;
        await node.dataplane.apply();
        expect(await open(node.outside, NODE, 80)).toEqual([]);
      },
    );
  });
});
