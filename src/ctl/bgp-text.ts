/** The looking glass as tables and words for people. Pure. */
import type {
  BgpExportView,
  BgpKernelView,
  BgpNeighborView,
  BgpRouteView,
  RouteOwner,
  RouteWhy,
  ServiceAddressReason,
  ServiceAddressView,
} from '../base/bgp-view.ts';
import { plainTable } from './table.ts';

export type BgpOutput = 'text' | 'json' | 'yaml';

const SUMMARY_HEADINGS = [
  'PEER',
  'ADDRESS',
  'AS',
  'STATE',
  'SINCE',
  'RECEIVED',
  'STALE',
  'ADVERTISED',
  'MESSAGES IN',
  'MESSAGES OUT',
  'INFO',
];

/** One line a peer. `now` in milliseconds since 1970. */
export function summaryTable(neighbors: readonly BgpNeighborView[], now: number): string {
  if (neighbors.length === 0) return 'There are no peers.\n';
  return plainTable(
    SUMMARY_HEADINGS,
    neighbors.map((peer) => [
      peer.name,
      peer.address,
      String(peer.asNumber),
      peer.state,
      duration(now - Date.parse(peer.since)),
      String(peer.received),
      String(peer.stale),
      String(peer.advertised),
      String(total(peer.messagesReceived)),
      String(total(peer.messagesSent)),
      peer.state === 'Established' ? '' : peer.info,
    ]),
  );
}

/** Everything about a peer, a field a line. */
export function neighborText(peer: BgpNeighborView, now: number): string {
  const { session } = peer;
  const lines: (readonly [string, string])[] = [
    ['type', peer.template === undefined ? peer.type : `${peer.type}, of the BGPPeer ${peer.template}`],
    [
      'address',
      `${peer.address} port ${peer.port}${peer.localAddress === undefined ? '' : `, from ${peer.localAddress}`}`,
    ],
    ['AS', `${peer.asNumber}, we are ${peer.localAsNumber}`],
    [
      'state',
      `${peer.state} for ${duration(now - Date.parse(peer.since))}, up ${peer.timesEstablished} times`,
    ],
    ...(peer.info === '' ? [] : [['last event', peer.info] as const]),
    ['families', peer.families.map((family) => `IPv${family}`).join(', ')],
    ...(session === undefined
      ? []
      : ([
          ['identifier', session.identifier],
          ['hold time', `${session.holdTime} s, keepalive every ${session.keepaliveTime} s`],
          ['capabilities', session.capabilities.join(', ')],
        ] as const)),
    [
      'options',
      [
        `next hop ${peer.nextHopMode}`,
        ...(peer.reflectorClient ? ['reflector client'] : []),
        ...(peer.passive ? ['passive'] : []),
        ...(peer.password ? ['MD5'] : []),
        ...(peer.ttlSecurity === undefined ? [] : [`TTL security ${peer.ttlSecurity} hops`]),
      ].join(', '),
    ],
    ['filters', peer.filters.length === 0 ? 'none' : peer.filters.join(', ')],
    ['prefixes', `${peer.received} received (${peer.stale} stale), ${peer.advertised} advertised`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  const counters = plainTable(
    ['MESSAGES', 'RECEIVED', 'SENT'],
    MESSAGE_TYPES.map((type) => [type, String(peer.messagesReceived[type]), String(peer.messagesSent[type])]),
  );
  return [
    peer.name,
    ...lines.map(([name, value]) => `  ${name.padEnd(width)}${value}`),
    ...counters
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
    '',
  ].join('\n');
}

const MESSAGE_TYPES = ['open', 'update', 'notification', 'keepalive', 'route-refresh'] as const;

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** `*` is the best path, `S` a stale one. */
export const routeHeadings = ['', 'PREFIX', 'NEXT HOP', 'PEER', 'PREF', 'MED', 'AS PATH', 'COMMUNITIES'];

export function routeRow(route: BgpRouteView): string[] {
  return [
    `${route.best ? '*' : ' '}${route.stale ? 'S' : ''}`,
    route.prefix,
    route.nextHop ?? '-',
    route.peer ?? '(own)',
    String(route.localPreference),
    route.multiExitDisc === undefined ? '-' : String(route.multiExitDisc),
    route.asPath === '' ? '-' : route.asPath,
    [...(route.communities ?? []), ...(route.largeCommunities ?? [])].join(' ') || '-',
  ];
}

/** What each step of the decision process looks at (RFC 4271 §9.1.2.2, RFC 4456 §9). */
const STEPS: Readonly<Record<string, string>> = {
  only: 'there is no other',
  own: 'own routes come before learned ones',
  'local-preference': 'the highest local preference',
  'as-path-length': 'the shortest AS path',
  origin: 'the lowest origin',
  'multi-exit-disc': 'the lowest MED of one neighbour AS',
  external: 'an external peer comes before an internal one',
  'router-id': 'the lowest router id (or originator id)',
  'cluster-list-length': 'the shortest cluster list',
  'peer-address': 'the lowest peer address',
};

/** What decided for or against telling a peer. */
const RULES: Readonly<Record<string, string>> = {
  'nothing-selected': 'no path can be used',
  'comes-from-this-peer': 'the best path comes from this peer',
  'session-not-established': 'the session is not established',
  'family-not-negotiated': 'the session does not carry the family',
  'no-advertise': 'it carries the community no-advertise (RFC 1997)',
  'no-export': 'it carries the community no-export (RFC 1997)',
  'only-to-customer': 'it is only for customers (RFC 9234)',
  'long-lived-stale': 'it is stale, and the peer would not know that (RFC 9494)',
  'not-reflected': 'both peers are in our AS, and this node does not reflect between them (RFC 4456)',
  'no-next-hop': 'this node has no address of the family to give as next hop',
  'attributes-too-long': 'its attributes have no room in a message of the session',
  'pool-not-exported': 'its pool has disableBGPExport',
  'own-block': 'it is a block of this node',
  'inside-own-block': 'a block of this node speaks for it',
  'service-range': 'it is a range of service addresses that this node announces',
  'inside-service-range': 'it lies within a range of service addresses',
  'exported-pool': 'it lies within an exported pool',
  'service-address': 'it lies within a range of service addresses, of which this node tells its own alone',
  'not-in-a-pool': 'it lies in no pool and no range of services, so it is not ours to pass on',
};

/** Why an address is reached as it is, in sentences and two tables. */
export function whyText(view: RouteWhy): string {
  const { address, prefix, candidates, decidedBy } = view;
  const lines = [`${address}: ${ownerText(view.owner)}`, ...view.services.map(serviceText)];
  if (prefix === undefined) {
    lines.push(
      'BGP knows no route to it: no peer announces a prefix that holds it, and this node does not either.',
      '',
    );
    return lines.join('\n');
  }
  const step = decidedBy === undefined ? undefined : (STEPS[decidedBy] ?? decidedBy);
  lines.push(
    `Route ${prefix}: ${candidates.length} ${candidates.length === 1 ? 'path' : 'paths'}; ` +
      (step === undefined ? 'none can be used now.' : `the first was chosen: ${step} (${decidedBy}).`),
    '',
    plainTable(routeHeadings, candidates.map(routeRow)).trimEnd(),
    '',
  );
  if (view.multipath.length > 1) lines.push(`Multipath over ${view.multipath.join(', ')}.`);
  if (view.kernel !== undefined) lines.push(kernelText(view.kernel));
  lines.push('');
  if (view.exports.length > 0) lines.push(exportTable(view.exports));
  return lines.join('\n');
}

const SERVICE_KINDS: Readonly<Record<ServiceAddressView['kind'], string>> = {
  cluster: 'cluster',
  external: 'external',
  'load-balancer': 'load balancer',
};

const SERVICE_REASONS: Readonly<Record<ServiceAddressReason, string>> = {
  'local-endpoint': 'externalTrafficPolicy is Local, and a ready endpoint of it is on this node',
  'ready-endpoint': 'it has a ready endpoint, and no range is announced for the address',
  'range-announced': 'the range around it is announced whole',
  'no-local-endpoint': 'externalTrafficPolicy is Local, and no ready endpoint of it is on this node',
  'no-endpoint': 'no endpoint of it is ready',
  'node-excluded': 'the node has the label node.kubernetes.io/exclude-from-external-load-balancers',
  'outside-ranges': 'no range of BGPConfiguration holds it',
  'not-proxied': 'the service is headless or an ExternalName',
};

/** Calico's rules for the addresses of services, one sentence for each service that has the address. */
function serviceText({ service, kind, announced, reason }: ServiceAddressView): string {
  const verdict = announced ? 'announced by this node' : 'not announced by this node on its own';
  return `The ${SERVICE_KINDS[kind]} address of service ${service} is ${verdict}: ${SERVICE_REASONS[reason]}.`;
}

function ownerText({ block, node, pool }: RouteOwner): string {
  const held = block === undefined ? 'in no block' : `in block ${block} of node ${node}`;
  if (pool === undefined) return `${held}, in no pool`;
  return `${held}, pool ${pool.name} (${pool.cidr})${pool.exported ? '' : ', not exported over BGP'}`;
}

const KERNEL_STATES: Readonly<Record<BgpKernelView['state'], string>> = {
  installed: 'installed',
  pending: 'being written',
  unresolved: 'not installed, the next hop is not reachable',
  refused: 'not installed, refused',
  unwanted: 'not installed, and need not be',
};

function kernelText({ state, nextHops, reason }: BgpKernelView): string {
  const ways = nextHops.length === 0 ? '' : ` (${nextHops.join('; ')})`;
  return `Kernel: ${KERNEL_STATES[state]}${ways}${reason === undefined ? '' : `: ${reason}`}.`;
}

function exportTable(exports: readonly BgpExportView[]): string {
  return plainTable(
    ['PEER', 'TOLD', 'BECAUSE'],
    exports.map(({ peer, told, rule }) => [peer, told ? 'yes' : 'no', RULES[rule] ?? rule]),
  );
}

/** `3d04h`, `5h07m`, `12m`, `8s`. */
function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [minutes, hours, days] = [
    Math.floor(seconds / 60),
    Math.floor(seconds / 3600),
    Math.floor(seconds / 86_400),
  ];
  if (days > 0) return `${days}d${two(hours % 24)}h`;
  if (hours > 0) return `${hours}h${two(minutes % 60)}m`;
  return minutes > 0 ? `${minutes}m${two(seconds % 60)}s` : `${seconds}s`;
}
