/**
 * The kernel parameters that a routed workload network stands on, as one table. Written when the agent starts and
 * when a workload's interface appears; those of an interface vanish with it.
 */
import { KernelError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readSysctl, writeSysctl } from '../sys/sysctl.ts';

interface Setting {
  /** Below /proc/sys; `IF` stands for the interface. */
  readonly name: string;
  readonly value: string;
  /** Instead, for an endpoint that may send from other addresses than its own. */
  readonly spoofing?: string;
  readonly why: string;
  /** Absent on kernels without IPv6, which is fine. */
  readonly optional?: boolean;
}

const HOST_SETTINGS: readonly Setting[] = [
  { name: 'net/ipv4/ip_forward', value: '1', why: 'hosts route for their workloads' },
  { name: 'net/ipv6/conf/all/forwarding', value: '1', why: 'the same for IPv6', optional: true },
  { name: 'net/ipv6/conf/default/forwarding', value: '1', why: 'for interfaces to come', optional: true },
];

const INTERFACE_SETTINGS: readonly Setting[] = [
  { name: 'net/ipv4/conf/IF/proxy_arp', value: '1', why: 'the host answers for the gateway 169.254.1.1' },
  { name: 'net/ipv4/neigh/IF/proxy_delay', value: '0', why: 'the answer shall not wait up to 0.8 s' },
  { name: 'net/ipv4/conf/IF/forwarding', value: '1', why: 'workloads are routed' },
  {
    name: 'net/ipv4/conf/IF/rp_filter',
    value: '1',
    spoofing: '0',
    why: 'a source without a route back here is spoofed, unless the endpoint may do that',
  },
  { name: 'net/ipv4/conf/IF/route_localnet', value: '1', why: 'as Calico sets it for node-local services' },
  {
    name: 'net/ipv6/conf/IF/accept_ra',
    value: '0',
    why: 'a workload must not advertise itself as a router',
    optional: true,
  },
  {
    name: 'net/ipv6/conf/IF/proxy_ndp',
    value: '1',
    why: 'the host answers for its workloads',
    optional: true,
  },
  { name: 'net/ipv6/conf/IF/forwarding', value: '1', why: 'workloads are routed', optional: true },
];

/** Makes this host a router. Returns what could not be set, in words. */
export function applyHostSettings(namespace: string | undefined, log: Logger): string[] {
  return applySettings(HOST_SETTINGS, '', namespace, log);
}

/**
 * Prepares a workload's interface; `spoofing`: for one that may send from other addresses than its own. Returns what
 * could not be set, in words; nothing if the interface is gone.
 */
export function applyInterfaceSettings(
  name: string,
  spoofing: boolean,
  namespace: string | undefined,
  log: Logger,
): string[] {
  const settings = INTERFACE_SETTINGS.map((setting) =>
    spoofing && setting.spoofing !== undefined ? { ...setting, value: setting.spoofing } : setting,
  );
  return applySettings(settings, name, namespace, log);
}

function applySettings(
  settings: readonly Setting[],
  interfaceName: string,
  namespace: string | undefined,
  log: Logger,
): string[] {
  const problems: string[] = [];
  for (const setting of settings) {
    const name = setting.name.replace('IF', interfaceName);
    try {
      // Writing an equal value would still flush the route cache and send netconf events.
      if (readSysctl(name, namespace) === setting.value) continue;
      writeSysctl(name, setting.value, namespace);
      log.debug({ sysctl: name, value: setting.value, why: setting.why }, 'sysctl written');
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (error.errno === 'ENOENT' && (setting.optional === true || interfaceName !== '')) continue;
      problems.push(
        `${error.message}: set ${name.replaceAll('/', '.')}=${setting.value}, because ${setting.why}`,
      );
    }
  }
  return problems;
}
