import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { PeerConfig } from '../../../src/bgp/config.ts';
import { type DynamicMember, DynamicNeighbors, hasLeft } from '../../../src/bgp/dynamic-neighbors.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';

const BASE: PeerConfig = {
  name: 'tor',
  type: 'global',
  address: address('10.0.0.1'),
  port: 179,
  asNumber: 65001,
  localAsNumber: 64512,
  families: [4, 6],
  passive: false,
  reflectorClient: false,
  nextHopMode: 'auto',
  restartTime: 120,
  allowedOwnAs: 0,
  filters: [],
};

function template(name: string, prefixes: readonly string[], fields: Partial<PeerConfig> = {}): PeerConfig {
  return {
    ...BASE,
    name,
    type: 'dynamic',
    dynamicNeighbors: { prefixes: prefixes.map((text) => prefix(text)), limit: 100 },
    ...fields,
  };
}

function make(peers: readonly PeerConfig[]) {
  const clock = new ManualClock();
  const members = new Map<string, { name: string; config: PeerConfig; isVacant: boolean }>();
  const dynamic = new DynamicNeighbors({
    clock,
    log: silentLogger(),
    neighbors: (): Iterable<DynamicMember> => members.values(),
    remove: (name) => members.delete(name),
  });
  dynamic.follow(peers);
  const connect = (from: string): string | undefined => {
    const config = dynamic.admit(address(from), undefined);
    if (config === undefined || config === 'full') return config;
    members.set(config.name, { name: config.name, config, isVacant: false });
    return config.template;
  };
  return { clock, dynamic, members, connect };
}

const limited = (limit: number): Partial<PeerConfig> => ({
  dynamicNeighbors: { prefixes: [prefix('10.1.0.0/16')], limit },
});

describe('whoever connects from a prefix', () => {
  it('becomes a peer that waits, made of the template', () => {
    const { dynamic } = make([template('racks', ['10.1.0.0/16', 'fd00:1::/64'], { holdTime: 9 })]);
    const { dynamicNeighbors: _prefixes, ...made } = template('racks', [], { holdTime: 9 });
    expect(dynamic.admit(address('fd00:1::7'), address('fd00:1::1'))).toEqual({
      ...made,
      name: 'Dynamic_fd00_1__7',
      address: 'fd00:1::7',
      sourceAddress: 'fd00:1::1',
      passive: true,
      template: 'racks',
    });
  });

  it('is met by the most specific prefix, and by none outside of all, on a link, or when shut down', () => {
    const { connect } = make([
      template('all', ['10.0.0.0/8', '::/0']),
      template('rack', ['10.1.0.0/16']),
      template('rack-again', ['10.1.0.0/16']),
      template('row', ['10.1.0.0/12']),
      template('closed', ['10.1.9.0/24'], { shutdown: '' }),
    ]);
    expect(
      ['10.1.0.1', '10.2.0.1', '10.200.0.1', '11.0.0.1', '2001:db8::1', 'fe80::1', '10.1.9.1'].map(connect),
    ).toEqual(['rack', 'row', 'all', undefined, 'all', undefined, undefined]);
  });

  it('is refused and counted beyond the limit, until another has left', () => {
    const { clock, connect, dynamic, members } = make([template('racks', [], limited(2))]);
    expect(['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'].map(connect)).toEqual([
      'racks',
      'racks',
      'full',
      'full',
    ]);
    expect(dynamic.status()).toEqual([
      { template: 'racks', prefixes: ['10.1.0.0/16'], limit: 2, peers: 2, refused: 2 },
    ]);
    members.get('Dynamic_10_1_0_1')!.isVacant = true;
    clock.advance(10_000);
    expect(connect('10.1.0.3')).toBe('racks');
  });

  it('stays if it is back before it was missed twice', () => {
    const { clock, connect, members } = make([template('racks', [], limited(2))]);
    connect('10.1.0.1');
    const member = members.get('Dynamic_10_1_0_1')!;
    for (const isVacant of [true, false, true]) {
      member.isVacant = isVacant;
      clock.advance(5000);
      expect(members.size).toBe(1);
    }
    clock.advance(5000);
    expect(members.size).toBe(0);
  });

  it('follows its template, and goes with it or when it is configured itself', () => {
    const racks = template('racks', [], limited(2));
    const { connect, dynamic } = make([racks]);
    connect('10.1.0.1');
    const resolved = (peers: readonly PeerConfig[]) => {
      dynamic.follow(peers);
      return dynamic.resolve().map(({ name, template: of, holdTime }) => [name, of, holdTime]);
    };
    expect(resolved([{ ...racks, holdTime: 9 }])).toEqual([['Dynamic_10_1_0_1', 'racks', 9]]);
    expect(resolved([racks, template('rack', ['10.1.0.0/24'])])).toEqual([
      ['Dynamic_10_1_0_1', 'rack', undefined],
    ]);
    expect(resolved([racks, { ...BASE, address: address('10.1.0.1') }])).toEqual([]);
    expect(resolved([])).toEqual([]);
  });

  it('has the key of the template that it would be made of', () => {
    const { dynamic } = make([
      template('a', ['10.1.0.0/16', 'fd00::/8'], { password: 'one' }),
      template('b', ['10.1.0.0/16', '10.2.0.0/16'], { password: 'two' }),
    ]);
    expect([...dynamic.keys()]).toEqual([
      ['10.1.0.0/16', 'one'],
      ['fd00::/8', 'one'],
      ['10.2.0.0/16', 'two'],
    ]);
  });

  it('never makes more peers than the limit, whoever comes and goes', () => {
    const step = fc.record({ host: fc.nat(20), vacant: fc.boolean(), wait: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
        const { clock, connect, members } = make([template('racks', [], limited(limit))]);
        for (const { host, vacant, wait } of steps) {
          const known = members.get(`Dynamic_10_1_0_${host}`);
          if (known === undefined) connect(`10.1.0.${host}`);
          else known.isVacant = vacant;
          if (wait) clock.advance(5000);
          expect(members.size).toBeLessThanOrEqual(limit);
        }
        for (const member of members.values()) member.isVacant = true;
        clock.advance(15_000);
        expect(members.size).toBe(0);
      }),
    );
  });
});

describe('a peer that has come by itself', () => {
  const gone = {
    connected: false,
    state: 'Active',
    received: 0,
    heldDown: false,
    shutdown: undefined,
  } as const;

  it.each([
    ['when it only waits', {}, true],
    ['while it is connected', { connected: true }, false],
    ['while its routes are kept for a restart', { received: 1 }, false],
    ['while it is idle for an error or a limit of prefixes', { state: 'Idle' }, false],
    ['while an operator has it down', { state: 'Idle', heldDown: true }, false],
    ['when its template is shut down', { state: 'Idle', shutdown: 'maintenance' }, true],
  ] as const)('%s: %j', (_, change, left) => {
    expect(hasLeft({ ...gone, ...change })).toBe(left);
  });
});
