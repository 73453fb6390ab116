/** Configuration files for the routers of others: BIRD 2, FRR, GoBGP. Pure text from a plan. */
import { type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { MachinePlan, RouterNeighbor, RouterPlan } from './plan.ts';

/** Seconds; short, so that a lab shows what happens when a peer dies. */
const HOLD_TIME = 90;
const CONNECT_RETRY = 2;
const GRACEFUL_RESTART_TIME = 120;

const FAMILIES = [4, 6] as const;

function routerId(machine: MachinePlan): string {
  const ipv4 = machine.interfaces
    .flatMap(({ addresses }) => addresses)
    .find(({ address }) => familyOf(address) === 4);
  // An identifier is any 32 bits (RFC 6286 §2.1); an IPv6-only router borrows one from the documentation range.
  return ipv4?.address ?? '192.0.2.1';
}

function sessionName({ machine, address }: RouterNeighbor): string {
  return `${machine.replaceAll('-', '_')}_v${familyOf(address)}`;
}

function ofFamily(prefixes: readonly Prefix[], family: Family): Prefix[] {
  return prefixes.filter((prefix) => familyOf(prefix) === family);
}

/** The file of BIRD 2: one process for both families. */
export function birdConfig(machine: MachinePlan, router: RouterPlan): string {
  const lines = [
    `router id ${routerId(machine)};`,
    'log stderr all;',
    'protocol device { scan time 2; }',
    'protocol direct { ipv4; ipv6; }',
  ];
  for (const family of FAMILIES) {
    const advertised = ofFamily(router.advertise, family);
    const own = advertised.length === 0 ? '' : `  if net ~ [ ${advertised.join(', ')} ] then accept;\n`;
    lines.push(
      `protocol kernel kernel${family} { ipv${family} { import none; export where source != RTS_DEVICE; }; merge paths on; }`,
      `filter announced${family} {\n  if source = RTS_BGP then accept;\n${own}  reject;\n}`,
    );
  }
  for (const neighbor of router.neighbors) {
    const channels = neighbor.families.map(
      (family) => `  ipv${family} { import all; export filter announced${family}; };`,
    );
    lines.push(
      `protocol bgp ${sessionName(neighbor)} {`,
      `  local ${neighbor.localAddress} as ${router.asNumber};`,
      `  neighbor ${neighbor.address} as ${neighbor.asNumber};`,
      `  hold time ${HOLD_TIME};`,
      `  connect retry time ${CONNECT_RETRY}; connect delay time 1; error wait time 1, ${CONNECT_RETRY};`,
      ...(router.gracefulRestart
        ? [`  graceful restart on; graceful restart time ${GRACEFUL_RESTART_TIME};`]
        : ['  graceful restart off;']),
      ...channels,
      '}',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** The file of FRR's zebra. */
export function zebraConfig(machine: MachinePlan): string {
  return [`hostname ${machine.name}`, 'log stdout', ''].join('\n');
}

/** The file of FRR's bgpd. */
export function frrBgpConfig(machine: MachinePlan, router: RouterPlan): string {
  const lines = [
    `hostname ${machine.name}`,
    'log stdout',
    `router bgp ${router.asNumber}`,
    ` bgp router-id ${routerId(machine)}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
    ` timers bgp ${HOLD_TIME / 3} ${HOLD_TIME}`,
    ...(router.gracefulRestart
      ? [' bgp graceful-restart', ` bgp graceful-restart restart-time ${GRACEFUL_RESTART_TIME}`]
      : []),
  ];
  for (const neighbor of router.neighbors) {
    lines.push(
      ` neighbor ${neighbor.address} remote-as ${neighbor.asNumber}`,
      ` neighbor ${neighbor.address} update-source ${neighbor.localAddress}`,
      ` neighbor ${neighbor.address} timers connect ${CONNECT_RETRY}`,
    );
  }
  for (const family of FAMILIES) {
    lines.push(` address-family ipv${family} unicast`);
    for (const advertised of ofFamily(router.advertise, family)) lines.push(`  network ${advertised}`);
    for (const { families, address } of router.neighbors) {
      if (families.includes(family)) lines.push(`  neighbor ${address} activate`);
    }
    lines.push(' exit-address-family');
  }
  return `${lines.join('\n')}\n`;
}

/** The file of gobgpd, in JSON. It keeps a table of routes and forwards nothing: it has no hand on the kernel. */
export function gobgpConfig(machine: MachinePlan, router: RouterPlan): string {
  const restart = router.gracefulRestart
    ? { 'graceful-restart': { config: { enabled: true, 'restart-time': GRACEFUL_RESTART_TIME } } }
    : {};
  return `${JSON.stringify(
    {
      global: { config: { as: router.asNumber, 'router-id': routerId(machine) } },
      neighbors: router.neighbors.map((neighbor) => ({
        config: { 'neighbor-address': neighbor.address, 'peer-as': neighbor.asNumber },
        transport: { config: { 'local-address': neighbor.localAddress } },
        timers: {
          config: {
            'hold-time': HOLD_TIME,
            'keepalive-interval': HOLD_TIME / 3,
            'connect-retry': CONNECT_RETRY,
          },
        },
        ...restart,
        'afi-safis': neighbor.families.map((family) => ({
          config: { 'afi-safi-name': `ipv${family}-unicast` },
          ...(router.gracefulRestart ? { 'mp-graceful-restart': { config: { enabled: true } } } : {}),
        })),
      })),
    },
    undefined,
    2,
  )}\n`;
}
