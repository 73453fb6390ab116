/** What is stored for the kinds of Kubernetes that are never stored themselves (design D19). */
import { ValidationError } from '../problem.ts';
import type { Namespace } from '../kinds/namespace.ts';
import type { KubernetesNode } from '../kinds/kubernetes-node.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ServiceAccount } from '../kinds/service-account.ts';
import type { Resource } from '../resource.ts';
import { convertNode } from './kubernetes-node.ts';
import { namespaceProfile } from './namespace.ts';
import { convertPod } from './pod.ts';
import { serviceAccountProfile } from './service-account.ts';

/**
 * What is stored for a resource: the Profile of a Namespace or ServiceAccount, the WorkloadEndpoint of a Pod, Calico's
 * Node of a Kubernetes Node, every other resource itself. Throws {@link ValidationError} for a Pod without endpoint.
 */
export function storedForm(resource: Resource): Resource {
  switch (resource.kind) {
    case 'Namespace':
      return namespaceProfile(resource as Namespace);
    case 'ServiceAccount':
      return serviceAccountProfile(resource as ServiceAccount);
    case 'KubernetesNode':
      return convertNode(resource as KubernetesNode).node;
    case 'Pod': {
      const { endpoint, faults } = convertPod(resource as Pod);
      if (endpoint === undefined) throw new ValidationError(faults);
      return endpoint;
    }
    default:
      return resource;
  }
}
