/**
 * Base chains of others that drop what our workloads send: an accept of ours ends only our own chains, and every
 * other base chain of the hook still has its say (nft(8), "packets may be evaluated by several base chains").
 */
import { NetlinkConnection } from '../netlink/connection.ts';
import {
  NETLINK_NETFILTER,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_MSG,
  messageType,
} from './codec/constants.ts';
import { readChain, writeHeader } from './codec/objects.ts';

const FAMILY_NAMES: ReadonlyMap<number, 'ip' | 'ip6' | 'inet'> = new Map([
  [NFPROTO_INET, 'inet'],
  [NFPROTO_IPV4, 'ip'],
  [NFPROTO_IPV6, 'ip6'],
]);

/** NFPROTO_UNSPEC: tables of all families. */
const ANY_FAMILY = 0;

export interface ForwardChain {
  readonly family: 'ip' | 'ip6' | 'inet';
  readonly table: string;
  readonly chain: string;
  readonly policy: 'accept' | 'drop';
}

/** Every base chain at the forward hook that is not in `ownTable`. Rejects with a KernelError. */
export async function foreignForwardChains(ownTable: string, namespace?: string): Promise<ForwardChain[]> {
  const connection = new NetlinkConnection({
    protocol: NETLINK_NETFILTER,
    ...(namespace === undefined ? {} : { namespace }),
  });
  try {
    const messages = await connection.dump({
      type: messageType(NFT_MSG.GETCHAIN),
      operation: () => 'list chains',
      body: (writer) => writeHeader(writer, ANY_FAMILY),
    });
    return messages.flatMap(({ payload }) => {
      const { family, table, chain } = readChain(payload);
      const name = FAMILY_NAMES.get(family);
      if (name === undefined || chain.base?.hook !== 'forward') return [];
      if (name === 'inet' && table === ownTable) return [];
      return [{ family: name, table, chain: chain.name, policy: chain.base.policy }];
    });
  } finally {
    connection.close();
  }
}
