/**
 * CustomResourceDefinitions (apiextensions.k8s.io/v1) of Calico's kinds, from the same definitions that validate them
 * here. `deploy/crds/` holds what this gives, a file for each; a test keeps them in step.
 */
import { stringify } from 'yaml';
import { documentSchema, structuralSchema } from './json-schema.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { kinds } from './registry.ts';

/** The API group of Calico's kinds and its version. */
const group = 'projectcalico.org';
const version = 'v3';

export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The definitions, in alphabetical order of their kinds. Kinds of Kubernetes itself have none. */
export function crds(): CustomResourceDefinition[] {
  return kinds.filter(({ apiVersion }) => apiVersion === `${group}/${version}`).map(crdOf);
}

function crdOf(definition: KindDefinition): CustomResourceDefinition {
  const { kind, plural, aliases, namespaced } = definition;
  const singular = kind.toLowerCase();
  const shortNames = aliases.filter((alias) => alias !== singular && alias !== plural);
  const { properties, ...schema } = structuralSchema(documentSchema(definition)) as {
    readonly properties: Readonly<Record<string, object>>;
    readonly required: readonly string[];
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        ...(shortNames.length === 0 ? {} : { shortNames }),
      },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(definition.status === undefined ? {} : { subresources: { status: {} } }),
          schema: {
            openAPIV3Schema: {
              ...schema,
              required: schema.required.filter((name) => name === 'spec'),
              // Kubernetes itself describes and checks these three.
              properties: {
                ...properties,
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
              },
            },
          },
        },
      ],
    },
  };
}

/** A definition as the YAML of its file in `deploy/crds/`. */
export function crdText(definition: CustomResourceDefinition): string {
  return stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true });
}

/** The name of that file. */
export function crdFileName({ metadata }: CustomResourceDefinition): string {
  const [plural] = metadata.name.split('.');
  return `${group}_${plural}.yaml`;
}

/** All definitions as one YAML text: what `crds` prints, for `kubectl apply -f -`. */
export function crdsText(): string {
  return crds()
    .map((definition) => `---\n${crdText(definition)}`)
    .join('');
}
