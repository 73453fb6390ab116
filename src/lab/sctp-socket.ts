/** Answering and asking with SCTP's set-up, in a network namespace. */
import { type Address, familyOf } from '../net/address.ts';
import { KernelError } from '../base/errors.ts';
import { readDatagrams } from '../netlink/datagram-reader.ts';
import { closeSocket, packetSocket, rawSocket, sendDatagram } from '../sys/socket.ts';
import { IPPROTO_SCTP, type SctpPacket, decodeSctp, encodeSctp, sctpOfIpPacket } from './sctp.ts';
import { askRaw } from './raw-question.ts';

/** `ETH_P_IPV6` (linux/if_ether.h). */
const ETH_P_IPV6 = 0x86dd;
const FAMILIES = [4, 6] as const;

/**
 * Answers every INIT that comes to a namespace: on one of `ports` with an INIT ACK whose cookie is `name`, on others
 * with an ABORT. Returns what stops it. Throws a KernelError.
 */
export function serveSctp(namespace: string, name: string, ports: ReadonlySet<number>): () => void {
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const one of closers.splice(0)) one();
  };
  try {
    for (const family of FAMILIES) {
      // Without a raw socket of the protocol the kernel answers that it does not know it.
      const raw = rawSocket({ namespace, family, protocol: IPPROTO_SCTP });
      closers.push(() => closeSocket(raw));
      // A raw IPv6 socket leaves out the header, and so the sender.
      const input = family === 4 ? raw : packetSocket({ namespace, etherType: ETH_P_IPV6 });
      if (input !== raw) closers.push(() => closeSocket(input));
      const reader = readDatagrams(
        input,
        (bytes) => {
          const packet = sctpOfIpPacket(family, bytes);
          const request = packet && decodeSctp(packet.payload);
          if (request?.chunk.type !== 'init') return;
          try {
            sendDatagram(raw, packet!.source, encodeSctp(answer(request, request.chunk.tag, name, ports)));
          } catch (error) {
            // An answer that finds no way back is lost, as on any network.
            if (!(error instanceof KernelError)) throw error;
          }
        },
        // Nobody waits for what cannot be read.
        () => undefined,
      );
      closers.unshift(() => reader.stop());
    }
    return close;
  } catch (error) {
    close();
    throw error;
  }
}

function answer(
  { sourcePort, destinationPort }: SctpPacket,
  tag: number,
  name: string,
  ports: ReadonlySet<number>,
): SctpPacket {
  const addressed = { sourcePort: destinationPort, destinationPort: sourcePort, verificationTag: tag };
  return ports.has(destinationPort)
    ? { ...addressed, chunk: { type: 'initAck', tag: (tag ^ 0x5bd1e995) >>> 0, cookie: name } }
    : { ...addressed, chunk: { type: 'abort' } };
}

/** The other side. */
export interface SctpTarget {
  readonly namespace: string;
  readonly address: Address;
  readonly port: number;
  readonly sourcePort: number;
}

/**
 * Sends one INIT. `answered` gets the cookie of the INIT ACK, or undefined for an ABORT; `failed` what the kernel
 * says. Returns what ends it. Throws a KernelError.
 */
export function initSctp(
  { namespace, address, port, sourcePort }: SctpTarget,
  answered: (cookie: string | undefined) => void,
  failed: (error: Error) => void,
): () => void {
  const family = familyOf(address);
  const tag = ((Math.random() * 0xffffffff) >>> 0) + 1;
  const message = encodeSctp({
    sourcePort,
    destinationPort: port,
    verificationTag: 0,
    chunk: { type: 'init', tag },
  });
  return askRaw(
    { namespace, address, protocol: IPPROTO_SCTP, message },
    (bytes) => {
      const payload = family === 4 ? sctpOfIpPacket(4, bytes)?.payload : bytes;
      const packet = payload && decodeSctp(payload);
      if (packet?.destinationPort !== sourcePort || packet.sourcePort !== port) return;
      if (packet.verificationTag !== tag) return;
      if (packet.chunk.type === 'initAck') answered(packet.chunk.cookie);
      if (packet.chunk.type === 'abort') answered(undefined);
    },
    failed,
  );
}
