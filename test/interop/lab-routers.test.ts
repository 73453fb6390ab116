import { expect, it } from 'vitest';
import { probePairs, seen } from '../../src/lab/connectivity.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { waitUntil } from '../../src/lab/wait.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';

/** Two hosts and one router of a kind, with a client behind it. */
function topology(router: string, segment: string, client: string): string {
  return `name: NAME
pools: [{ cidr: 10.65.0.0/16 }, { cidr: fd65::/112 }]
segments:
  rack: { subnets: [172.16.0.0/24, "fd16::/64"] }
  office: { subnets: ${segment} }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
routers: { r: { asNumber: 64601, segments: [rack, office], ${router} } }
clients: { c: { segments: [office], ports: [{ port: 80 }]${client} } }
namespaces: { x: {} }
workloads: { x/a: { host: n1, ports: [{ port: 80 }] }, x/b: { host: n2, ports: [{ port: 80 }] } }
`;
}

const OFFICE = '[192.0.2.0/24, "2001:db8:2::/64"]';

async function connects(lab: Lab): Promise<void> {
  const members = ['x/a', 'x/b', 'c'].map((name) => lab.endpoint(name));
  let closed: unknown[] = [];
  // Sessions are up; what the routers do with the routes takes them a moment.
  await waitUntil(async () => {
    const results = await probePairs(members, members, {
      service: { port: 80, protocol: 'TCP' },
      families: [4, 6],
    });
    closed = results.filter((result) => seen(result) !== 'open');
    return closed.length === 0;
  }, 15_000);
  expect(closed).toEqual([]);
}

describeKernel('a lab with a router of others', () => {
  const bench = useLabs();

  it.each([
    ['BIRD with a session for each family', topology('software: bird', OFFICE, '')],
    ['BIRD with one session for both families', topology('software: bird, sessions: one', OFFICE, '')],
    ['FRR', topology('software: frr', OFFICE, '')],
    [
      'our own agent',
      topology(
        'software: margay, advertise: [192.0.2.64/26, "2001:db8:2::100/122"]',
        OFFICE,
        ', addresses: { office: [192.0.2.101, "2001:db8:2::101"] }',
      ),
    ],
  ])('reaches a client behind %s', async (_router, yaml) => {
    const lab = await bench.up(yaml);
    try {
      await connects(lab);
    } finally {
      await lab.down();
    }
  });

  it('exchanges routes with GoBGP, which forwards nothing', async () => {
    const lab = await bench.up(topology('software: gobgp', OFFICE, ''));
    try {
      const { bgp } = await lab.agentStatus('n1');
      const peer = bgp.peers.find(({ address }) => address === '172.16.0.1');
      expect(peer).toMatchObject({ state: 'Established', asNumber: 64601, received: 1 });
    } finally {
      await lab.down();
    }
  });
});
