/**
 * Conformance suites, read from two formats into one shape: `margay-conformance/v1`, and the truth tables of
 * Kubernetes' own network-policy tests (test/e2e/network/netpol), one test with its steps each. Pure.
 */
import * as z from 'zod';
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../net/address.ts';
import { maskBytes } from '../net/prefix.ts';
import { type Fault, faultsOf, valueAt } from '../model/fault-report.ts';
import * as field from '../model/fields.ts';
import { once } from '../model/kinds/definition.ts';
import { ValidationError, formatPath } from '../model/problem.ts';
import { type IcmpProtocol, echoRequest, icmpFamilies, icmpReplies } from './icmp.ts';
import type { ProbeService } from './probe.ts';
import type { TopologyPort } from './topology.ts';

export interface Suite {
  readonly name: string;
  /** Labels by namespace. */
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly pods: readonly SuitePod[];
  readonly cases: readonly SuiteCase[];
  /** What of the file was not understood and left out, in words. */
  readonly notes: readonly string[];
}

export interface SuitePod {
  /** `NAMESPACE/POD`. */
  readonly name: string;
  readonly namespace: string;
  readonly pod: string;
  /** From 1; round robin when left out. */
  readonly node?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly TopologyPort[];
  readonly ips?: readonly Address[];
}

export interface SuiteCase {
  readonly name: string;
  /** Why it is not to be judged, if so. */
  readonly skip?: string;
  readonly steps: readonly SuiteStep[];
}

export interface SuiteStep {
  /** Resources as users write them, made or replaced. */
  readonly apply: readonly unknown[];
  readonly remove: readonly ResourceReference[];
  readonly labels: readonly LabelChange[];
  readonly probes: readonly ProbeSet[];
}

/** A resource by what its document says. */
export interface ResourceReference {
  /** Tells two kinds of one name apart, if given. */
  readonly apiVersion?: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** A whole new set of labels; `add` keeps the others. */
export interface LabelChange {
  readonly kind: 'Pod' | 'Namespace';
  /** `NAMESPACE/POD` or the namespace. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly add: boolean;
}

/** Every ordered pair of different `pods` is probed once; what `open` lists must answer, the rest must not. */
export interface ProbeSet {
  readonly service: ProbeService;
  readonly pods: readonly string[];
  readonly open: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Reads a suite from parsed JSON. Throws a {@link ValidationError} that names what is wrong; `file` is what it calls
 * the text.
 */
export function parseSuite(value: unknown, file: string): Suite {
  const format = isObject(value) ? value['format'] : undefined;
  const source = isObject(value) ? value['source'] : undefined;
  if (format === 'margay-conformance/v1') {
    const { known, notes } = withoutRemarks(value);
    return { ...ownSuite(checked(ownFormat(), known, file), file), notes };
  }
  if (typeof source === 'string' && source.startsWith('kubernetes/kubernetes test/e2e/network/netpol')) {
    return kubernetesSuite(checked(kubernetesFormat(), value, file), source);
  }
  throw invalid(file, [
    {
      path: ['format'],
      message: 'unknown format',
      allowed:
        'margay-conformance/v1, or a file whose source is test/e2e/network/netpol of kubernetes/kubernetes',
    },
  ]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, file: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(file, faultsOf(parsed.error.issues, schema, value, []));
}

/**
 * Authors add remarks under names of their own. What is near the name of a field is a mistake and stays, to be refused:
 * a misspelt `probes` must not pass for a case that judges nothing.
 */
function withoutRemarks(value: unknown): { readonly known: unknown; readonly notes: string[] } {
  const schema = ownFormat();
  const parsed = schema.safeParse(value);
  const known: unknown = structuredClone(value);
  const notes: string[] = [];
  for (const { at, path, suggestion } of parsed.error === undefined
    ? []
    : faultsOf(parsed.error.issues, schema, value, [])) {
    const name = path.at(-1);
    const holder = valueAt(known, path.slice(0, -1));
    if (at !== 'key' || suggestion !== undefined || name === undefined || !isObject(holder)) continue;
    delete holder[name];
    notes.push(`${formatPath(path)} is no field of the format and was left out`);
  }
  return { known, notes };
}

function invalid(file: string, faults: readonly Fault[]): ValidationError {
  return new ValidationError(
    faults.map(({ path, message, found, allowed, suggestion }) => ({
      file,
      path,
      message,
      ...(found === undefined ? {} : { found }),
      ...(allowed === undefined ? {} : { allowed }),
      ...(suggestion === undefined ? {} : { suggestion }),
    })),
  );
}

// --- margay-conformance/v1

const protocol = () => z.enum(['TCP', 'UDP', 'SCTP']);

const ownFormat = once(() =>
  z.strictObject({
    format: z.literal('margay-conformance/v1'),
    name: z.string(),
    description: z.string().exactOptional(),
    namespaces: z.record(z.string(), z.strictObject({ labels: field.labelMap().default({}) })),
    pods: z
      .array(
        z.strictObject({
          namespace: z.string(),
          name: z.string(),
          node: z.int().min(1).exactOptional(),
          labels: field.labelMap().default({}),
          serviceAccount: z.string().default('default'),
          ports: z
            .array(
              z.strictObject({
                name: z.string().exactOptional(),
                port: field.portNumber(),
                protocol: protocol().default('TCP'),
              }),
            )
            .default([]),
          ips: z.array(field.anyAddress()).exactOptional(),
        }),
      )
      .min(2),
    cases: z.array(
      z.strictObject({
        name: z.string(),
        description: z.string().exactOptional(),
        skip: z.string().exactOptional(),
        steps: z.array(
          z.strictObject({
            description: z.string().exactOptional(),
            apply: z.array(z.record(z.string(), z.unknown())).default([]),
            delete: z
              .array(
                z.strictObject({
                  apiVersion: z.string().exactOptional(),
                  kind: z.string(),
                  namespace: z.string().exactOptional(),
                  name: z.string(),
                }),
              )
              .default([]),
            labels: z
              .array(
                z.strictObject({
                  kind: z.enum(['Pod', 'Namespace']),
                  namespace: z.string().exactOptional(),
                  name: z.string(),
                  labels: field.labelMap(),
                }),
              )
              .default([]),
            probes: z
              .array(
                z.strictObject({
                  // What has no ports has a type and a code, which are those of an echo request if left out.
                  port: field.portNumber().exactOptional(),
                  protocol: z.enum(['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPv6']).default('TCP'),
                  icmp: z
                    .strictObject({ type: z.int().min(0).max(255), code: z.int().min(0).max(255).default(0) })
                    .exactOptional(),
                  open: z.record(z.string(), z.array(z.string())),
                }),
              )
              .default([]),
          }),
        ),
      }),
    ),
  }),
);

type OwnFormat = z.output<ReturnType<typeof ownFormat>>;

function ownSuite(document: OwnFormat, file: string): Omit<Suite, 'notes'> {
  const names = document.pods.map((pod) => `${pod.namespace}/${pod.name}`);
  const faults = ownFaults(document, names);
  if (faults.length > 0) throw invalid(file, faults);
  return {
    name: document.name,
    namespaces: Object.fromEntries(
      Object.entries(document.namespaces).map(([name, { labels }]) => [name, labels]),
    ),
    pods: document.pods.map(({ name, ports, ...pod }) => ({
      ...pod,
      name: `${pod.namespace}/${name}`,
      pod: name,
      ports,
    })),
    cases: document.cases.map(({ name, skip, steps }) => ({
      name,
      ...(skip === undefined ? {} : { skip }),
      steps: steps.map((step) => ({
        apply: step.apply,
        remove: step.delete,
        labels: step.labels.map((change) => ({
          kind: change.kind,
          name: change.kind === 'Pod' ? `${change.namespace}/${change.name}` : change.name,
          labels: change.labels,
          add: false,
        })),
        probes: step.probes.map((set) => ({
          service: serviceOf(set),
          pods: names,
          open: new Map(Object.entries(set.open).map(([from, to]) => [from, new Set(to)])),
        })),
      })),
    })),
  };
}

type OwnProbes = OwnFormat['cases'][number]['steps'][number]['probes'][number];

function isIcmp(protocol: OwnProbes['protocol']): protocol is IcmpProtocol {
  return protocol === 'ICMP' || protocol === 'ICMPv6';
}

/** What {@link serviceFaults} finds nothing wrong with. */
function serviceOf({ protocol, port, icmp }: OwnProbes): ProbeService {
  if (isIcmp(protocol)) return { protocol, icmp: icmp ?? echoRequest[icmpFamilies[protocol]] };
  return { protocol, port: port! };
}

function serviceFaults({ protocol, port, icmp }: OwnProbes, at: Fault['path']): Fault[] {
  if (!isIcmp(protocol)) {
    return [
      ...(port === undefined ? [{ path: [...at, 'port'], message: `${protocol} needs a port` }] : []),
      ...(icmp === undefined ? [] : [{ path: [...at, 'icmp'], message: `${protocol} has no types` }]),
    ];
  }
  const answered = Object.keys(icmpReplies[icmpFamilies[protocol]]);
  return [
    ...(port === undefined ? [] : [{ path: [...at, 'port'], message: `${protocol} has no ports` }]),
    ...(icmp === undefined || answered.includes(String(icmp.type))
      ? []
      : [
          {
            path: [...at, 'icmp', 'type'],
            message: `a host does not answer ${protocol} of type ${icmp.type}`,
            allowed: answered.join(', '),
          },
        ]),
  ];
}

function ownFaults(document: OwnFormat, names: readonly string[]): Fault[] {
  const faults: Fault[] = [];
  const known = (path: Fault['path'], name: string, all: readonly string[], what: string): void => {
    if (!all.includes(name)) faults.push({ path, message: `no ${what} ${name}`, allowed: all.join(', ') });
  };
  const namespaces = Object.keys(document.namespaces);
  for (const [index, pod] of document.pods.entries()) {
    known(['pods', index, 'namespace'], pod.namespace, namespaces, 'namespace');
    if (names.indexOf(names[index]!) !== index) {
      faults.push({ path: ['pods', index], message: `a second pod ${names[index]}` });
    }
  }
  for (const [caseIndex, { steps }] of document.cases.entries()) {
    for (const [stepIndex, step] of steps.entries()) {
      const at = ['cases', caseIndex, 'steps', stepIndex];
      for (const [index, change] of step.labels.entries()) {
        const path = [...at, 'labels', index, 'name'];
        if (change.kind === 'Namespace') known(path, change.name, namespaces, 'namespace');
        else known(path, `${change.namespace}/${change.name}`, names, 'pod');
      }
      for (const [index, set] of step.probes.entries()) {
        faults.push(...serviceFaults(set, [...at, 'probes', index]));
        const { open } = set;
        for (const [from, to] of Object.entries(open)) {
          const path = [...at, 'probes', index, 'open', from];
          known(path, from, names, 'pod');
          for (const [position, name] of to.entries()) known([...path, position], name, names, 'pod');
        }
      }
    }
  }
  return faults;
}

// --- Kubernetes' network-policy tests

const kubernetesFormat = once(() =>
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

function kubernetesSuite({ tests }: z.output<ReturnType<typeof kubernetesFormat>>, source: string): Suite {
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
  const metadata = isObject(document['metadata']) ? document['metadata'] : {};
  const { namespace } = metadata;
  const apiVersion = document['apiVersion'];
  return {
    ...(typeof apiVersion === 'string' ? { apiVersion } : {}),
    kind: String(document['kind']),
    name: String(metadata['name']),
    ...(typeof namespace === 'string' ? { namespace } : {}),
  };
}

// --- substitution

const PLACEHOLDER = /\$\{(ip|net4):([^}]+)\}(\/(?:32|128))?/g;

/** The pods whose addresses a case names: it means another thing in each family. None if it names no address. */
export function addressedPods({ steps }: SuiteCase): string[] {
  const changes = JSON.stringify(steps.map(({ apply, remove, labels }) => [apply, remove, labels]));
  return [...new Set([...changes.matchAll(PLACEHOLDER)].map(([, , pod]) => pod!))];
}

/**
 * Replaces `${ip:NAMESPACE/POD}` by the pod's address of a family and `${net4:…}` by the prefix of 4 bits around it, in
 * every text of a document. `${ip:…}/32` and `/128` become the host prefix of the family. Throws what `addressOf` throws.
 */
export function substitute<T>(
  document: T,
  family: Family,
  addressOf: (pod: string, family: Family) => Address,
): T {
  const text = JSON.stringify(document).replace(
    PLACEHOLDER,
    (_, kind: string, pod: string, host?: string) => {
      const address = addressOf(pod, family);
      if (kind === 'net4') return `${formatAddress(maskBytes(addressBytes(address), 4))}/4`;
      return host === undefined ? address : `${address}/${familyOf(address) === 4 ? 32 : 128}`;
    },
  );
  return JSON.parse(text) as T;
}
