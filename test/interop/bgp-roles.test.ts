/** Roles and Only to Customer (RFC 9234) with BIRD above or below us and FRR on the other side. */
import { expect, it, vi } from 'vitest';
import type { PeerConfig } from '../../src/bgp/config.ts';
import type { Role } from '../../src/bgp/wire/role.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { peerConfig, speakerConfig } from './fixture-speaker.ts';
import { useTrio } from './fixture-trio.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const OTHERS = { pools: [{ cidr: prefix('192.0.2.0/24'), exported: true }] };

function peer(host: number, name: Role | undefined, strict = false): PeerConfig {
  const role = name === undefined ? {} : { role: { name, strict } };
  return peerConfig(1, host, { asNumber: 65000 + host, ...role });
}

describeKernel('a node with a role towards its neighbours', () => {
  const trio = useTrio();

  async function start(
    theirs: { readonly bird: string; readonly frr: readonly string[]; readonly channel?: string },
    roles: { readonly bird: PeerConfig; readonly frr: PeerConfig },
  ): Promise<void> {
    const { bird: bgp, channel = '' } = theirs;
    await trio.start({
      bird: { bgp, channel, routes: ['192.0.2.0/25'] },
      frr: { session: theirs.frr, routes: ['192.0.2.128/25'] },
      ours: speakerConfig(1, [roles.bird, roles.frr], OTHERS),
    });
  }

  /** What we hold of others. */
  function learned(): string[] {
    const routes = trio.ours.speaker.routes().filter((route) => route.peer !== undefined);
    return routes.map((route) => `${route.prefix} ${route.peer}`).toSorted();
  }

  function infoOf(host: number): string {
    return trio.ours.speaker.status().peers.find(({ name }) => name === `Mesh_10_99_0_${host}`)!.info;
  }

  const toBird = (): Promise<string> => trio.bird.ask('show', 'route', 'all', 'protocol', 'margay');
  const toFrr = (): Promise<string> => trio.frr.ask('show bgp ipv4 unicast 192.0.2.0/25');

  it('passes routes of its provider to its customer, marked, and routes of its customer to its provider', async () => {
    await start(
      { bird: 'local role provider; require roles yes;', frr: ['local-role customer strict-mode'] },
      { bird: peer(2, 'customer', true), frr: peer(3, 'provider', true) },
    );
    await vi.waitFor(async () => {
      expect(await toFrr()).toMatch(/otc 65002/i);
      const routes = await toBird();
      expect(routes).toMatch(/^192\.0\.2\.128\/25 /m);
      expect(routes).not.toMatch(/otc/i);
    }, EVENTUALLY);
  });

  it('marks what comes from a peer that tells no role, and keeps it from other peers', async () => {
    await start({ bird: '', frr: ['local-role peer'] }, { bird: peer(2, 'peer'), frr: peer(3, 'peer') });
    await vi.waitFor(async () => {
      expect(learned()).toEqual(['192.0.2.0/25 Mesh_10_99_0_2', '192.0.2.128/25 Mesh_10_99_0_3']);
      expect(trio.ours.speaker.status().peers.map(({ state }) => state)).toEqual([
        'Established',
        'Established',
      ]);
      // Its own it has told to both: nothing more is coming.
      expect(await trio.frr.ask('show bgp ipv4 unicast 10.65.1.0/26')).toMatch(/otc 64512/i);
      expect(await toBird()).toMatch(/^10\.65\.1\.0\/26 /m);
    }, EVENTUALLY);
    expect(await toBird()).not.toMatch(/^192\.0\.2\.128\/25 /m);
    expect(await toFrr()).toMatch(/not in table/);
  });

  it('refuses what a customer leaks', async () => {
    await start(
      { bird: '', channel: 'export filter { bgp_otc = 65009; accept; };', frr: ['local-role customer'] },
      { bird: peer(2, 'provider'), frr: peer(3, 'provider') },
    );
    await vi.waitFor(async () => {
      expect(learned()).toEqual(['192.0.2.128/25 Mesh_10_99_0_3']);
      expect(await trio.bird.ask('show', 'route', 'export', 'margay')).toMatch(/^192\.0\.2\.0\/25 /m);
      expect(await toBird()).toMatch(/^192\.0\.2\.128\/25 /m);
    }, EVENTUALLY);
  });

  it('has no session with who has another role, or none where it must', async () => {
    await start(
      { bird: 'local role provider;', frr: [] },
      { bird: peer(2, 'provider'), frr: peer(3, 'peer', true) },
    );
    await vi.waitFor(() => {
      expect(infoOf(2)).toMatch(/OPEN Message Error, Role Mismatch/);
      expect(infoOf(3)).toMatch(/^Sent: OPEN Message Error, Role Mismatch/);
    }, EVENTUALLY);
    expect(learned()).toEqual([]);
  });
});
