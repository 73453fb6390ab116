/** Rules of Calico's policies and profiles, field by field. */
import type { EntityRule } from '../../src/model/entity-rule.ts';
import type { Rule } from '../../src/model/rule.ts';
import type { OraclePacket, Outcome } from './packet.ts';
import {
  type Item,
  type World,
  accountOf,
  contains,
  familyOf,
  hasNamedPort,
  holds,
  numberOf,
} from './world.ts';

type End = 'source' | 'destination';
type Service = NonNullable<EntityRule['services']>;

export class CalicoRules {
  constructor(private readonly world: World) {}

  decide(rules: readonly Rule[], namespace: string | undefined, packet: OraclePacket): Outcome {
    for (const rule of rules) {
      // HTTP cannot be told, and is only ever allowed.
      if (rule.http ?? (rule.action === 'Log' || !this.matches(rule, namespace, packet))) continue;
      return rule.action === 'Allow' ? 'allow' : rule.action === 'Deny' ? 'deny' : 'pass';
    }
    return 'none';
  }

  private matches(rule: Rule, namespace: string | undefined, packet: OraclePacket): boolean {
    const { source = {}, destination = {}, protocol, notProtocol, icmp, notICMP } = rule;
    const family = familyOf(packet.source);
    if (rule.ipVersion !== undefined && rule.ipVersion !== family) return false;
    // A rule with CIDRs of one family says nothing about the other.
    const nets = [source, destination].flatMap((side) => [side.nets ?? [], side.notNets ?? []].flat());
    if (nets.some((net) => familyOf(net) !== family)) return false;
    if (protocol !== undefined && numberOf(protocol) !== packet.protocol) return false;
    if (notProtocol !== undefined && numberOf(notProtocol) === packet.protocol) return false;
    const isIcmp = packet.protocol === (family === 4 ? 1 : 58);
    const icmpIs = ({ type, code }: NonNullable<Rule['icmp']>): boolean =>
      packet.icmp?.type === type && (code === undefined || packet.icmp?.code === code);
    if (icmp?.type !== undefined && !(isIcmp && icmpIs(icmp))) return false;
    if (notICMP?.type !== undefined && (!isIcmp || icmpIs(notICMP))) return false;
    if (!this.sideMatches(source, namespace, packet, 'source')) return false;
    return this.sideMatches(destination, namespace, packet, 'destination');
  }

  /** Whether an endpoint of the service has the address and, as a destination, the port. */
  private isServed(service: Service, home: string | undefined, packet: OraclePacket, end: End): boolean {
    return this.world
      .of('KubernetesEndpointSlice')
      .some(
        ({ metadata, spec: { endpoints, ports = [] } }) =>
          metadata.namespace === (service.namespace ?? home) &&
          metadata.labels?.['kubernetes.io/service-name'] === service.name &&
          endpoints.some(({ addresses }) => addresses.includes(packet[end])) &&
          (end === 'source' ||
            ports.some(
              ({ protocol = 'TCP', port }) =>
                port === packet.destinationPort && numberOf(protocol) === packet.protocol,
            )),
      );
  }

  private sideMatches(side: EntityRule, policyNamespace: string | undefined, packet: OraclePacket, end: End) {
    const { [end]: address, [`${end}Port` as const]: port, protocol } = packet;
    if (side.services && !this.isServed(side.services, policyNamespace, packet, end)) return false;
    const { nets = [], notNets = [], selector, notSelector, namespaceSelector, serviceAccounts } = side;
    if (nets.length > 0 && !nets.some((net) => contains(net, address))) return false;
    if (notNets.some((net) => contains(net, address))) return false;
    const limited = selector !== undefined || notSelector !== undefined || serviceAccounts !== undefined;
    const home = namespaceSelector === undefined && limited ? policyNamespace : undefined;
    const { names = [], selector: accounts } = serviceAccounts ?? {};
    const isChosen = (item: Item): boolean =>
      this.world.selects(selector, item) &&
      this.world.selects(namespaceSelector, item, 'pcns.', item.metadata.namespace !== undefined) &&
      (home === undefined || item.metadata.namespace === home) &&
      this.world.selects(accounts, item, 'pcsa.') &&
      (names.length === 0 || names.includes(accountOf(item) ?? ''));
    const chooses = [home, selector, namespaceSelector, accounts, names[0]].some((one) => one !== undefined);
    const holders = this.world.items.filter((item) => holds(item, address));
    if (chooses && !holders.some(isChosen)) return false;
    if (notSelector !== undefined && holders.some((item) => this.world.selects(notSelector, item)))
      return false;
    const { ports = [], notPorts = [] } = side;
    if (ports.length === 0 && notPorts.length === 0) return true;
    if (port === undefined || ![6, 17, 132, 136].includes(protocol)) return false;
    const isPort = (wanted: string | number): boolean => {
      const [first, last = first] = String(wanted).split(':');
      if (/^[0-9]+$/.test(first!)) return Number(first) <= port && port <= Number(last);
      return holders.some((item) => isChosen(item) && hasNamedPort(item, first!, port, protocol));
    };
    return (ports.length === 0 || ports.some(isPort)) && !notPorts.some(isPort);
  }
}
