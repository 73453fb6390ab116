import { describe, expect, it } from 'vitest';
import { compileRules } from '../../../src/calc/rule-compiler.ts';
import type { Rule } from '../../../src/model/rule.ts';

const context = { policy: 'default/NetworkPolicy/n1/p', direction: 'ingress', namespace: 'n1' } as const;

function compileOne(rule: Rule) {
  const { rules, sets, problems } = compileRules([rule], context);
  expect(problems).toEqual([]);
  expect(rules).toHaveLength(1);
  return { rule: rules[0]!, sets };
}

const anything = {
  nets: [],
  notNets: [],
  sets: [],
  notSets: [],
  ports: [],
  namedPortSets: [],
  notPorts: [],
  notNamedPortSets: [],
};

describe('compileRules', () => {
  it('gives every rule an id by its place, and translates the plain fields', () => {
    const { rules } = compileRules(
      [
        { action: 'Log' },
        {
          action: 'Deny',
          ipVersion: 4,
          protocol: 'UDP',
          source: { nets: ['10.0.0.1', '10.1.0.0/16'] as never, notPorts: [53] },
          destination: { ports: [80, '1000:2000'], notNets: ['10.2.0.0/16'] as never },
        },
        { action: 'Allow', protocol: 'ICMP', icmp: { type: 8, code: 0 }, notICMP: { type: 3 } },
        { action: 'Pass', notProtocol: 132 },
      ],
      context,
    );
    expect(rules).toEqual([
      { id: `${context.policy}/ingress/0`, action: 'log', source: anything, destination: anything },
      {
        id: `${context.policy}/ingress/1`,
        action: 'deny',
        ipVersion: 4,
        protocol: 17,
        source: { ...anything, nets: ['10.0.0.1/32', '10.1.0.0/16'], notPorts: [{ first: 53, last: 53 }] },
        destination: {
          ...anything,
          notNets: ['10.2.0.0/16'],
          ports: [
            { first: 80, last: 80 },
            { first: 1000, last: 2000 },
          ],
        },
      },
      {
        id: `${context.policy}/ingress/2`,
        action: 'allow',
        protocol: 1,
        icmp: { type: 8, code: 0 },
        notIcmp: { type: 3 },
        source: anything,
        destination: anything,
      },
      {
        id: `${context.policy}/ingress/3`,
        action: 'pass',
        notProtocol: 132,
        source: anything,
        destination: anything,
      },
    ]);
  });

  it('is about the family of its CIDRs, also where it only excludes some', () => {
    const v4 = compileOne({ action: 'Allow', source: { notNets: ['10.0.0.0/8'] as never } });
    const v6 = compileOne({ action: 'Allow', destination: { nets: ['fd00::1'] as never } });
    const both = compileOne({ action: 'Allow', source: { selector: 'all()' } });
    expect([v4, v6, both].map(({ rule }) => rule.ipVersion)).toEqual([4, 6, undefined]);
  });

  it('shares a set between rules that mean the same, however they are written', () => {
    const { sets } = compileRules(
      [
        { action: 'Allow', source: { selector: "a in {'y','x'}" } },
        { action: 'Deny', destination: { selector: '(a in {"x", "y"})' } },
        { action: 'Deny', source: { selector: "a in {'x'}" } },
      ],
      context,
    );
    expect(new Set(sets.map(({ id }) => id)).size).toBe(2);
    expect(sets[0]!.description).toBe('(projectcalico.org/namespace == "n1" && a in {"x", "y"})');
  });

  it('looks named ports up by the protocol of the rule, among what its selector selects', () => {
    const named = { action: 'Allow', destination: { selector: 'has(a)', ports: ['http'] } } as const;
    const tcp = compileOne({ ...named, protocol: 'TCP' });
    const udp = compileOne({ ...named, protocol: 'UDP' });
    expect(tcp.rule.destination.namedPortSets).not.toEqual(udp.rule.destination.namedPortSets);
    expect(tcp.rule.destination.sets).toEqual([]);
    expect(tcp.sets.map(({ kind, port }) => [kind, port])).toEqual([
      ['named-port', { name: 'http', protocol: 6 }],
    ]);
  });

  it('needs the selector beside a port number, which the named ports do not cover', () => {
    const { rule } = compileOne({
      action: 'Allow',
      protocol: 'TCP',
      destination: { selector: 'has(a)', ports: ['http', 8443] },
    });
    expect(rule.destination.sets).toHaveLength(1);
    expect(rule.destination.namedPortSets).toHaveLength(1);
  });

  it('leaves out an Allow or Log rule that it cannot enforce, and denies in place of others', () => {
    const { rules, problems } = compileRules(
      [
        { action: 'Allow', http: { methods: ['GET'] } },
        { action: 'Allow', destination: { selector: 'a =' } },
        { action: 'Deny', destination: { selector: 'a =' } },
        { action: 'Pass', source: { selector: 'a =' } },
        { action: 'Allow', source: { nets: ['10.0.0.1' as never] } },
      ],
      context,
    );
    expect(rules.map(({ id, action }) => [id.slice(-1), action])).toEqual([
      ['2', 'deny'],
      ['3', 'deny'],
      ['4', 'allow'],
    ]);
    expect(rules[0]!.destination).toEqual(anything);
    expect(problems).toHaveLength(4);
    expect(problems[0]).toMatch(/^ingress rule 0 never matches: http: /);
    expect(problems[2]).toMatch(/^ingress rule 2 denies everything instead: /);
  });

  it('means by a service its endpoints at their ports as destination, its endpoints at any port as source', () => {
    const own = { services: { name: 'web' } };
    const other = { services: { name: 'web', namespace: 'n2' } };
    const to = compileOne({ action: 'Allow', destination: own });
    expect(to.rule.destination).toEqual({
      ...anything,
      namedPortSets: ['endpoints and ports of service n1/web'],
    });
    expect(to.sets.map(({ kind, from }) => [kind, from])).toEqual([['named-port', 'slices']]);
    const from = compileOne({
      action: 'Allow',
      protocol: 'TCP',
      source: { ...other, ports: [80] },
    });
    expect(from.rule.source).toEqual({
      ...anything,
      sets: ['endpoints of service n2/web'],
      ports: [{ first: 80, last: 80 }],
    });
    expect(from.sets.map(({ kind, from: origin }) => [kind, origin])).toEqual([['addresses', 'slices']]);
    const { problems } = compileRules([{ action: 'Allow', destination: own }], {
      ...context,
      namespace: undefined,
    });
    expect(problems).toEqual([expect.stringMatching(/^ingress rule 0 never matches: services: .*namespace/)]);
  });
});
