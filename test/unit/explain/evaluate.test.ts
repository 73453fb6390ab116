import { describe, expect, it } from 'vitest';
import type { EndpointTier, LocalEndpoint } from '../../../src/calc/output.ts';
import { type EndpointWalk, evaluateEndpoint } from '../../../src/explain/evaluate.ts';
import type { Packet } from '../../../src/explain/packet.ts';
import { PolicyState } from '../../../src/explain/policy-state.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { commentText } from '../../../src/nftables/names.ts';
import { renderEndpoint, renderTier } from '../../../src/nftables/render/endpoint.ts';
import { footprintOf } from '../../../src/nftables/render/footprint.ts';
import { DEFAULT_RENDER_OPTIONS } from '../../../src/nftables/render/options.ts';
import { delta, endpoint, peer, policy, profile, rule } from '../nftables/fixtures.ts';

const packet: Packet = {
  source: address('10.0.0.1'),
  destination: address('10.0.0.2'),
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: 80,
};
const never = rule({ id: 'never', protocol: 17 });

function tier(
  name: string,
  policies: readonly string[],
  defaultAction: 'deny' | 'pass' = 'deny',
): EndpointTier {
  return { name, defaultAction, ingress: policies, egress: [] };
}

function walk(
  contents: Parameters<typeof delta>[0],
  fields: Partial<LocalEndpoint>,
  asked: Packet = packet,
): EndpointWalk {
  const state = new PolicyState();
  state.apply(delta(contents));
  return evaluateEndpoint(endpoint('a', fields), 'ingress', asked, state);
}

const verdictOf = ({ verdict, decidedBy }: EndpointWalk): unknown[] => [verdict, ...decidedBy];

describe('evaluateEndpoint', () => {
  it('takes the first rule that matches, past rules that miss and rules that log', () => {
    const web = policy('web', {
      ingress: [never, rule({ id: 'log', action: 'log' }), rule({ id: 'yes' }), rule({ id: 'late' })],
    });
    const result = walk({ policies: [web] }, { tiers: [tier('default', [web.id])] });
    expect(verdictOf(result)).toEqual(['allow', 'yes']);
    expect(result.tiers[0]!.policies[0]!.rules.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['never', 'miss'],
      ['log', 'hit'],
      ['yes', 'hit'],
    ]);
  });

  it('goes from Pass to the next tier, from there to the profiles, and denies when nothing decides', () => {
    const first = policy('first', { ingress: [rule({ id: 'pass', action: 'pass' })] });
    const skipped = policy('skipped', { ingress: [rule({ id: 'skipped', action: 'deny' })] });
    const second = policy('second', { ingress: [never] });
    const tiers = [tier('t1', [first.id, skipped.id]), tier('t2', []), tier('t3', [second.id], 'pass')];
    const empty = profile('empty', { ingress: [] });
    const result = walk(
      { policies: [first, skipped, second], profiles: [empty] },
      {
        tiers,
        profiles: [empty.id],
      },
    );
    expect(verdictOf(result)).toEqual(['deny', 'prod/node1-k8s-a-eth0/ingress/no-profile-match']);
    expect(result.tiers.map(({ name, ended }) => [name, ended])).toEqual([
      ['t1', false],
      ['t3', true],
    ]);
    const open = profile('open');
    expect(
      verdictOf(
        walk(
          { policies: [first, second], profiles: [empty, open] },
          { tiers, profiles: [empty.id, open.id] },
        ),
      ),
    ).toEqual(['allow', open.ingress[0]!.id]);
  });

  it('denies at the end of a tier, and where a policy fails closed or is not known', () => {
    const web = policy('web', { ingress: [never] });
    const closed = policy('closed', { failClosed: 'tier t does not exist' });
    const contents = { policies: [web, closed], profiles: [profile('open')] };
    expect(verdictOf(walk(contents, { tiers: [tier('default', [web.id])] }))).toEqual([
      'deny',
      'default/ingress/end-of-tier',
    ]);
    expect(verdictOf(walk(contents, { tiers: [tier('default', [closed.id])] }))).toEqual(['deny', closed.id]);
    expect(verdictOf(walk(contents, { tiers: [], profiles: ['profile/Profile//gone'] }))).toEqual([
      'deny',
      'profile/Profile//gone',
    ]);
  });

  it('says unknown only where what is not told makes a difference', () => {
    const sourcePort = peer({ ports: [{ first: 1, last: 1023 }] });
    const low = rule({ id: 'low', protocol: 6, source: sourcePort });
    const web = policy('web', { ingress: [low, rule({ id: 'all' })] });
    const strict = policy('strict', { ingress: [low] });
    const { sourcePort: _, ...untold } = packet;
    expect(verdictOf(walk({ policies: [web] }, { tiers: [tier('default', [web.id])] }, untold))).toEqual([
      'allow',
      'low',
      'all',
    ]);
    expect(
      verdictOf(walk({ policies: [strict] }, { tiers: [tier('default', [strict.id])] }, untold)),
    ).toEqual(['unknown', 'low', 'default/ingress/end-of-tier']);
  });

  it('names the first field that missed, what was wanted and what was found', () => {
    const web = policy('web', {
      ingress: [
        rule({
          protocol: 6,
          source: peer({ nets: [prefix('10.9.0.0/16')] }),
          destination: peer({ ports: [{ first: 443, last: 443 }] }),
        }),
      ],
    });
    const result = walk({ policies: [web] }, { tiers: [tier('default', [web.id])] });
    expect(result.tiers[0]!.policies[0]!.rules[0]!.checks).toEqual([
      { field: 'protocol', outcome: 'hit', wanted: 'TCP', found: 'TCP' },
      { field: 'source.nets', outcome: 'miss', wanted: 'in 10.9.0.0/16', found: '10.0.0.1' },
      { field: 'destination.ports', outcome: 'miss', wanted: '443', found: '80' },
    ]);
  });

  it('gives ends the ids that the kernel shows', () => {
    const web = policy('web', { ingress: [never] });
    const atTier = endpoint('a', { tiers: [tier('default', [web.id])] });
    const rendered = renderTier(
      'ingress',
      atTier.tiers[0]!,
      () => ({ passes: false, footprint: footprintOf([], []) }),
      DEFAULT_RENDER_OPTIONS,
    ).chains[0];
    expect(rendered.rules.at(-1)!.comment).toBe(commentText(walk({ policies: [web] }, atTier).decidedBy[0]!));
    const bare = endpoint('a', { tiers: [], profiles: [] });
    expect(renderEndpoint('ingress', bare).rules.at(-1)!.comment).toBe(
      commentText(walk({}, bare).decidedBy[0]!),
    );
  });
});

describe('PolicyState', () => {
  it('finds addresses in prefixes of any length, of both families, and follows deltas', () => {
    const state = new PolicyState();
    const change = (added: string[], removed: string[] = []) =>
      state.apply(delta({ sets: { s: { kind: 'addresses', description: 's', added, removed } } }));
    const held = (text: string): boolean => state.holdsAddress('s', address(text));
    change(['10.0.0.0/8', '192.0.2.1/32', 'fd00::/9']);
    expect([held('10.255.0.1'), held('192.0.2.1'), held('192.0.2.2'), held('fd7f::1')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    change([], ['10.0.0.0/8']);
    expect([held('10.255.0.1'), held('192.0.2.1')]).toEqual([false, true]);
    state.apply(delta({ sets: { s: undefined } }));
    expect(held('192.0.2.1')).toBe(false);
  });
});
