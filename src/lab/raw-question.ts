/** A question by a raw socket, whose answers any process of the namespace could have asked for. */
import { type Address, familyOf } from '../net/address.ts';
import { type DatagramReader, readDatagrams } from '../netlink/datagram-reader.ts';
import { closeSocket, rawSocket, sendDatagram } from '../sys/socket.ts';

export interface RawQuestion {
  readonly namespace: string;
  readonly address: Address;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly message: Uint8Array;
}

/**
 * Sends a message. `received` gets all that comes by the protocol: with its IP header in IPv4, without it in IPv6;
 * `failed` what the kernel says. Returns what ends it. Throws a KernelError.
 */
export function askRaw(
  { namespace, address, protocol, message }: RawQuestion,
  received: (bytes: Uint8Array) => void,
  failed: (error: Error) => void,
): () => void {
  const fd = rawSocket({ namespace, family: familyOf(address), protocol });
  let reader: DatagramReader | undefined;
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    reader?.stop();
    closeSocket(fd);
  };
  try {
    reader = readDatagrams(fd, received, (_, cause) => failed(cause));
    sendDatagram(fd, address, message);
    return close;
  } catch (error) {
    close();
    throw error;
  }
}
