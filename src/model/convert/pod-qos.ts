/** The limits that a pod's annotations set, as Calico reads them (libcalico-go `workload_endpoint_default.go`). */
import { isDscp } from '../dscp.ts';
import type { Finding } from '../kinds/definition.ts';
import type { WorkloadEndpoint } from '../kinds/workload-endpoint.ts';
import { parseQuantity } from './quantity.ts';

type QosControls = NonNullable<WorkloadEndpoint['spec']['qosControls']>;

/** Limits of one direction: the end of the annotation, and what it may be. */
const limits = [
  { name: 'Bandwidth', least: 1e3, most: 1e15 },
  { name: 'Burst', least: 1e3, most: 34_359_738_360 },
  { name: 'Peakrate', least: 1010, most: 1.01e15 },
  { name: 'Minburst', least: 1e3, most: 1e8 },
  { name: 'PacketRate', least: 1, most: 1e4 },
  { name: 'PacketBurst', least: 1, most: 1e4 },
  { name: 'MaxConnections', least: 1, most: 4_294_967_295 },
] as const;

type LimitName = (typeof limits)[number]['name'];

/** Bits that may exceed the bandwidth at once, where only the bandwidth is stated: 4Gi. */
const defaultBurst = 2 ** 32;
const defaultPacketBurst = 5;

const annotationPrefix = 'qos.projectcalico.org/';
const annotationPath = (annotation: string): Finding['path'] => ['metadata', 'annotations', annotation];

/** The controls; absent when nothing is limited. A value out of range counts as the nearest in range, and is told. */
export function qosControls(
  annotations: Readonly<Record<string, string>>,
  report: (finding: Finding) => void,
): QosControls | undefined {
  const controls: Record<string, number | string> = {};
  for (const direction of ['ingress', 'egress'] as const) {
    const values = readLimits(annotations, direction, report);
    for (const [name, value] of Object.entries(values)) controls[direction + name] = value;
  }
  const dscp = annotations[`${annotationPrefix}dscp`];
  if (dscp !== undefined) {
    const value = /^[0-9]+$/.test(dscp) ? Number(dscp) : dscp;
    if (isDscp(value)) controls['dscp'] = value;
    else {
      report({
        path: annotationPath(`${annotationPrefix}dscp`),
        message: 'not a DSCP value',
        allowed: '0 to 63, or a name such as EF or AF41',
      });
    }
  }
  return Object.keys(controls).length === 0 ? undefined : (controls as QosControls);
}

function readLimits(
  annotations: Readonly<Record<string, string>>,
  direction: 'ingress' | 'egress',
  report: (finding: Finding) => void,
): Partial<Record<LimitName, number>> {
  const values: Partial<Record<LimitName, number>> = {};
  for (const { name, least, most } of limits) {
    const own = `${annotationPrefix}${direction}${name}`;
    // Kubernetes' own annotation, which Calico's overrides.
    const foreign = `kubernetes.io/${direction}-bandwidth`;
    const annotation = name === 'Bandwidth' && annotations[own] === undefined ? foreign : own;
    const text = annotations[annotation];
    if (text === undefined) continue;
    const value = parseQuantity(text);
    const path = annotationPath(annotation);
    if (value === undefined) {
      report({
        path,
        message: 'not a quantity',
        allowed: 'a number with an optional suffix such as k, M, G or Gi',
      });
    } else {
      if (value < least || value > most)
        report({ path, message: 'out of range', allowed: `${least} to ${most}` });
      values[name] = Math.min(Math.max(value, least), most);
    }
  }
  const drop = (name: LimitName, message: string): void => {
    report({ path: annotationPath(`${annotationPrefix}${direction}${name}`), message });
    delete values[name];
  };
  if (values.Burst !== undefined && values.Bandwidth === undefined)
    drop('Burst', 'a burst needs a bandwidth');
  if (values.Peakrate !== undefined && (values.Bandwidth ?? Infinity) >= values.Peakrate) {
    drop('Peakrate', 'must be greater than the bandwidth');
  }
  if (values.Minburst !== undefined && values.Peakrate === undefined) {
    drop('Minburst', 'a least burst needs a peak rate');
  }
  if (values.PacketBurst !== undefined && values.PacketRate === undefined) {
    drop('PacketBurst', 'a packet burst needs a packet rate');
  }
  if (values.Bandwidth !== undefined) values.Burst ??= defaultBurst;
  if (values.PacketRate !== undefined) values.PacketBurst ??= defaultPacketBurst;
  return values;
}
