/** The truth tables of Kubernetes' own network-policy tests (test/e2e/network/netpol), one test with its steps each. */
import * as z from 'zod';
import * as field from '../model/fields.ts';
import { once } from '../model/kinds/definition.ts';
import { isPlainObject } from '../model/schema-walk.ts';
import type { LabelChange, ProbeSet, ResourceReference, Suite, SuiteStep } from './conformance-suite.ts';

export const kubernetesFormat = once(() =>
  z.looseObject({
    tests: z.array(
      z.looseObject({
        name: z.string(),
        group: z.string().default('TCP'),
        pods: z.array(z.string()).min(1),
        protocols: z.array(z.enum(['tcp', 'udp', 'sctp'])),
        ports: z.array(field.portNumber()),
        steps: z.array(
          z.strictObject({
            create: z.record(z.string(), z.unknown()).exactOptional(),
            update: z.record(z.string(), z.unknown()).exactOptional(),
            delete: z.record(z.string(), z.unknown()).exactOptional(),
            deleteAllPolicies: z.boolean().exactOptional(),
            addPodLabels: z.tuple([z.string(), field.labelMap()]).exactOptional(),
            addNamespaceLabels: z.tuple([z.string(), field.labelMap()]).exactOptional(),
            check: z
              .looseObject({
                port: field.portNumber(),
                proto: z.enum(['tcp', 'udp', 'sctp']),
                matrix: z.record(z.string(), z.string()),
              })
              .exactOptional(),
          }),
        ),
      }),
    ),
  }),
);

const PROTOCOLS = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

type KubernetesTest = z.output<ReturnType<typeof kubernetesFormat>>['tests'][number];

export function kubernetesSuite(
  { tests }: z.output<ReturnType<typeof kubernetesFormat>>,
  source: string,
): Suite {
  const names = [...new Set(tests.flatMap(({ pods }) => pods))].toSorted();
  const numbers = [...new Set(tests.flatMap(({ ports }) => ports))].toSorted((a, b) => a - b);
  const protocols = [...new Set(tests.flatMap((test) => test.protocols))];
  const ports = numbers.flatMap((port) =>
    protocols.map((name) => ({
      name: `serve-${port}-${name}`,
      port,
      protocol: PROTOCOLS[name],
    })),
  );
  return {
    name: source,
    notes: [],
    // Kubernetes labels each namespace with its name, and the tests rely on nothing else.
    namespaces: Object.fromEntries(names.map((name) => [name.split('/')[0]!, {}])),
    pods: names.map((name) => {
      const [namespace, pod] = name.split('/') as [string, string];
      return { name, namespace, pod, labels: { pod }, serviceAccount: 'default', ports };
    }),
    cases: tests.map((test) => ({
      // Three tests exist once for each protocol, under one name.
      name: test.group === 'TCP' ? test.name : `${test.name} [${test.group}]`,
      steps: kubernetesSteps(test),
    })),
  };
}

/** Each check ends a step; what was changed since the last one is that step's change. */
function kubernetesSteps(test: KubernetesTest): SuiteStep[] {
  const steps: SuiteStep[] = [];
  const created = new Map<string, ResourceReference>();
  const empty = () => ({
    apply: [] as unknown[],
    remove: [] as ResourceReference[],
    labels: [] as LabelChange[],
  });
  let pending = empty();
  for (const step of test.steps) {
    const written = step.create ?? step.update;
    if (written !== undefined) {
      pending.apply.push(written);
      const reference = referenceOf(written);
      created.set(JSON.stringify(reference), reference);
    }
    if (step.delete !== undefined) pending.remove.push(referenceOf(step.delete));
    if (step.deleteAllPolicies === true) pending.remove.push(...created.values());
    for (const [kind, change] of [
      ['Pod', step.addPodLabels],
      ['Namespace', step.addNamespaceLabels],
    ] as const) {
      if (change !== undefined) pending.labels.push({ kind, name: change[0], labels: change[1], add: true });
    }
    if (step.check === undefined) continue;
    steps.push({ ...pending, probes: [probeSet(test, step.check)] });
    pending = empty();
  }
  return steps;
}

function probeSet(
  { pods }: KubernetesTest,
  { port, proto, matrix }: NonNullable<KubernetesTest['steps'][number]['check']>,
): ProbeSet {
  return {
    service: { port, protocol: PROTOCOLS[proto] },
    pods,
    open: new Map(
      Object.entries(matrix).map(([from, row]) => [
        from,
        new Set(pods.filter((_, column) => row[column] === '.')),
      ]),
    ),
  };
}

function referenceOf(document: Readonly<Record<string, unknown>>): ResourceReference {
  const metadata = isPlainObject(document['metadata']) ? document['metadata'] : {};
  const { namespace } = metadata;
  const apiVersion = document['apiVersion'];
  return {
    ...(typeof apiVersion === 'string' ? { apiVersion } : {}),
    kind: String(document['kind']),
    name: String(metadata['name']),
    ...(typeof namespace === 'string' ? { namespace } : {}),
  };
}
