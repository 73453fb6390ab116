import { type Server, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/log.ts';
import type { ActivePolicy, EndpointTier, LocalEndpoint } from '../../src/calc/output.ts';
import { address } from '../../src/net/address.ts';
import type { TableDump } from '../../src/nftables/kernel.ts';
import { Reconciler } from '../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS, type RenderOptions } from '../../src/nftables/render/options.ts';
import { PolicyRenderer } from '../../src/nftables/render/renderer.ts';
import { TableSync } from '../../src/nftables/table-sync.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { run, runChecked } from '../../src/sys/process.ts';
import { delta, endpoint, peer, policy, profile, rule } from '../unit/nftables/fixtures.ts';
import { openTable, testNamespace } from './nftables-support.ts';

const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** Link-local address of that MAC. */
const HOST_LINK_LOCAL = 'fe80::ecee:eeff:feee:eeee';
const HOST = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const PODS = { a: { 4: '10.65.0.2', 6: 'fd65::2' }, b: { 4: '10.65.0.3', 6: 'fd65::3' } } as const;
type Pod = keyof typeof PODS;

const servers: Server[] = [];
afterEach(() => {
  while (servers.length > 0) servers.pop()!.close();
});

/** Listens on all addresses of a namespace; the socket is made inside the call. */
function listen(namespace: string, port: number): void {
  // The client is gone as soon as it is connected.
  const server = createServer((socket) => socket.destroy());
  inNamespace(namespace, () => {
    server.listen(port);
    return undefined;
  });
  servers.push(server);
}

interface Place {
  readonly node: string;
  readonly pods: Readonly<Record<Pod, string>>;
}

/** A node with two workloads on routed veth pairs, as Calico's CNI plugin makes them. */
async function makePlace(): Promise<Place> {
  const node = testNamespace();
  const pods = { a: testNamespace(), b: testNamespace() };
  const ip = async (namespace: string, lines: string): Promise<void> => {
    for (const line of lines.trim().split('\n'))
      await runChecked('ip', line.trim().split(/\s+/), { namespace });
  };
  await ip(node, `link set lo up\n addr add ${HOST[4]}/32 dev lo\n addr add ${HOST[6]}/128 dev lo`);
  await runChecked('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'], {
    namespace: node,
  });
  for (const name of ['a', 'b'] as const) {
    await ip(
      node,
      `link add cali${name} address ${HOST_MAC} type veth peer name eth0 netns ${pods[name]}
      link set cali${name} addrgenmode none
      link set cali${name} up
      addr add ${HOST_LINK_LOCAL}/64 dev cali${name} nodad
      route add ${PODS[name][4]}/32 dev cali${name}
      -6 route add ${PODS[name][6]}/128 dev cali${name}`,
    );
    await ip(
      pods[name],
      `link set lo up
      link set eth0 addrgenmode none
      link set eth0 up
      addr add fe80::2/64 dev eth0 nodad
      addr add ${PODS[name][4]}/32 dev eth0
      addr add ${PODS[name][6]}/128 dev eth0 nodad
      route add 169.254.1.1 dev eth0
      neigh add 169.254.1.1 lladdr ${HOST_MAC} dev eth0
      route add default via 169.254.1.1 dev eth0
      -6 route add default via ${HOST_LINK_LOCAL} dev eth0`,
    );
  }
  return { node, pods };
}

/** Whether a TCP connection is made. A silent drop shows as no answer within the time. */
async function connects(namespace: string, host: string, port: number): Promise<boolean> {
  const script = `exec 3<>/dev/tcp/${host}/${port}`;
  return (await run('timeout', ['0.4', 'bash', '-c', script], { namespace })).status === 0;
}

async function enforce(
  node: string,
  policies: readonly ActivePolicy[],
  endpoints: readonly LocalEndpoint[],
  options: Partial<RenderOptions> = {},
): Promise<() => Promise<TableDump>> {
  const { kernel } = openTable(node);
  await kernel.claim();
  const reconciler = new Reconciler();
  const renderer = new PolicyRenderer({ ...DEFAULT_RENDER_OPTIONS, ...options }, reconciler);
  const members = (['a', 'b'] as const).flatMap((pod) => [`${PODS[pod][4]}/32`, `${PODS[pod][6]}/128`]);
  renderer.apply(
    delta({
      sets: {
        'all-pods': { kind: 'addresses', description: 'all()', added: members, removed: [] },
        'web-port': {
          kind: 'named-port',
          description: 'web',
          added: [`${PODS.b[4]},6,80`, `${PODS.b[6]},6,80`],
          removed: [],
        },
      },
      policies,
      profiles: [profile('kns.prod')],
      endpoints,
    }),
  );
  await new TableSync({ kernel, reconciler, renderer, log: silentLogger() }).apply();
  return async () => (await kernel.dumpTable())!;
}

function workload(pod: Pod, tiers: readonly EndpointTier[]): LocalEndpoint {
  return endpoint(pod, {
    addresses: [address(PODS[pod][4]), address(PODS[pod][6])],
    profiles: ['profile/Profile//kns.prod'],
    tiers,
  });
}

function packets(dump: TableDump, comment: string): bigint {
  return dump.chains
    .flatMap(({ rules }) => rules)
    .filter((one) => one.comment === comment)
    .reduce((sum, one) => sum + (one.counted?.packets ?? 0n), 0n);
}

const FAMILIES = [4, 6] as const;
const only = (id: string, direction: 'ingress' | 'egress', name = 'default'): EndpointTier => ({
  name,
  defaultAction: 'deny',
  ingress: direction === 'ingress' ? [id] : [],
  egress: direction === 'egress' ? [id] : [],
});

describe('packets through the rendered table', () => {
  it('get where policy lets them, and no further (IPv4 and IPv6)', async () => {
    const { node, pods } = await makePlace();
    for (const port of [80, 81]) listen(pods.b, port);
    listen(pods.a, 80);
    const web = policy('web', {
      ingress: [
        rule({
          id: 'web/0',
          protocol: 6,
          source: peer({ sets: ['all-pods'] }),
          destination: peer({ namedPortSets: ['web-port'] }),
        }),
      ],
    });
    const dump = await enforce(node, [web], [workload('a', []), workload('b', [only(web.id, 'ingress')])]);
    for (const family of FAMILIES) {
      expect(await connects(pods.a, PODS.b[family], 80), `open ${family}`).toBe(true);
      expect(await connects(pods.a, PODS.b[family], 81), `closed ${family}`).toBe(false);
      expect(await connects(pods.b, PODS.a[family], 80), `no policy ${family}`).toBe(true);
      expect(await connects(node, PODS.b[family], 81), `from the host ${family}`).toBe(true);
    }
    const after = await dump();
    expect(packets(after, 'web/0')).toBe(2n);
    expect(packets(after, 'default/ingress/end-of-tier')).toBeGreaterThanOrEqual(2n);
  });

  it('meet tiers in order: pass goes on to the next tier and past the last to the profile', async () => {
    const { node, pods } = await makePlace();
    for (const port of [80, 81, 82]) listen(pods.b, port);
    const to = (port: number) => peer({ ports: [{ first: port, last: port }] });
    const admin = policy('admin', {
      egress: [
        rule({ id: 'admin/0', action: 'pass', protocol: 6, destination: to(80) }),
        rule({ id: 'admin/1', action: 'pass', protocol: 6, destination: to(81) }),
      ],
    });
    const app = policy('app', {
      egress: [
        rule({ id: 'app/0', action: 'deny', protocol: 6, destination: to(81) }),
        rule({ id: 'app/1', action: 'pass' }),
      ],
    });
    const tiers = [only(admin.id, 'egress', 'first'), only(app.id, 'egress')];
    const dump = await enforce(node, [admin, app], [workload('a', tiers), workload('b', [])]);
    for (const family of FAMILIES) {
      expect(await connects(pods.a, PODS.b[family], 80), `passed twice ${family}`).toBe(true);
      expect(await connects(pods.a, PODS.b[family], 81), `denied by the second ${family}`).toBe(false);
      expect(await connects(pods.a, PODS.b[family], 82), `end of the first ${family}`).toBe(false);
    }
    expect(packets(await dump(), 'app/1')).toBe(2n);
  });

  it("are dropped when their source is not the workload's", async () => {
    const { node, pods } = await makePlace();
    listen(pods.b, 80);
    const dump = await enforce(node, [], [workload('a', []), workload('b', [])]);
    const spoof = {
      4: ['addr add 10.65.0.99/32 dev eth0', 'route replace default via 169.254.1.1 dev eth0 src 10.65.0.99'],
      6: [
        'addr add fd65::99/128 dev eth0 nodad',
        `-6 route replace default via ${HOST_LINK_LOCAL} dev eth0 src fd65::99`,
      ],
    };
    for (const family of FAMILIES) {
      expect(await connects(pods.a, PODS.b[family], 80)).toBe(true);
      for (const line of spoof[family]) await runChecked('ip', line.split(' '), { namespace: pods.a });
      expect(await connects(pods.a, PODS.b[family], 80)).toBe(false);
    }
    expect(packets(await dump(), "source address is not the workload's")).toBeGreaterThanOrEqual(2n);
  });

  it('to the host itself are dropped by default (DefaultEndpointToHostAction)', async () => {
    const { node, pods } = await makePlace();
    listen(node, 80);
    const dropping = await enforce(node, [], [workload('a', [])]);
    for (const family of FAMILIES) expect(await connects(pods.a, HOST[family], 80)).toBe(false);
    expect(packets(await dropping(), 'workload to host')).toBeGreaterThanOrEqual(2n);
  });

  it.each(['Accept', 'Return'] as const)(
    'reach the host with DefaultEndpointToHostAction %s, after egress policy',
    async (action) => {
      const { node, pods } = await makePlace();
      for (const port of [80, 81]) listen(node, port);
      const deny81 = policy('deny81', {
        egress: [
          rule({ action: 'deny', protocol: 6, destination: peer({ ports: [{ first: 81, last: 81 }] }) }),
          rule(),
        ],
      });
      await enforce(node, [deny81], [workload('a', [only(deny81.id, 'egress')])], {
        endpointToHostAction: action,
      });
      for (const family of FAMILIES) {
        expect(await connects(pods.a, HOST[family], 80)).toBe(true);
        expect(await connects(pods.a, HOST[family], 81)).toBe(false);
      }
    },
  );

  it('of an interface that is no workload of ours are dropped', async () => {
    const { node, pods } = await makePlace();
    listen(pods.b, 80);
    await enforce(node, [], [workload('b', [])]);
    for (const family of FAMILIES) expect(await connects(pods.a, PODS.b[family], 80)).toBe(false);
  });
});
