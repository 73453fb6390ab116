import { afterEach, describe, expect, it } from 'vitest';
import { run, runChecked } from '../../src/sys/process.ts';
import { describeKernel } from './fixture-namespace.ts';
import { NODE, NODE_NAME, TestNode, ask, tellSources } from './fixture-node.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const PORT = 8080;
const families = [4, 6] as const;

const felix = (spec: string): string => `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: ${spec}
`;
const closed = (rules: string): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {selector: role == "server", ingress: ${rules}}
`;

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

const list = (namespace: string): Promise<string> =>
  runChecked('nft', ['list', 'table', 'inet', 'margay'], { namespace });

/**
 * How a connection ends: it is made, it is refused, or nothing answers. Between namespaces the refusal of the first
 * packet comes while connect(2) still holds the socket, so that only the second, a second later, counts.
 */
async function outcome(
  namespace: string,
  host: string,
  port: number,
): Promise<'open' | 'refused' | 'silent'> {
  const script = `exec 3<>/dev/tcp/${host}/${port}`;
  const { status } = await run('timeout', ['2.5', 'bash', '-c', script], { namespace });
  return status === 0 ? 'open' : status === 124 ? 'silent' : 'refused';
}

describeKernel('FelixConfiguration', () => {
  it.each([
    ['Drop', 'silent'],
    ['Reject', 'refused'],
  ] as const)('lets a denied packet meet NftablesFilterDenyAction %s', async (action, wanted) => {
    const resources = `${felix(`{nftablesFilterDenyAction: ${action}}`)}---${closed('[{action: Deny}]')}`;
    await TestNode.with(resources, async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      closers.push(await tellSources(b.namespace, PORT));
      const outcomes = await Promise.all(families.map((family) => outcome(a.namespace, B[family], PORT)));
      expect(outcomes).toEqual([wanted, wanted]);
    });
  });

  it.each([
    ['Drop', false, false],
    ['Return', true, true],
    ['Accept', true, true],
  ] as const)(
    'lets what a workload sends to the host meet DefaultEndpointToHostAction %s after egress policy',
    async (action, open, related) => {
      await TestNode.with(felix(`{defaultEndpointToHostAction: ${action}}`), async (node) => {
        const a = await node.addPod('a', A);
        closers.push(await tellSources(node.namespace, PORT));
        closers.push(await tellSources(a.namespace, PORT));
        const reached = async (): Promise<boolean[]> => {
          const answers = await Promise.all(families.map((family) => ask(a.namespace, NODE[family], PORT)));
          return answers.map((answer) => answer !== undefined);
        };
        expect(await reached()).toEqual([open, open]);
        // Answers to what the host began always come back.
        for (const family of families) expect(await ask(node.namespace, A[family], PORT)).toBeDefined();
        await node.apply(`
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: no-v6-out, namespace: shop}
spec: {types: [Egress], egress: [{action: Deny, ipVersion: 6}, {action: Allow}]}
`);
        expect(await reached()).toEqual([related, false]);
      });
    },
  );

  it('opens failsafe ports for the addresses that they name, and no others', async () => {
    const ports = `{failsafeInboundHostPorts: [{protocol: tcp, port: 8080, net: 192.0.2.0/24}, {port: 8081, net: "::/0"}]}`;
    const host = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: wire}
spec: {node: ${NODE_NAME}, interfaceName: wire}
`;
    await TestNode.with(`${felix(ports)}---${host}`, async (node) => {
      for (const port of [22, 8080, 8081]) closers.push(await tellSources(node.namespace, port));
      const open = async (family: 4 | 6): Promise<number[]> => {
        const found: number[] = [];
        for (const port of [22, 8080, 8081]) {
          if ((await ask(node.outside, NODE[family], port)) !== undefined) found.push(port);
        }
        return found;
      };
      expect([await open(4), await open(6)]).toEqual([[8080], [8081]]);
    });
  });

  describe('with a Log rule', () => {
    it('writes LogPrefix with its specifiers, within LogActionRateLimit and its burst, and goes on', async () => {
      const spec = "{logPrefix: '%t|%k|%n|%p', logActionRateLimit: 2/minute, logActionRateLimitBurst: 3}";
      const resources = `${felix(spec)}---${closed('[{action: Log}, {action: Allow}]')}`;
      await TestNode.with(resources, async (node) => {
        const a = await node.addPod('a', A);
        const b = await node.addPod('b', B, { labels: '{role: server}' });
        closers.push(await tellSources(b.namespace, PORT));
        for (const family of families) expect(await ask(a.namespace, B[family], PORT)).toBeDefined();
        const rule = (await list(node.namespace)).split('\n').find((line) => line.includes('log prefix'));
        expect(rule).toContain('counter packets 2');
        expect(rule).toContain('limit rate 2/minute burst 3 packets');
        expect(rule).toContain('log prefix "default|np|closed|shop/closed: " level info');
      });
    });
  });
});
