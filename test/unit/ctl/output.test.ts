import { describe, expect, it } from 'vitest';
import { formatNodeStatus } from '../../../src/ctl/node-status.ts';
import { boxedTable, displayWidth, plainTable } from '../../../src/ctl/table.ts';
import type { AgentStatus } from '../../../src/model/agent-status.ts';
import { address } from '../../../src/net/address.ts';

const STATUS: AgentStatus = {
  node: 'node-a',
  version: '1.2.3',
  pid: 42,
  startedAt: '2026-11-21T08:00:00.000Z',
  datastore: { type: 'etcdv3', inSync: true, revision: 77, invalid: [], problems: [] },
  dataplane: {
    revisionInForce: 77,
    endpoints: 2,
    policies: 3,
    ownsTable: true,
    repairs: 0,
    retries: 0,
    problems: [],
  },
  bgp: {
    state: 'running',
    peers: [
      {
        name: 'Mesh_10_0_0_2',
        address: address('10.0.0.2'),
        port: 179,
        asNumber: 64512,
        type: 'node-to-node mesh',
        state: 'Established',
        since: '2026-11-21T08:00:05.000Z',
        families: [4],
        received: 3,
        stale: 0,
        advertised: 1,
        info: '',
      },
      {
        name: 'Global_fd00__9',
        address: address('fd00::9'),
        port: 179,
        asNumber: 65000,
        type: 'global',
        state: 'Active',
        since: '2026-11-20T08:00:05.000Z',
        families: [6],
        received: 0,
        stale: 0,
        advertised: 0,
        info: 'sent NOTIFICATION: OPEN Message Error/Bad Peer AS',
      },
    ],
  },
};

describe('tables', () => {
  it('pads plain columns with three spaces', () => {
    expect(plainTable(['NAME', 'X'], [['a-long-name', '1']])).toBe(
      'NAME          X    \na-long-name   1    \n\n',
    );
  });

  it('aligns wide characters by the cells they fill', () => {
    expect(displayWidth('网络')).toBe(4);
    expect(displayWidth('é')).toBe(1);
    expect(boxedTable(['N'], [['网络'], ['abcd']])).toBe(
      '+------+\n| N    |\n+------+\n| 网络 |\n| abcd |\n+------+\n',
    );
  });
});

describe('node status', () => {
  it('says which resources were refused, and which are in force otherwise than written', () => {
    const problem = 'ingress rule 0 never matches: http: the kernel cannot match HTTP requests';
    const datastore = {
      ...STATUS.datastore,
      invalid: [{ resource: 'IPPool/a', error: 'not a CIDR' }],
      problems: [{ resource: 'NetworkPolicy/shop/web', problem }],
    };
    expect(formatNodeStatus({ ...STATUS, datastore }, 0)).toContain(
      `Invalid: IPPool/a: not a CIDR\nNot as written: NetworkPolicy/shop/web: ${problem}\n`,
    );
  });

  const text = formatNodeStatus(STATUS, Date.parse('2026-11-21T09:00:00.000Z'));

  it('has a table of peers for each family as calicoctl prints it', () => {
    expect(text).toContain('IPv4 BGP status\n+--------------+-------------------+-------+');
    expect(text).toContain('| 10.0.0.2     | node-to-node mesh | up    |');
    expect(text).toContain('| fd00::9      | global    | start | 2026-11-20 |');
  });

  it('names the template of a dynamic peer, and says how many there may be of it', () => {
    const [mesh] = STATUS.bgp.peers;
    const range = { template: 'racks', prefixes: ['10.1.0.0/24', 'fd00:1::/64'], limit: 50, peers: 1 };
    const bgp = {
      ...STATUS.bgp,
      peers: [{ ...mesh!, type: 'dynamic' as const, template: 'racks' }],
      dynamic: [{ ...range, refused: 7 }],
    };
    const lines = formatNodeStatus({ ...STATUS, bgp }, 0);
    expect(lines).toContain('| 10.0.0.2     | dynamic (racks) | up ');
    expect(lines).toContain(
      'Dynamic peers of racks (10.1.0.0/24, fd00:1::/64): 1 of 50; 7 connections refused for the limit\n',
    );
    expect(
      formatNodeStatus({ ...STATUS, bgp: { ...bgp, dynamic: [{ ...range, refused: 0 }] } }, 0),
    ).toContain('Dynamic peers of racks (10.1.0.0/24, fd00:1::/64): 1 of 50\n');
  });

  it('says why a session is not up', () => {
    expect(text).toContain('Bad Peer AS');
  });

  it('says what is in force', () => {
    expect(text).toContain('revision 77 in force');
    expect(text).toContain('protected by the kernel');
  });
});
