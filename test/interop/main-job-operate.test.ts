/** Operating a running agent: the looking glass through the BGP thread, metrics and health as FelixConfiguration asks. */
import { expect, it, vi } from 'vitest';
import type { BgpNeighborView, BgpRouteView, RouteWhy } from '../../src/base/bgp-view.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { run } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { apply, margayctl } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
namespaces: { x: {} }
workloads:
  x/a: { host: n1, ports: [{ port: 80 }] }
  x/b: { host: n2, ports: [{ port: 80 }] }
`;

/** What a program in the host's namespace gets over HTTP. */
async function get(lab: Lab, host: string, port: number, path: string): Promise<string> {
  const script = `fetch('http://127.0.0.1:${port}${path}').then(async (r) => console.log(r.status, await r.text()), (e) => console.log('none', e.message))`;
  const { namespace } = lab.endpoint(host);
  return (await run(process.execPath, ['-e', script], { namespace })).stdout;
}

describeKernel('a running agent', () => {
  const bench = useLabs();

  it('answers the looking glass, and serves metrics and health once it is told to', async () => {
    const lab = await bench.up(TOPOLOGY);
    const json = async <Document>(...args: string[]): Promise<Document> =>
      JSON.parse((await margayctl(lab, 'n1', ...args, '-o', 'json')).stdout) as Document;

    const { neighbors } = await json<{ neighbors: BgpNeighborView[] }>('bgp', 'summary');
    expect(neighbors.length).toBeGreaterThan(0);
    for (const peer of neighbors) expect(peer).toMatchObject({ state: 'Established', type: 'mesh' });
    const { routes } = await json<{ routes: BgpRouteView[] }>('bgp', 'routes', '--best');
    expect(routes.filter(({ peer }) => peer === undefined).length).toBeGreaterThan(0);
    const why = await json<RouteWhy>('route', 'why', lab.address('x/b', 4));
    expect(why).toMatchObject({ owner: { node: 'n2' }, decidedBy: 'only', kernel: { state: 'installed' } });
    expect(why.owner.block).toBe(why.prefix);
    expect(why.owner.pool).toMatchObject({ cidr: '10.65.0.0/16', exported: true });

    expect(await get(lab, 'n1', 9091, '/metrics')).toMatch(/^none/);
    await apply(
      lab,
      `apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: { name: default }
spec: { prometheusMetricsEnabled: true, healthEnabled: true, healthHost: 127.0.0.1 }
`,
    );
    await vi.waitFor(
      async () => {
        const metrics = await get(lab, 'n1', 9091, '/metrics');
        expect(metrics).toMatch(/^200 /);
        expect(metrics).toMatch(/^felix_active_local_endpoints 1$/m);
        expect(metrics).toMatch(/^felix_resync_state 3$/m);
        expect(metrics).toMatch(
          /^bgp_peer_up\{peer="Mesh_[0-9_]+",address="172\.16\.0\.\d+",as="64512",type="mesh"\} 1$/m,
        );
        expect(await get(lab, 'n1', 9099, '/readiness')).toBe('200 ok\n\n');
        expect(await get(lab, 'n1', 9099, '/liveness')).toBe('200 ok\n\n');
      },
      { timeout: 15_000, interval: 300 },
    );
  });
});
