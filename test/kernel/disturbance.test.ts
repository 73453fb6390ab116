/** What only a dataplane in our own hands can be told: a rule that the kernel refuses, and very much at once. */
import { expect, it } from 'vitest';
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import { keyOf } from '../../src/model/resource.ts';
import { localPods, remotePods, thisNode } from '../fuzz/policy-places.ts';
import { decodeDocuments, type Document } from '../fuzz/policy-world.ts';
import { ProbeLab } from '../fuzz/probe-lab.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { address } from '../../src/net/address.ts';
import { describeKernel } from './fixture-namespace.ts';

const document = (kind: Document['kind'], metadata: Document['metadata'], spec: object): Document => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata,
  spec: { ...spec },
});

const pod = (name: string, node: string, nets: readonly string[], labels: Record<string, string>): Document =>
  document(
    'WorkloadEndpoint',
    { name, namespace: 'n1', labels },
    {
      orchestrator: 'k8s',
      node,
      pod: name,
      interfaceName: `cali${name}`,
      ipNetworks: nets,
      profiles: ['open'],
    },
  );

const open = document(
  'Profile',
  { name: 'open' },
  { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
);
const locals = localPods.slice(0, 3).map((place, index) =>
  pod(String(index), thisNode, [`${place[4]}/32`, `${place[6]}/128`], {
    role: index === 0 ? 'broken' : 'sound',
  }),
);
const allowing = (name: string, selector: string, source: object): Document =>
  document(
    'GlobalNetworkPolicy',
    { name },
    {
      selector,
      types: ['Ingress'],
      ingress: [{ action: 'Allow', protocol: 'TCP', source, destination: { ports: [80] } }],
    },
  );

const packet = (from: string, to: string, port: number): Packet => ({
  source: address(from),
  destination: address(to),
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: port,
});

/** Has a calculation's result for documents, all of it. */
function calculate(documents: readonly Document[]): CalcDelta {
  const graph = new CalcGraph({ nodeName: thisNode });
  for (const resource of decodeDocuments(documents)) graph.update(keyOf(resource), resource);
  return graph.flush();
}

describeKernel('a rule that the kernel refuses', () => {
  it('closes the endpoints that its policy selects, is reported, and goes without a trace', async () => {
    const lab = await ProbeLab.open();
    try {
      const whole = calculate([
        open,
        ...locals,
        allowing('broken', "role == 'broken'", { selector: "role == 'sound'" }),
        allowing('sound', "role == 'sound'", {}),
      ]);
      // Prefixes that overlap: no calculation says so, and no interval set takes them.
      const broken = 'default/GlobalNetworkPolicy//broken';
      const id = whole.policies.get(broken)!.ingress[0]!.source.sets[0]!;
      const set = whole.sets.get(id)!;
      const refused = { ...set, added: ['10.0.0.0/8', '10.64.0.0/10', '10.65.0.0/16'] };
      await expect(lab.program({ ...whole, sets: new Map([...whole.sets, [id, refused]]) })).rejects.toThrow(
        /default\/GlobalNetworkPolicy\/\/broken is quarantined, its endpoints are closed/,
      );
      const [closed, sound, other] = localPods;
      const packets = ([4, 6] as const).flatMap((family) => [
        packet(other![family], closed![family], 80),
        packet(other![family], sound![family], 80),
        packet(other![family], sound![family], 81),
      ]);
      const verdicts = [false, true, false, false, true, false];
      expect(await lab.probe(packets, verdicts)).toEqual(verdicts);
      await lab.program({
        ...whole,
        sets: new Map([[id, { ...set, removed: refused.added }]]),
        policies: new Map([[broken, whole.policies.get(broken)!]]),
      });
      const mended = [true, true, false, true, true, false];
      expect(await lab.probe(packets, mended)).toEqual(mended);
    } finally {
      lab.close();
    }
  });
});

describeKernel('10,000 pods at once', () => {
  it('come into force in one transaction, and go in one', async () => {
    const lab = await ProbeLab.open();
    try {
      const graph = new CalcGraph({ nodeName: thisNode });
      const update = (documents: readonly Document[], there: boolean): void => {
        for (const resource of decodeDocuments(documents))
          graph.update(keyOf(resource), there ? resource : undefined);
      };
      const from = document(
        'GlobalNetworkPolicy',
        { name: 'p' },
        {
          selector: "role == 'sound'",
          types: ['Ingress'],
          ingress: [{ action: 'Allow', source: { selector: "role == 'client'" } }],
        },
      );
      update([open, ...locals, from], true);
      await lab.program(graph.flush());
      const clients = Array.from({ length: 10_000 }, (_, index) => {
        const [four, six] =
          index === 0
            ? [remotePods[0]![4], remotePods[0]![6]]
            : [`10.67.${index >> 8}.${index & 255}`, `fd67::${index.toString(16)}`];
        return pod(`c${index}`, 'two', [`${four}/32`, `${six}/128`], { role: 'client' });
      });
      const packets = ([4, 6] as const).map((family) =>
        packet(remotePods[0]![family], localPods[1]![family], 80),
      );
      expect(await lab.probe(packets, [false, false])).toEqual([false, false]);
      for (const there of [true, false]) {
        update(clients, there);
        const delta = graph.flush();
        const before = await lab.generation();
        await lab.program(delta);
        expect((await lab.generation()) - before).toBe(1);
        expect(await lab.probe(packets, [there, there])).toEqual([there, there]);
      }
    } finally {
      lab.close();
    }
  });
});
