/** Rules, in every kind that has them. */
import type { RuleCases } from './case.ts';

/** A policy with one rule in the given direction. */
const ingress = (rule: unknown) => ({ ingress: [rule] });
const egress = (rule: unknown) => ({ egress: [rule] });
const allow = (rest: object) => ingress({ action: 'Allow', ...rest });

export const rulesRules: readonly RuleCases[] = [
  {
    rule: 'rules: protocols, ports, nets, ICMP, services, HTTP [calico.md §1.2]',
    rows: [
      ['NetworkPolicy', 'spec', ingress({}), 'spec.ingress[0].action: required field is missing'],
      [
        'NetworkPolicy',
        'spec',
        ingress({ action: 'allow' }),
        'spec.ingress[0].action: not an allowed value, found "allow" (did you mean "Allow"?); allowed: Allow, Deny, Log, Pass',
      ],
      ['NetworkPolicy', 'spec', allow({ protocol: 'tcp' })],
      ['NetworkPolicy', 'spec', allow({ protocol: 255, notProtocol: 'UDPLite' })],
      ['NetworkPolicy', 'spec', allow({ protocol: 0 }), 'spec.ingress[0].protocol: not a protocol, found 0'],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'TPC' }),
        'spec.ingress[0].protocol: not a protocol, found "TPC"',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: true }),
        'spec.ingress[0].protocol: expected a number or text, found true',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ ipVersion: 5 }),
        'spec.ingress[0].ipVersion: not an allowed value, found 5; allowed: 4, 6',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'TCP', destination: { ports: [0, '80', '1:65535', 'http'] } }),
      ],
      ['NetworkPolicy', 'spec', allow({ protocol: 6, source: { notPorts: [80] } })],
      ['NetworkPolicy', 'spec', allow({ destination: { ports: ['http'] } })],
      [
        'NetworkPolicy',
        'spec',
        allow({ destination: { ports: ['http', 80] } }),
        'spec.ingress[0].destination.ports[1]: a port number needs a protocol',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'ICMP', source: { notPorts: ['http'] } }),
        'spec.ingress[0].source.notPorts[0]: protocol ICMP has no ports',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'TCP', destination: { ports: ['9:8'] } }),
        'spec.ingress[0].destination.ports[0]: not a port, found "9:8"',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'TCP', destination: { ports: Array.from({ length: 51 }, (_, port) => port) } }),
        'spec.ingress[0].destination.ports: number of entries must be at most 50, found 51',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { nets: ['10.0.0.1', '10.0.0.1/8'], notNets: ['10.1.0.0/16'] } }),
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { nets: ['10.0.0'] } }),
        'spec.ingress[0].source.nets[0]: not an IP address or CIDR, found "10.0.0"',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { nets: ['010.0.0.1'] } }),
        'spec.ingress[0].source.nets[0]: not an IP address or CIDR',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { nets: ['10.0.0.0/8'] }, destination: { notNets: ['fd00::/8'] } }),
        'spec.ingress[0].destination.notNets[0]: IPv4 and IPv6 CIDRs in one rule',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ ipVersion: 4, source: { nets: ['fd00::/8'] } }),
        'spec.ingress[0].source.nets[0]: IPv6 CIDR in a rule for ipVersion 4',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { notNets: ['::/0'] } }),
        'spec.ingress[0].source.notNets[0]: catch-all CIDR in negation',
      ],
      ['NetworkPolicy', 'spec', allow({ source: { nets: ['0.0.0.0/0'] } })],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'ICMP', icmp: { type: 8, code: 0 }, notICMP: { type: 0 } }),
      ],
      ['NetworkPolicy', 'spec', allow({ protocol: 58, icmp: { type: 128 }, ipVersion: 6 })],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'ICMP', icmp: { code: 0 } }),
        'spec.ingress[0].icmp.code: an ICMP code needs a type',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'ICMP', icmp: { type: 255 } }),
        'spec.ingress[0].icmp.type: must be at most 254, found 255',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'TCP', notICMP: { type: 1 } }),
        'spec.ingress[0].notICMP: notICMP needs protocol ICMP or ICMPv6',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ protocol: 'ICMPv6', ipVersion: 4 }),
        'spec.ingress[0].ipVersion: protocol ICMPv6 is of IPv6',
      ],
      ['NetworkPolicy', 'spec', allow({ source: { namespaceSelector: 'global()', selector: 'has(a)' } })],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { notSelector: 'global()' } }),
        'spec.ingress[0].source.notSelector: global() has no meaning here',
      ],
      ['NetworkPolicy', 'spec', allow({ source: { serviceAccounts: { names: ['a'], selector: 'has(b)' } } })],
      ['NetworkPolicy', 'spec', egress({ action: 'Allow', destination: { services: { name: 's' } } })],
      [
        'NetworkPolicy',
        'spec',
        allow({ source: { services: { name: 's' }, nets: ['10.0.0.0/8'], selector: 'all()' } }),
        'spec.ingress[0].source.nets: nets cannot be combined with services',
        'spec.ingress[0].source.selector: selector cannot be combined with services',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ destination: { services: { name: 's' } } }),
        'spec.ingress[0].destination.services: ingress rules name services only as source',
      ],
      [
        'NetworkPolicy',
        'spec',
        egress({ action: 'Allow', protocol: 'TCP', destination: { services: { name: 's' }, ports: [80] } }),
        'spec.egress[0].destination.ports: a service brings its own ports',
      ],
      [
        'GlobalNetworkPolicy',
        'spec',
        allow({ source: { services: { name: 's' } } }),
        'spec.ingress[0].source.services: a service needs its namespace here',
      ],
      ['GlobalNetworkPolicy', 'spec', allow({ source: { services: { name: 's', namespace: 'x' } } })],
      [
        'NetworkPolicy',
        'spec',
        allow({ http: { methods: ['GET'], paths: [{ exact: '/a' }, { prefix: '/b' }] } }),
      ],
      [
        'NetworkPolicy',
        'spec',
        ingress({ action: 'Deny', protocol: 'UDP', http: {} }),
        'spec.ingress[0].http: HTTP matches are for action Allow only',
        'spec.ingress[0].http: HTTP matches need protocol TCP',
      ],
      [
        'NetworkPolicy',
        'spec',
        egress({ action: 'Allow', http: {} }),
        'spec.egress[0].http: HTTP matches are for ingress only',
      ],
      [
        'NetworkPolicy',
        'spec',
        allow({ http: { paths: [{ exact: '/a', prefix: '/b' }] } }),
        'spec.ingress[0].http.paths[0]: a path is either exact or a prefix',
      ],
      [
        'Profile',
        'spec',
        { ingress: [{ action: 'Allow' }], egress: [{ action: 'Deny' }], labelsToApply: { 'pcns.a': '' } },
      ],
      [
        'Profile',
        'spec',
        { egress: [{ action: 'Allow', protocol: 'ICMP', destination: { ports: [1] } }] },
        'spec.egress[0].destination.ports[0]: protocol ICMP has no ports',
      ],
    ],
  },
];
