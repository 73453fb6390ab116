/** What becomes of AS_PATH on the way from BIRD through us to FRR: private AS numbers, overriding, confederations. */
import { expect, it, vi } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../src/bgp/config.ts';
import { prefix } from '../../src/net/prefix.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { peerConfig, speakerConfig } from './fixture-speaker.ts';
import { type TrioOptions, useTrio } from './fixture-trio.ts';

const EVENTUALLY = { timeout: 15_000, interval: 50 };
const OTHERS = { pools: [{ cidr: prefix('192.0.2.0/24'), exported: true }] };
const BIRD_ROUTE = '192.0.2.0/25';
const FRR_ROUTE = '192.0.2.128/25';

describeKernel('an AS path through us', () => {
  const trio = useTrio();

  interface Side {
    readonly asNumber: number;
    /** The AS we present to it. */
    readonly seenAs: number;
    readonly bird?: TrioOptions['bird'];
    readonly frr?: TrioOptions['frr'];
    readonly fields?: Partial<PeerConfig>;
  }

  async function start(left: Side, right: Side, fields: Partial<SpeakerConfig> = {}): Promise<void> {
    const peer = (host: number, side: Side): PeerConfig =>
      peerConfig(1, host, { asNumber: side.asNumber, localAsNumber: side.seenAs, ...side.fields });
    await trio.start({
      bird: { asNumber: left.asNumber, neighborAs: left.seenAs, routes: [BIRD_ROUTE], ...left.bird },
      frr: { asNumber: right.asNumber, neighborAs: right.seenAs, routes: [FRR_ROUTE], ...right.frr },
      ours: speakerConfig(1, [peer(2, left), peer(3, right)], { ...OTHERS, ...fields }),
    });
  }

  /** Waits until BIRD and FRR have each other's route by these paths. */
  async function paths(atBird: RegExp, atFrr: RegExp): Promise<void> {
    await vi.waitFor(async () => {
      expect(await trio.bird.ask('show', 'route', 'all', FRR_ROUTE)).toMatch(atBird);
      expect(await trio.frr.ask(`show bgp ipv4 unicast ${BIRD_ROUTE}`)).toMatch(atFrr);
    }, EVENTUALLY);
  }

  it('has our AS in place of the one that two sites share, and of private ones', async () => {
    const site = { asNumber: 65002, seenAs: 3320 };
    await start(
      { ...site, fields: { asOverride: true } },
      { ...site, fields: { removePrivateAs: 'replace', asOverride: true } },
      { asNumber: 3320 },
    );
    await paths(/BGP.as_path: 3320 3320$/m, /^ {2}3320 3320$/m);
  });

  it('has no private AS numbers where none are wanted', async () => {
    await start(
      { asNumber: 65002, seenAs: 3320, fields: { removePrivateAs: 'all' } },
      { asNumber: 174, seenAs: 3320, fields: { removePrivateAs: 'if-all' } },
      { asNumber: 3320 },
    );
    await paths(/BGP.as_path: 3320 174$/m, /^ {2}3320$/m);
  });

  it('shows the members of a confederation to one another and one AS to the world', async () => {
    const confederation = { identifier: 3320, members: [64512, 64513] };
    await start(
      {
        asNumber: 64513,
        seenAs: 64512,
        bird: { bgp: 'confederation 3320; confederation member yes;' },
      },
      { asNumber: 174, seenAs: 3320 },
      { confederation },
    );
    await paths(/BGP.as_path: \(64512\) 174\n(.*\n)*?.*BGP.local_pref: 100$/m, /^ {2}3320$/m);
  });

  it('keeps preference and next hop from member to member, also with FRR', async () => {
    const confederation = { identifier: 3320, members: [64512, 64513, 64514] };
    await start(
      {
        asNumber: 64513,
        seenAs: 64512,
        bird: {
          bgp: 'confederation 3320; confederation member yes;',
          channel: 'export filter { bgp_local_pref = 77; accept; };',
        },
      },
      {
        asNumber: 64514,
        seenAs: 64512,
        frr: { bgp: ['bgp confederation identifier 3320', 'bgp confederation peers 64512 64513'] },
      },
      { confederation },
    );
    await paths(
      /BGP.as_path: \(64512 64514\)$/m,
      /^ {2}\(64512 64513\)\n(.*\n)*? {4}10\.99\.0\.2 .*\n.*localpref 77,.* confed-external/m,
    );
  });
});
