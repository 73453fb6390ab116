/** Policies that have no say about an endpoint, and why not. */
import type { Direction, LocalEndpoint } from '../calc/output.ts';
import { definePolicy, type PolicyDefinition } from '../calc/policy-definition.ts';
import { convertNetworkPolicy } from '../model/convert/network-policy.ts';
import type { KnownResource } from '../model/registry.ts';
import { SelectorError } from '../model/selector/tokenizer.ts';

export interface Bystander {
  /** `tier/kind/namespace/name`. */
  readonly policy: string;
  readonly workload: string;
  readonly direction: Direction;
  readonly reason: string;
}

/** Every policy that is not walked for the endpoint in the direction. */
export function bystanders(
  resources: readonly KnownResource[],
  endpoint: LocalEndpoint,
  direction: Direction,
): Bystander[] {
  const walked = new Set(endpoint.tiers.flatMap((tier) => tier[direction]));
  const applying = new Set(endpoint.tiers.flatMap(({ ingress, egress }) => [...ingress, ...egress]));
  const namespace = endpoint.key.slice(0, endpoint.key.indexOf('/'));
  return resources.flatMap((resource) => {
    const definition = definitionOf(resource);
    if (definition === undefined || walked.has(definition.id)) return [];
    const { id, selector } = definition;
    const reason =
      applying.has(id) || !definition[direction]
        ? `its types do not include ${direction === 'ingress' ? 'Ingress' : 'Egress'}`
        : definition.namespace !== '' && definition.namespace !== namespace
          ? `it is of namespace ${definition.namespace}, the workload of ${namespace}`
          : `its selector does not select the workload: ${selector}`;
    return [{ policy: id, workload: endpoint.workload, direction, reason }];
  });
}

/** What a resource says as a policy; undefined if it is none, or none for workloads. */
export function definitionOf(resource: KnownResource): PolicyDefinition | undefined {
  try {
    if (resource.kind === 'KubernetesNetworkPolicy') {
      return definePolicy({ ...resource, spec: convertNetworkPolicy(resource).spec });
    }
    const isPolicy = resource.kind === 'NetworkPolicy' || resource.kind === 'GlobalNetworkPolicy';
    return isPolicy ? definePolicy(resource) : undefined;
  } catch (error) {
    // Reported by the calculation as a problem of the resource.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
