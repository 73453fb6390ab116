import { afterEach, expect, it } from 'vitest';
import { describeKernel } from './fixture-namespace.ts';
import { type PodAddresses, TestNode, ask, tellSources } from './fixture-node.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const C = { 4: '10.65.0.4', 6: 'fd65::4' } as const;
const PORT = 8080;
const OTHER_PORT = 9090;
const families = [4, 6] as const;

/** Slices of the service `web`, one for each family, as Kubernetes makes them. */
const slices = (...pods: readonly PodAddresses[]): string =>
  families
    .map(
      (family) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-${family}
  namespace: shop
  labels: {kubernetes.io/service-name: web}
addressType: IPv${family}
endpoints: [${pods.map((pod) => `{addresses: ["${pod[family]}"]}`).join(', ')}]
ports: [{name: http, protocol: TCP, port: ${PORT}}]
`,
    )
    .join('---');

const policy = (name: string, selector: string, rules: string): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec: {selector: ${selector}, ${rules}}
`;

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

describeKernel('a rule that names a service', () => {
  it('lets out to its endpoints at its ports, and follows them as they come and go', async () => {
    const rules = 'types: [Egress], egress: [{action: Allow, destination: {services: {name: web}}}]';
    await TestNode.with(`${slices(B)}---${policy('out', 'role == "client"', rules)}`, async (node) => {
      const a = await node.addPod('a', A, { labels: '{role: client}' });
      const b = await node.addPod('b', B);
      const c = await node.addPod('c', C);
      for (const pod of [b, c]) {
        for (const port of [PORT, OTHER_PORT]) closers.push(await tellSources(pod.namespace, port));
      }
      const reached = async (): Promise<string[]> => {
        const found: string[] = [];
        for (const [name, pod] of [
          ['b', B],
          ['c', C],
        ] as const) {
          for (const family of families) {
            for (const port of [PORT, OTHER_PORT]) {
              if ((await ask(a.namespace, pod[family], port)) !== undefined)
                found.push(`${name} ${family} ${port}`);
            }
          }
        }
        return found;
      };
      expect(await reached()).toEqual([`b 4 ${PORT}`, `b 6 ${PORT}`]);
      await node.apply(slices(B, C));
      expect(await reached()).toEqual([`b 4 ${PORT}`, `b 6 ${PORT}`, `c 4 ${PORT}`, `c 6 ${PORT}`]);
      await node.remove({ kind: 'KubernetesEndpointSlice', namespace: 'shop', name: 'web-6' });
      expect(await reached()).toEqual([`b 4 ${PORT}`, `c 4 ${PORT}`]);
    });
  }, 30_000);

  it('lets in from its endpoints alone, whatever port they send from', async () => {
    const rules = 'ingress: [{action: Allow, source: {services: {name: web}}}]';
    await TestNode.with(`${slices(B)}---${policy('in', 'role == "server"', rules)}`, async (node) => {
      const a = await node.addPod('a', A, { labels: '{role: server}' });
      const b = await node.addPod('b', B);
      const c = await node.addPod('c', C);
      closers.push(await tellSources(a.namespace, OTHER_PORT));
      for (const family of families) {
        expect(await ask(b.namespace, A[family], OTHER_PORT)).toBeDefined();
        expect(await ask(c.namespace, A[family], OTHER_PORT)).toBeUndefined();
      }
    });
  });
});
