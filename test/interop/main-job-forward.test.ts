import { expect, it } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import { probe } from '../../src/lab/probe.ts';
import type { Family } from '../../src/net/address.ts';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { type LogLine, logOf, nft } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
namespaces: { x: {} }
workloads:
  x/a: { host: n1, ports: [{ port: 80 }] }
  x/b: { host: n2, ports: [{ port: 80 }] }
`;

/** Tables of others whose forward chain drops what it does not know; Docker makes the first two. */
const FIREWALLS = [
  {
    name: "Docker's tables",
    ruleset:
      'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }; chain DOCKER-USER { return; }; }; ' +
      'table ip6 filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }',
    chains: ['ip filter FORWARD', 'ip6 filter FORWARD'],
  },
  {
    name: 'a table made by hand',
    ruleset:
      'table inet firewall { chain forward-in { type filter hook forward priority 5; policy drop; ct state established accept; }; }',
    chains: ['inet firewall forward-in'],
  },
] as const;

/** Verdicts of new connections from a to b and back, in both families. */
async function verdicts(lab: Lab): Promise<string[]> {
  const ways: { from: string; to: string; family: Family }[] = [
    { from: 'x/a', to: 'x/b', family: 4 },
    { from: 'x/b', to: 'x/a', family: 4 },
    { from: 'x/a', to: 'x/b', family: 6 },
    { from: 'x/b', to: 'x/a', family: 6 },
  ];
  return Promise.all(
    ways.map(async ({ from, to, family }) => {
      const { namespace } = lab.endpoint(from);
      const target = { namespace, address: lab.address(to, family), port: 80, protocol: 'TCP' } as const;
      return (await probe(target)).verdict;
    }),
  );
}

function warnings(lab: Lab): LogLine[] {
  return logOf(lab, 'n1').filter(({ msg }) => msg.startsWith('a table of someone else'));
}

const ALL_OPEN = Array.from({ length: 4 }, () => 'OPEN');
const ALL_SILENT = Array.from({ length: 4 }, () => 'TIMEOUT');

describeKernel('a firewall of someone else that drops forwarded packets', () => {
  const bench = useLabs();

  it.each(FIREWALLS)('is named when the agent starts, with the fix that works: $name', async (firewall) => {
    const lab = await bench.up(TOPOLOGY);
    const { namespace } = lab.endpoint('n1');
    expect(await verdicts(lab)).toEqual(ALL_OPEN);
    expect(warnings(lab)).toEqual([]);
    await lab.stopAgent('n1', 'SIGTERM');
    await nft(namespace, firewall.ruleset);
    expect(await verdicts(lab)).toEqual(ALL_SILENT);
    await lab.startAgent('n1');

    const told = warnings(lab);
    expect(told.map(({ chain }) => chain)).toEqual(firewall.chains);
    // Margay leaves what is not its own alone.
    expect(await verdicts(lab)).toEqual(ALL_SILENT);
    for (const { fix } of told) await runChecked('/bin/sh', ['-c', fix as string], { namespace });
    expect(await verdicts(lab)).toEqual(ALL_OPEN);
  });

  it('is not complained about when it lets packets pass', async () => {
    const lab = await bench.up(TOPOLOGY);
    const { namespace } = lab.endpoint('n1');
    await lab.stopAgent('n1', 'SIGTERM');
    await nft(
      namespace,
      'table inet firewall { chain f { type filter hook forward priority 0; policy accept; }; }',
    );
    await nft(
      namespace,
      'table inet firewall { chain i { type filter hook input priority 0; policy drop; meta l4proto tcp accept; }; }',
    );
    await lab.startAgent('n1');
    expect(warnings(lab)).toEqual([]);
  });
});
