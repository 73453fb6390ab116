/** The labels of a pod's WorkloadEndpoint. */
import { namespaceLabel, orchestratorLabel, serviceAccountLabel } from '../labels.ts';

/** A longer name is no label value; Calico leaves the label out then. */
const maximumServiceAccountLength = 62;

/** The pod's own labels, and those that say where it belongs; the latter cannot be overridden by the former. */
export function podLabels(
  namespace: string,
  labels: Readonly<Record<string, string>> = {},
  serviceAccount?: string,
): Record<string, string> {
  return {
    ...labels,
    [namespaceLabel]: namespace,
    [orchestratorLabel]: 'k8s',
    ...(serviceAccount === undefined ||
    serviceAccount === '' ||
    serviceAccount.length > maximumServiceAccountLength
      ? {}
      : { [serviceAccountLabel]: serviceAccount }),
  };
}
