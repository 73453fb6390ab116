import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseTopology } from '../../../src/lab/topology-file.ts';
import { ValidationError } from '../../../src/model/problem.ts';

const MINIMAL = `name: one
segments:
  wire: { subnets: [172.16.0.0/24] }
hosts:
  n1: { segments: [wire] }
`;

function faults(text: string): string[] {
  try {
    parseTopology(text, 'lab.yaml');
  } catch (error) {
    if (error instanceof ValidationError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('reading a topology', () => {
  it('reads the example, with defaults', () => {
    const file = new URL('../../../examples/three-hosts.yaml', import.meta.url);
    const topology = parseTopology(readFileSync(file, 'utf8'), 'three-hosts.yaml');
    expect(Object.keys(topology.hosts)).toEqual(['n1', 'n2', 'n3']);
    expect(topology.routers['tor']).toMatchObject({ software: 'bird', sessions: 'per-family' });
    expect(topology.workloads['shop/frontend']).toMatchObject({ serviceAccount: 'default', host: 'n1' });
  });

  it('takes a topology of one host and gives it BGP and the embedded datastore', () => {
    expect(parseTopology(MINIMAL)).toMatchObject({ bgp: true, asNumber: 64512, datastore: 'directory' });
  });

  it('names file, line and column of a field that does not exist, and the one that was meant', () => {
    expect(faults(`${MINIMAL}pool: []\n`)[0]).toMatch(/^lab\.yaml:6:1: pool: unknown field.*"pools"/);
  });

  it('names file, line and column of a value that is wrong', () => {
    expect(faults(MINIMAL.replace('172.16.0.0/24', '172.16.0.1/24'))[0]).toMatch(
      /^lab\.yaml:3:21: segments\.wire\.subnets\[0\]: CIDR has bits set/,
    );
  });

  it('names the place of broken YAML', () => {
    expect(faults('name: [\n')[0]).toMatch(/^lab\.yaml:\d+:\d+: /);
    expect(faults('name: a\nname: b\n')[0]).toMatch(/^lab\.yaml:2:1: /);
  });

  it.each([
    [
      'a segment that does not exist',
      'segments: [wire] }',
      'segments: [wires] }',
      /5:20: hosts\.n1\.segments\[0\]: no segment wires/,
    ],
    [
      'a name that two machines share',
      'hosts:\n  n1',
      'hosts:\n  wire',
      /5:3: hosts\.wire: the name wire is taken/,
    ],
    [
      'a name too long for an interface',
      'n1:',
      'a-very-long-name:',
      /not a name of a machine; allowed: 1 to 12/,
    ],
    [
      'an address outside its segment',
      'segments: [wire] }',
      'segments: [wire], addresses: { wire: [10.0.0.1] } }',
      /outside the segment; allowed: 172\.16\.0\.0\/24/,
    ],
    [
      'a gateway that does not exist',
      'segments: [wire] }',
      'segments: [wire], gateway: r1 }',
      /no router r1/,
    ],
    [
      'two subnets of one family',
      '[172.16.0.0/24]',
      '[172.16.0.0/24, 172.17.0.0/24]',
      /two subnets of one family/,
    ],
  ])('refuses %s', (_what, from, to, expected) => {
    expect(faults(MINIMAL.replace(from, to)).join('\n')).toMatch(expected);
  });

  it.each([
    [
      'a pool that overlaps a segment',
      'pools: [{ cidr: 172.16.0.0/16 }]',
      /pools\[0\]\.cidr: overlaps 172\.16\.0\.0\/24/,
    ],
    ['a pool without a block for each host', 'pools: [{ cidr: 10.0.0.0/27 }]', /has no block of \/26/],
    ['a workload without a namespace', 'workloads: { shop/web: { host: n1 } }', /no namespace shop/],
    [
      'a workload on a host that does not exist',
      'namespaces: { shop: {} }\nworkloads: { shop/web: { host: n9 } }',
      /7:32: workloads\["shop\/web"\]\.host: no host n9/,
    ],
    [
      'an address outside the pools',
      'pools: [{ cidr: 10.0.0.0/16 }]\nnamespaces: { shop: {} }\nworkloads: { shop/web: { host: n1, ips: [10.9.0.1] } }',
      /outside the pools/,
    ],
    [
      'a workload whose network namespace would be another’s',
      'namespaces: { a: {}, a-b: {} }\nworkloads: { a/b-c: { host: n1 }, a-b/c: { host: n1 } }',
      /the name a-b-c is taken/,
    ],
    [
      'a router of ours that announces more than a block',
      'routers: { r1: { software: margay, asNumber: 1, segments: [wire], advertise: [10.0.0.0/8] } }',
      /our agent announces blocks/,
    ],
  ])('refuses %s', (_what, more, expected) => {
    expect(faults(`${MINIMAL}${more}\n`).join('\n')).toMatch(expected);
  });
});
