/** The format `margay-conformance/v1`. */
import * as z from 'zod';
import type { Fault } from '../model/fault-report.ts';
import * as field from '../model/fields.ts';
import { once } from '../model/kinds/definition.ts';
import type { Suite } from './conformance-suite.ts';
import { type IcmpProtocol, echoRequest, icmpFamilies, icmpReplies } from './icmp.ts';
import type { ProbeService } from './probe.ts';

const protocol = () => z.enum(['TCP', 'UDP', 'SCTP']);

export const ownFormat = once(() =>
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

export type OwnFormat = z.output<ReturnType<typeof ownFormat>>;

const podNames = ({ pods }: OwnFormat): string[] => pods.map((pod) => `${pod.namespace}/${pod.name}`);

/** The suite of a document in which {@link ownFaults} finds nothing wrong. */
export function ownSuite(document: OwnFormat): Omit<Suite, 'notes'> {
  const names = podNames(document);
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

/** What a document says that its own other parts contradict. */
export function ownFaults(document: OwnFormat): Fault[] {
  const names = podNames(document);
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
