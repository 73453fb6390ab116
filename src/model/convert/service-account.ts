/** Kubernetes service accounts as Calico stores them: the Profile `ksa.NAMESPACE.NAME`, whose labels pods inherit. */
import type { Profile } from '../kinds/profile.ts';
import type { ServiceAccount } from '../kinds/service-account.ts';
import { nameLabel, serviceAccountLabelPrefix, serviceAccountProfilePrefix } from '../labels.ts';

/** The name of a service account's profile. */
export function serviceAccountProfileName(namespace: string, name: string): string {
  return `${serviceAccountProfilePrefix}${namespace}.${name}`;
}

/** The profile of a service account: no rules, only its labels. */
export function serviceAccountProfile({ metadata }: ServiceAccount): Profile {
  const { name, namespace = '', labels, annotations, resourceVersion } = metadata;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: {
      name: serviceAccountProfileName(namespace, name),
      ...(annotations === undefined ? {} : { annotations }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {
      labelsToApply: Object.fromEntries(
        Object.entries({ ...labels, [nameLabel]: name }).map(([label, value]) => [
          serviceAccountLabelPrefix + label,
          value,
        ]),
      ),
    },
  };
}

/** The service account that a profile stands for; undefined if it stands for none. */
export function profileServiceAccount(profile: Profile): ServiceAccount | undefined {
  const { name: profileName, ...metadata } = profile.metadata;
  // Names of namespaces have no dots, those of service accounts may.
  const parts = /^ksa\.([^.]+)\.(.+)$/.exec(profileName);
  if (parts === null) return undefined;
  const labels = Object.entries(profile.spec.labelsToApply ?? {})
    .filter(([label]) => label.startsWith(serviceAccountLabelPrefix))
    .map(([label, value]) => [label.slice(serviceAccountLabelPrefix.length), value] as const)
    .filter(([label]) => label !== nameLabel);
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { ...metadata, name: parts[2]!, namespace: parts[1]!, labels: Object.fromEntries(labels) },
    spec: {},
  };
}
