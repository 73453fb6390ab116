import { once } from 'node:events';
import { type Server, Socket, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Address, Family } from '../../src/net/address.ts';
import { tcpListenSocket, tcpSocket } from '../../src/sys/socket.ts';
import { datagrams } from './fixture-datagrams.ts';
import { describeKernel } from './fixture-namespace.ts';
import { NODE, NODE_NAME, OUTSIDE, TestNode } from './fixture-node.ts';
import { until } from './nftables-support.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const PORT = 8080;
const families = [4, 6] as const;
const KEY = { kind: 'NetworkPolicy', namespace: 'shop', name: 'closed' } as const;

/** Denies what clients send to servers; everything else may pass. */
const policy = (annotation: string, client: string): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: closed, namespace: shop, annotations: {${annotation}}}
spec:
  selector: role == "server"
  ingress:
    - {action: Deny, source: {selector: '${client}'}}
    - {action: Allow}
`;
const FLUSH = 'policy.margay.io/flush-on-change: "true"';
const CLIENTS = 'role == "client"';

/** The node's way out, or with `"*"` all its interfaces, as a host endpoint that policy may select. */
const guardedHost = (interfaceName = 'wire'): string => `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: wire, labels: {host: guarded}}
spec: {node: ${NODE_NAME}, interfaceName: ${interfaceName}, profiles: [open]}
`;

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

async function echoServer(namespace: string, family: Family, port = PORT): Promise<Server> {
  const address = (family === 4 ? '0.0.0.0' : '::') as Address;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => socket.write(data));
    closers.push(() => socket.destroy());
  });
  server.listen({ fd: tcpListenSocket({ namespace, address, port }) });
  await once(server, 'listening');
  closers.push(() => server.close());
  return server;
}

/** An established connection, what came back on it, and whether it was reset. */
interface Call {
  readonly say: (text: string) => void;
  readonly heard: () => string;
  readonly isReset: () => boolean;
}

async function call(namespace: string, host: string, family: Family, port = PORT): Promise<Call> {
  const socket = new Socket({ fd: tcpSocket({ namespace, family }) });
  let heard = '';
  let reset = false;
  socket.on('data', (data) => (heard += data.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => (reset ||= error.code === 'ECONNRESET'));
  socket.connect(port, host);
  await once(socket, 'connect');
  closers.push(() => socket.destroy());
  return { say: (text) => socket.write(text), heard: () => heard, isReset: () => reset };
}

describeKernel('a change of policy that is to cut connections', () => {
  it.each(families)('resets denied TCP connections of IPv%i and leaves others alone', async (family) => {
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A, { labels: '{role: client}' });
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      await echoServer(b.namespace, family);
      const denied = await call(a.namespace, B[family], family);
      const allowed = await call(node.outside, B[family], family);
      const host = await call(node.namespace, B[family], family);
      for (const one of [denied, allowed, host]) one.say('before');
      await until(() => [denied, allowed, host].every((one) => one.heard() === 'before'));
      await node.apply(policy('', CLIENTS));
      denied.say(', established');
      await until(() => denied.heard() === 'before, established');
      await node.apply(policy(FLUSH, CLIENTS));
      denied.say(', after');
      await until(() => denied.isReset());
      for (const one of [allowed, host]) one.say(', after');
      await until(() => [allowed, host].every((one) => one.heard() === 'before, after'));
      expect(denied.heard()).toBe('before, established');
    });
  });

  it.each(families)('ends a stream of datagrams over IPv%i, whichever end sends', async (family) => {
    const flush = `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default, annotations: {${FLUSH}}}
spec: {}
`;
    await TestNode.with(`${flush}---${policy('', 'role == "nobody"')}`, async (node) => {
      const a = await node.addPod('a', A, { labels: '{role: client}' });
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      const client = datagrams(a.namespace, family, PORT);
      const server = datagrams(b.namespace, family, PORT);
      const outside = datagrams(node.outside, family, PORT);
      closers.push(client.close, server.close, outside.close);
      const exchange = async (from: typeof client, text: string): Promise<void> => {
        from.send(B[family], PORT, text);
        await until(() => server.heard.includes(text));
      };
      await exchange(client, 'first');
      await exchange(outside, 'outside');
      server.send(A[family], PORT, 'answer');
      await until(() => client.heard.includes('answer'));
      await node.apply(policy('', CLIENTS));
      // The server may begin connections to the client; this one it did not begin.
      server.send(A[family], PORT, 'lost');
      client.send(B[family], PORT, 'lost');
      await exchange(outside, 'still');
      expect(client.heard).toEqual(['answer']);
      expect(server.heard).toEqual(['first', 'outside', 'still']);
      await node.remove(KEY);
      await exchange(client, 'again');
      expect(server.heard).not.toContain('lost');
    });
  });

  it.each(families)('resets connections of the host over IPv%i, but for failsafe ports', async (family) => {
    const guard = (rules: string): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard, annotations: {${FLUSH}}}
spec: {selector: host == "guarded", types: [Ingress, Egress], ${rules}}
`;
    const ports = `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {failsafeInboundHostPorts: [{port: 22}]}
`;
    await TestNode.with([guardedHost(), ports].join('---'), async (node) => {
      const a = await node.addPod('a', A);
      await echoServer(node.namespace, family);
      await echoServer(node.namespace, family, 22);
      await echoServer(node.outside, family);
      await echoServer(a.namespace, family);
      const inward = await call(node.outside, NODE[family], family);
      const failsafe = await call(node.outside, NODE[family], family, 22);
      const outward = await call(node.namespace, OUTSIDE[family], family);
      const toPod = await call(node.namespace, A[family], family);
      const all = [inward, failsafe, outward, toPod];
      for (const one of all) one.say('before');
      await until(() => all.every((one) => one.heard() === 'before'));
      await node.apply(guard('egress: [{action: Allow}]'));
      inward.say(', after');
      await until(() => inward.isReset());
      for (const one of [failsafe, outward, toPod]) one.say(', after');
      await until(() => [failsafe, outward, toPod].every((one) => one.heard() === 'before, after'));
      await node.apply(guard('ingress: [{action: Allow}]'));
      outward.say(', and again');
      await until(() => outward.isReset());
      for (const one of [failsafe, toPod]) one.say('!');
      await until(() => [failsafe, toPod].every((one) => one.heard() === 'before, after!'));
    });
  });

  it.each([
    ['applyOnForward', 'applyOnForward: true, types: [Ingress]', 'wire'],
    ['preDNAT', 'applyOnForward: true, preDNAT: true, types: [Ingress]', '"*"'],
  ])('resets what the host forwards where %s policy denies it', async (_, options, interfaceName) => {
    const guard = (port: number): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard, annotations: {${FLUSH}}}
spec:
  selector: host == "guarded"
  ${options.replaceAll(', ', '\n  ')}
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [${port}]}}, {action: Allow}]
`;
    await TestNode.with([guardedHost(interfaceName), guard(1)].join('---'), async (node) => {
      const a = await node.addPod('a', A);
      for (const port of [PORT, PORT + 1]) await echoServer(a.namespace, 4, port);
      for (const port of [PORT, PORT + 1]) await echoServer(a.namespace, 6, port);
      await echoServer(node.outside, 4);
      const calls = (port: number) =>
        Promise.all(families.map((one) => call(node.outside, A[one], one, port)));
      const outward = await call(a.namespace, OUTSIDE[4], 4);
      // What workloads send comes in by an interface that only the endpoint of all interfaces has.
      const isForAll = interfaceName !== 'wire';
      const denied = [...(await calls(PORT)), ...(isForAll ? [outward] : [])];
      const allowed = [...(await calls(PORT + 1)), ...(isForAll ? [] : [outward])];
      for (const one of [...denied, ...allowed]) one.say('before');
      await until(() => [...denied, ...allowed].every((one) => one.heard() === 'before'));
      await node.apply(guard(PORT));
      for (const one of [...denied, ...allowed]) one.say(', after');
      await until(() => denied.every((one) => one.isReset()));
      await until(() => allowed.every((one) => one.heard() === 'before, after'));
      expect(denied.map((one) => one.heard())).toEqual(denied.map(() => 'before'));
    });
  });

  it('resets what leaves by a host endpoint whose applyOnForward policy denies it', async () => {
    const guard = (port: number): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard, annotations: {${FLUSH}}}
spec:
  selector: host == "guarded"
  applyOnForward: true
  types: [Egress]
  egress: [{action: Deny, protocol: TCP, destination: {ports: [${port}]}}, {action: Allow}]
`;
    await TestNode.with([guardedHost(), guard(1)].join('---'), async (node) => {
      const a = await node.addPod('a', A);
      await echoServer(node.outside, 6);
      await echoServer(node.outside, 6, PORT + 1);
      await echoServer(a.namespace, 6);
      const denied = await call(a.namespace, OUTSIDE[6], 6);
      const other = await call(a.namespace, OUTSIDE[6], 6, PORT + 1);
      // The policy is of egress: what comes in to the same port is none of it.
      const inward = await call(node.outside, A[6], 6);
      for (const one of [denied, other, inward]) one.say('before');
      await until(() => [denied, other, inward].every((one) => one.heard() === 'before'));
      await node.apply(guard(PORT));
      for (const one of [denied, other, inward]) one.say(', after');
      await until(() => denied.isReset());
      await until(() => [other, inward].every((one) => one.heard() === 'before, after'));
    });
  });

  it('follows what the selectors of the policy select', async () => {
    await TestNode.with(policy(FLUSH, CLIENTS), async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      await echoServer(b.namespace, 4);
      const one = await call(a.namespace, B[4], 4);
      one.say('before');
      await until(() => one.heard() === 'before');
      await node.relabel('a', A, '{role: client}');
      one.say(', after');
      await until(() => one.isReset());
      expect(one.heard()).toBe('before');
    });
  });
});
