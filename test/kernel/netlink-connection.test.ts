import { expect, it } from 'vitest';
import { NetlinkConnection } from '../../src/netlink/connection.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE } from '../../src/netlink/socket.ts';
import { describeKernel, useNamespaces } from './fixture-namespace.ts';

const RTM_GETLINK = 18;

describeKernel('a netlink connection', () => {
  const [namespace] = useNamespaces(1);

  it('dumps the only link of a fresh namespace', async () => {
    const connection = new NetlinkConnection({ protocol: NETLINK_ROUTE, namespace: namespace! });
    try {
      const links = await connection.dump({ type: RTM_GETLINK, body: (out) => out.reserve(16) });
      expect(links.filter((message) => message.portId === connection.portId)).toHaveLength(1);
    } finally {
      connection.close();
    }
  });

  it('answers an empty batch and many requests at once', async () => {
    const connection = new NetlinkConnection({ protocol: NETLINK_NETFILTER, namespace: namespace! });
    try {
      expect(await connection.batch([])).toEqual({ failures: [], replies: [] });
      const NFT_MSG_GETGEN = (10 << 8) | 16;
      const replies = await Promise.all(
        Array.from({ length: 100 }, () =>
          connection.request({ type: NFT_MSG_GETGEN, body: (out) => out.u32le(0) }),
        ),
      );
      expect(replies.every((messages) => messages.length === 1)).toBe(true);
    } finally {
      connection.close();
    }
  });
});
