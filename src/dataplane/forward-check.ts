/**
 * Looks at start for firewalls of others that drop forwarded packets by default (Docker, firewalld, hand-made
 * tables) and says how to let workloads through. Margay never changes a table that is not its own.
 */
import type { ForwardChain } from '../nftables/foreign-chains.ts';

export interface ForwardObstacle {
  readonly chain: string;
  readonly fix: string;
}

/** The chains that drop what nothing in them accepts, each with the exact commands that mend it. Pure. */
export function forwardObstacles(
  chains: readonly ForwardChain[],
  interfacePrefix: string,
): ForwardObstacle[] {
  return chains.flatMap(({ family, table, chain, policy }) => {
    const place = `${family} ${table} ${chain}`;
    if (table === 'firewalld') {
      // firewalld's base chain accepts by policy and rejects in its last rule.
      const zone = `firewall-cmd --permanent --zone=trusted --add-interface=${interfacePrefix}+`;
      return [{ chain: place, fix: `${zone} && firewall-cmd --reload` }];
    }
    if (policy !== 'drop') return [];
    // iptables shows such a rule as one of its own (`-i cali+ -j ACCEPT`) and can delete it.
    const insert = (field: string): string =>
      `nft insert rule ${family} ${table} ${chain} ${field} "${interfacePrefix}*" accept`;
    return [{ chain: place, fix: `${insert('iifname')} && ${insert('oifname')}` }];
  });
}
