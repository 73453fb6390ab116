/** Asking a host by ICMP or ICMPv6, from a network namespace. */
import { type Address, familyOf } from '../net/address.ts';
import { type IcmpRequest, decodeIcmpAnswer, encodeIcmpRequest, icmpNumbers, icmpReplies } from './icmp.ts';
import { askRaw } from './raw-question.ts';

export interface IcmpTarget {
  readonly namespace: string;
  readonly address: Address;
  readonly request: IcmpRequest;
  /** Tells the answers of probes apart, for us and for connection tracking. */
  readonly identifier: number;
}

/**
 * Sends one request. `answered` is told whether it was replied to or refused; `failed` what the kernel says. Returns
 * what ends it. Throws a KernelError.
 */
export function askIcmp(
  { namespace, address, request, identifier }: IcmpTarget,
  answered: (kind: 'reply' | 'unreachable') => void,
  failed: (error: Error) => void,
): () => void {
  const family = familyOf(address);
  const message = encodeIcmpRequest(family, request, identifier);
  return askRaw(
    { namespace, address, protocol: icmpNumbers[family], message },
    (bytes) => {
      const answer = decodeIcmpAnswer(family, bytes);
      if (answer?.identifier !== identifier) return;
      const type = answer.kind === 'reply' ? icmpReplies[family][request.type] : request.type;
      // Errors come from whoever refuses, and have no source here.
      if (answer.type !== type || (answer.source ?? address) !== address) return;
      answered(answer.kind);
    },
    failed,
  );
}
