import type { KnownResource } from '../src/model/registry.ts';
import { parseResources } from '../src/model/yaml.ts';

/** Resources out of YAML; throws if one has a fault. */
export function resourcesOf(yaml: string): KnownResource[] {
  return parseResources(yaml).map(({ resource, problems }) => {
    if (resource === undefined) throw new Error(JSON.stringify(problems));
    return resource;
  });
}
