import { afterEach, expect, it } from 'vitest';
import type { Address } from '../../src/net/address.ts';
import { readDatagrams } from '../../src/netlink/datagram-reader.ts';
import { closeSocket, rawSocket, sendDatagram } from '../../src/sys/socket.ts';
import { describeKernel } from './fixture-namespace.ts';
import { OUTSIDE, TestNode, ask, ip, podResource, tellSources } from './fixture-node.ts';
import { until } from './nftables-support.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const SPOOFED = { 4: '10.99.0.7', 6: 'fd99::7' } as const;
const PORT = 8080;
const FELIX = (spec: string): string => `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: ${spec}
`;

describeKernel('what workloads may send', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    while (closers.length > 0) closers.pop()!();
  });

  it('has their own source, or with WorkloadSourceSpoofing Any one of allowSpoofedSourcePrefixes', async () => {
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B);
      for (const pod of [a, b]) {
        await ip(
          pod.namespace,
          `addr add ${SPOOFED[4]}/32 dev lo
          addr add ${SPOOFED[6]}/128 dev eth0 nodad
          route replace default via 169.254.1.1 dev eth0 src ${SPOOFED[4]}
          -6 route replace default via fe80::ecee:eeff:feee:eeee dev eth0 src ${SPOOFED[6]}`,
        );
      }
      closers.push(await tellSources(node.outside, PORT));
      const seen = async (pod: { readonly namespace: string }): Promise<(string | undefined)[]> => {
        const answers: (string | undefined)[] = [];
        for (const family of [4, 6] as const) {
          answers.push((await ask(pod.namespace, OUTSIDE[family], PORT))?.split(' ')[0]);
        }
        return answers;
      };
      // The way back is what the neighbour needs, not what is tested.
      await ip(
        node.namespace,
        `route add ${SPOOFED[4]}/32 dev calia
        -6 route add ${SPOOFED[6]}/128 dev calia`,
      );
      const allowed = podResource('a', A, {
        spec: 'allowSpoofedSourcePrefixes: [10.99.0.0/16, "fd99::/64"]',
      });
      expect(await seen(a)).toEqual([undefined, undefined]);
      await node.apply(allowed);
      expect(await seen(a)).toEqual([undefined, undefined]);
      await node.apply(FELIX('{workloadSourceSpoofing: Any}'));
      expect(node.dataplane.status().problems).toEqual([]);
      expect(await seen(a)).toEqual([SPOOFED[4], SPOOFED[6]]);
      expect(await seen(b)).toEqual([undefined, undefined]);
      await node.apply(podResource('a', A, { spec: 'allowSpoofedSourcePrefixes: [10.98.0.0/16]' }));
      expect(await seen(a)).toEqual([undefined, undefined]);
    });
  });

  it('is no tunnel packet, unless AllowVXLANPacketsFromWorkloads or AllowIPIPPacketsFromWorkloads', async () => {
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A);
      const protocols = { VXLAN: 17, IPIP: 4 } as const;
      const seen: string[] = [];
      const outputs = new Map<string, number>();
      for (const [name, protocol] of Object.entries(protocols)) {
        const input = rawSocket({ namespace: node.outside, family: 4, protocol });
        const output = rawSocket({ namespace: a.namespace, family: 4, protocol });
        const reader = readDatagrams(
          input,
          (bytes) => seen.push(`${name} ${bytes.subarray(-1).toString()}`),
          (_, cause) => {
            throw cause;
          },
        );
        outputs.set(name, output);
        closers.push(() => {
          reader.stop();
          closeSocket(input);
          closeSocket(output);
        });
      }
      let round = 0;
      /** What arrives of both; a datagram to another port comes last. */
      const arriving = async (port = 4789): Promise<string[]> => {
        const mark = String(++round);
        const udp = (to: number, text: string): Buffer => {
          const datagram = Buffer.from([0x30, 0x39, to >> 8, to & 0xff, 0, 8 + text.length, 0, 0]);
          return Buffer.concat([datagram, Buffer.from(text)]);
        };
        sendDatagram(outputs.get('VXLAN')!, OUTSIDE[4] as Address, udp(port, mark));
        sendDatagram(outputs.get('IPIP')!, OUTSIDE[4] as Address, Buffer.from(`inner ${mark}`));
        sendDatagram(outputs.get('VXLAN')!, OUTSIDE[4] as Address, udp(9, '.'));
        await until(() => seen.includes('VXLAN .'));
        return seen
          .splice(0)
          .filter((one) => one !== 'VXLAN .')
          .map((one) => one.split(' ')[0]!);
      };
      expect(await arriving()).toEqual([]);
      expect(await arriving(4790)).toEqual(['VXLAN']);
      await node.apply(FELIX('{allowVXLANPacketsFromWorkloads: true}'));
      expect(await arriving()).toEqual(['VXLAN']);
      await node.apply(FELIX('{allowIPIPPacketsFromWorkloads: true, vxlanPort: 4790}'));
      expect(await arriving(4790)).toEqual(['IPIP']);
    });
  });
});
