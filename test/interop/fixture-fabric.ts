/**
 * Hosts as network namespaces on one switch: host N has `eth0` with 10.99.0.N/24 and fd99::N/64. Forwarding is on.
 */
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';
import { uniqueNamespaceName } from '../kernel/fixture-namespace.ts';

export interface Fabric {
  /** Namespace of host N is at N - 1. */
  readonly hosts: readonly string[];
  /** Runs `ip` in the namespace of host N. */
  ip(host: number, ...args: string[]): Promise<string>;
  /** Takes the link of host N down or up on the switch's side. */
  setPort(host: number, state: 'up' | 'down'): Promise<void>;
  destroy(): void;
}

export async function makeFabric(count: number): Promise<Fabric> {
  const names = Array.from({ length: count + 1 }, uniqueNamespaceName);
  const [fabric, ...hosts] = names as [string, ...string[]];
  const made: string[] = [];
  const destroy = (): void => {
    for (const name of made.splice(0)) deleteNamespace(name);
  };
  const ip = (namespace: string, args: readonly string[]): Promise<string> =>
    runChecked('ip', args, { namespace });
  try {
    for (const name of names) {
      createNamespace(name);
      made.push(name);
      await ip(name, ['link', 'set', 'lo', 'up']);
    }
    await ip(fabric, ['link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0']);
    await ip(fabric, ['link', 'set', 'br0', 'up']);
    for (const [index, host] of hosts.entries()) {
      const port = `port${index + 1}`;
      await ip(fabric, ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host]);
      await ip(fabric, ['link', 'set', port, 'master', 'br0', 'up']);
      await ip(host, ['link', 'set', 'eth0', 'up']);
      await ip(host, ['addr', 'add', `10.99.0.${index + 1}/24`, 'dev', 'eth0']);
      await ip(host, ['addr', 'add', `fd99::${index + 1}/64`, 'dev', 'eth0', 'nodad']);
      await runChecked('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'], {
        namespace: host,
      });
    }
  } catch (error) {
    destroy();
    throw error;
  }
  return {
    hosts,
    ip: (host, ...args) => ip(hosts[host - 1]!, args),
    setPort: async (host, state) => {
      await ip(fabric, ['link', 'set', `port${host}`, state]);
    },
    destroy,
  };
}
