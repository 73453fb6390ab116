import { once } from 'node:events';
import { Socket, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Address, Family } from '../../src/net/address.ts';
import { closeSocket, packetSocket, tcpListenSocket, tcpSocket } from '../../src/sys/socket.ts';
import { receiveNow } from '../../src/sys/libc.ts';
import { runChecked } from '../../src/sys/process.ts';
import { datagrams } from './fixture-datagrams.ts';
import { describeKernel } from './fixture-namespace.ts';
import { OUTSIDE, TestNode } from './fixture-node.ts';
import { until } from './nftables-support.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const PORT = 8080;
const families = [4, 6] as const;

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

/** Packets that the rules with this comment have counted. */
async function counted(namespace: string, comment: string): Promise<number> {
  const text = await runChecked('nft', ['list', 'table', 'inet', 'margay'], { namespace });
  return text
    .split('\n')
    .filter((line) => line.includes(`comment "${comment}"`))
    .reduce((sum, line) => sum + Number(/counter packets (\d+)/.exec(line)?.[1]), 0);
}

describeKernel('limits of a workload', () => {
  it.each(families)('drop packets beyond the rate over IPv%i, in each direction', async (family) => {
    await TestNode.with('', async (node) => {
      const spec =
        'qosControls: {egressPacketRate: 1, egressPacketBurst: 3, ingressPacketRate: 1, ingressPacketBurst: 4}';
      const a = await node.addPod('a', A, { spec });
      const limited = datagrams(a.namespace, family, PORT);
      const other = datagrams(node.outside, family, PORT);
      closers.push(limited.close, other.close);
      for (let index = 0; index < 20; index++) {
        limited.send(OUTSIDE[family], PORT, `out ${index}`);
        other.send(A[family], PORT, `in ${index}`);
      }
      const dropped = (direction: string): Promise<number> =>
        counted(node.namespace, `over 1 packets a second, shop/a, ${direction}`);
      for (const [direction, heard, burst] of [
        ['egress', other.heard, 3],
        ['ingress', limited.heard, 4],
      ] as const) {
        let drops = 0;
        // A slow machine earns packets while it sends.
        for (let tries = 0; tries < 200 && heard.length + drops < 20; tries++)
          drops = await dropped(direction);
        expect(heard.length + drops).toBe(20);
        expect(heard.length).toBeGreaterThanOrEqual(burst);
        expect(drops).toBeGreaterThan(5);
      }
    });
  });

  it.each(families)(
    'refuse TCP connections beyond the number over IPv%i, and count those that end',
    async (family) => {
      await TestNode.with('', async (node) => {
        const a = await node.addPod('a', A, { spec: 'qosControls: {egressMaxConnections: 2}' });
        const b = await node.addPod('b', B, { spec: 'qosControls: {ingressMaxConnections: 3}' });
        const server = createServer((socket) => {
          socket.on('error', () => socket.destroy());
          closers.push(() => socket.destroy());
        });
        const address = (family === 4 ? '0.0.0.0' : '::') as Address;
        server.listen({ fd: tcpListenSocket({ namespace: b.namespace, address, port: PORT }) });
        await once(server, 'listening');
        closers.push(() => server.close());
        const dial = async (namespace: string): Promise<Socket | string> => {
          const socket = new Socket({ fd: tcpSocket({ namespace, family }) });
          closers.push(() => socket.destroy());
          socket.connect(PORT, B[family]);
          const [outcome] = (await Promise.race([
            once(socket, 'connect').then(() => [socket]),
            new Promise((resolve) => {
              socket.once('error', (error: NodeJS.ErrnoException) => resolve([error.code]));
            }),
          ])) as [Socket | string];
          return outcome;
        };
        const [first, second] = [await dial(a.namespace), await dial(a.namespace)];
        expect([first, second].every((one) => one instanceof Socket)).toBe(true);
        expect(await dial(a.namespace)).toBe('ECONNREFUSED');
        expect(await dial(node.outside)).toBeInstanceOf(Socket);
        expect(await dial(node.outside)).toBe('ECONNREFUSED');
        (first as Socket).destroy();
        let again: Socket | string = '';
        for (let tries = 0; tries < 20 && !(again instanceof Socket); tries++)
          again = await dial(a.namespace);
        expect(again).toBeInstanceOf(Socket);
      });
    },
  );

  it.each(families)('set the code point of what leaves the pools over IPv%i', async (family) => {
    const pools = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.65.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods6}
spec: {cidr: "fd65::/64"}
`;
    await TestNode.with(pools, async (node) => {
      const a = await node.addPod('a', A, { spec: 'qosControls: {dscp: AF41}' });
      const b = await node.addPod('b', B);
      const sender = datagrams(a.namespace, family, PORT);
      closers.push(sender.close);
      for (const [namespace, to, wanted] of [
        [node.outside, OUTSIDE, 34],
        [b.namespace, B, 0],
      ] as const) {
        const socket = packetSocket({ namespace, etherType: family === 4 ? 0x0800 : 0x86dd });
        closers.push(() => closeSocket(socket));
        sender.send(to[family], PORT, 'marked?');
        let found: number | undefined;
        await until(() => (found ??= codePoint(socket, family)) !== undefined);
        expect(found).toBe(wanted);
      }
    });
  });
});

/** The code point of the next UDP packet that a socket got, if there is one. */
function codePoint(socket: number, family: Family): number | undefined {
  const buffer = new Uint8Array(2048);
  const length = receiveNow(socket, buffer);
  if (length === undefined) return undefined;
  const isUdp = buffer[family === 4 ? 9 : 6] === 17;
  if (!isUdp) return undefined;
  return family === 4 ? buffer[1]! >> 2 : ((buffer[0]! & 0x0f) << 2) | (buffer[1]! >> 6);
}

describeKernel('a packet to a service that nobody translates', () => {
  it.each([
    ['Drop', 'drop'],
    ['Reject', 'reject'],
    ['Disabled', undefined],
  ] as const)('meets what serviceLoopPrevention %s says', async (setting, action) => {
    const resources = `
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}, {cidr: "fd96::/112"}]}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {serviceLoopPrevention: ${setting}}
`;
    await TestNode.with(resources, async (node) => {
      const a = await node.addPod('a', A);
      const comment = 'address of a service that does not exist here';
      for (const [family, service] of [
        [4, '10.96.0.10'],
        [6, 'fd96::10'],
      ] as const) {
        const socket = packetSocket({
          namespace: node.outside,
          etherType: family === 4 ? 0x0800 : 0x86dd,
        });
        closers.push(() => closeSocket(socket));
        const sender = datagrams(a.namespace, family, PORT);
        closers.push(sender.close);
        const before = action === undefined ? 0 : await counted(node.namespace, comment);
        sender.send(service, PORT, 'looping');
        if (action === undefined) {
          await until(() => codePoint(socket, family) !== undefined);
          continue;
        }
        let after = before;
        for (let tries = 0; tries < 100 && after === before; tries++)
          after = await counted(node.namespace, comment);
        expect(after).toBe(before + 1);
        expect(codePoint(socket, family)).toBeUndefined();
      }
      const text = await runChecked('nft', ['list', 'table', 'inet', 'margay'], {
        namespace: node.namespace,
      });
      const rules = text.split('\n').filter((line) => line.includes(comment));
      expect(rules).toHaveLength(action === undefined ? 0 : 2);
      expect(rules.every((line) => line.includes(action ?? ''))).toBe(true);
    });
  });
});
