import { expect, it } from 'vitest';
import type { Address, Family } from '../../src/net/address.ts';
import { readDatagrams } from '../../src/netlink/datagram-reader.ts';
import { closeSocket, rawSocket, sendDatagram } from '../../src/sys/socket.ts';
import { describeKernel } from './fixture-namespace.ts';
import { TestNode, type TestPod } from './fixture-node.ts';
import { until } from './nftables-support.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;

/** Two types that connection tracking takes for the start of something (nf_conntrack_proto_icmp.c, icmpv6.c). */
const TYPES: Readonly<Record<Family, readonly [number, number]>> = { 4: [8, 13], 6: [128, 139] };
const CODES = [0, 1, 3];
const LAST_CODE = 9;
const PROTOCOLS = { 4: 1, 6: 58 } as const;
const NAMES = { 4: 'ICMP', 6: 'ICMPv6' } as const;

/** The internet checksum (RFC 1071), for ICMP; that of ICMPv6 is the kernel's business. */
function withChecksum(message: Buffer): Buffer {
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  message.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 2);
  return message;
}

let identifier = 0;

/** Sends every type with every code from one workload to the other; says which arrive, as `TYPE/CODE`. */
async function arrivals(host: string, from: TestPod, to: TestPod, family: Family): Promise<string[]> {
  const seen: string[] = [];
  const protocol = PROTOCOLS[family];
  const input = rawSocket({ namespace: to.namespace, family, protocol });
  const output = rawSocket({ namespace: from.namespace, family, protocol });
  const fromHost = rawSocket({ namespace: host, family, protocol });
  const id = ++identifier;
  const reader = readDatagrams(
    input,
    (bytes) => {
      const message = family === 4 ? bytes.subarray((bytes[0]! & 0x0f) * 4) : bytes;
      if (message.readUInt16BE(4) === id) seen.push(`${message[0]}/${message[1]}`);
    },
    (_, cause) => {
      throw cause;
    },
  );
  try {
    const send = (socket: number, type: number, code: number): void => {
      const message = Buffer.from([type, code, 0, 0, id >> 8, id & 0xff, 0, 1]);
      sendDatagram(socket, to.addresses[family] as Address, family === 4 ? withChecksum(message) : message);
    };
    for (const type of TYPES[family]) for (const code of CODES) send(output, type, code);
    // What the host itself sends is not policed: once it is there, so is everything that was let through before.
    send(fromHost, TYPES[family][0], LAST_CODE);
    const last = `${TYPES[family][0]}/${LAST_CODE}`;
    await until(() => seen.includes(last));
    return seen.filter((one) => one !== last).toSorted();
  } finally {
    reader.stop();
    closeSocket(input);
    closeSocket(output);
    closeSocket(fromHost);
  }
}

const all = (family: Family): string[] =>
  TYPES[family].flatMap((type) => CODES.map((code) => `${type}/${code}`)).toSorted();

/** What each match lets through, in the words of the policy API. */
const CASES: readonly {
  readonly match: (family: Family) => string;
  readonly passes: (family: Family) => string[];
}[] = [
  {
    match: (family) => `icmp: {type: ${TYPES[family][0]}, code: 0}`,
    passes: (family) => [`${TYPES[family][0]}/0`],
  },
  {
    match: (family) => `icmp: {type: ${TYPES[family][0]}}`,
    passes: (family) => CODES.map((code) => `${TYPES[family][0]}/${code}`),
  },
  {
    match: (family) => `notICMP: {type: ${TYPES[family][0]}, code: 0}`,
    passes: (family) => all(family).filter((one) => one !== `${TYPES[family][0]}/0`),
  },
  {
    match: (family) => `notICMP: {type: ${TYPES[family][0]}}`,
    passes: (family) => CODES.map((code) => `${TYPES[family][1]}/${code}`),
  },
  {
    match: (family) => `icmp: {type: ${TYPES[family][0]}}, notICMP: {type: ${TYPES[family][0]}, code: 1}`,
    passes: (family) => [`${TYPES[family][0]}/0`, `${TYPES[family][0]}/3`],
  },
];

describeKernel('rules about ICMP in the kernel', () => {
  it('let through exactly the types and codes that they mean, negated too (IPv4 and IPv6)', async () => {
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      for (const family of [4, 6] as const) {
        expect(await arrivals(node.namespace, a, b, family)).toEqual(all(family));
        for (const { match, passes } of CASES) {
          await node.apply(`
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: icmp, namespace: shop}
spec:
  selector: role == "server"
  ingress:
    - {action: Allow, protocol: ${NAMES[family]}, ${match(family)}}
`);
          expect(node.dataplane.status().problems).toEqual([]);
          expect(await arrivals(node.namespace, a, b, family), match(family)).toEqual(passes(family));
        }
        await node.remove({ kind: 'NetworkPolicy', namespace: 'shop', name: 'icmp' });
      }
    });
  });
});
