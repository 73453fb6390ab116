/** Kubernetes namespaces as Calico stores them: the Profile `kns.NAME`, from which endpoints inherit labels. */
import type { Namespace } from '../kinds/namespace.ts';
import type { Profile } from '../kinds/profile.ts';
import { nameLabel, namespaceLabelPrefix, namespaceProfilePrefix } from '../labels.ts';

/** Kubernetes labels every namespace with its name. */
const kubernetesNameLabel = 'kubernetes.io/metadata.name';

/** The profile of a namespace: allows everything, and gives endpoints the namespace's labels. */
export function namespaceProfile(namespace: Namespace): Profile {
  const { name, labels, annotations } = namespace.metadata;
  const all = { ...labels, [kubernetesNameLabel]: name, [nameLabel]: name };
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Profile',
    metadata: {
      name: namespaceProfilePrefix + name,
      ...(annotations === undefined ? {} : { annotations }),
      ...(namespace.metadata.resourceVersion === undefined
        ? {}
        : { resourceVersion: namespace.metadata.resourceVersion }),
    },
    spec: {
      ingress: [{ action: 'Allow' }],
      egress: [{ action: 'Allow' }],
      labelsToApply: Object.fromEntries(
        Object.entries(all).map(([label, value]) => [namespaceLabelPrefix + label, value]),
      ),
    },
  };
}

/** The namespace that a profile stands for; undefined if it stands for none. */
export function profileNamespace(profile: Profile): Namespace | undefined {
  const { name: profileName, ...metadata } = profile.metadata;
  if (!profileName.startsWith(namespaceProfilePrefix)) return undefined;
  const labels = Object.entries(profile.spec.labelsToApply ?? {})
    .filter(([label]) => label.startsWith(namespaceLabelPrefix))
    .map(([label, value]) => [label.slice(namespaceLabelPrefix.length), value] as const)
    .filter(([label]) => label !== nameLabel);
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      ...metadata,
      name: profileName.slice(namespaceProfilePrefix.length),
      labels: Object.fromEntries(labels),
    },
    spec: {},
  };
}
