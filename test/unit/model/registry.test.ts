import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { initialResources } from '../../../src/model/defaults.ts';
import { decodeEntry, validateResource } from '../../../src/model/decode.ts';
import {
  isKnown,
  kindDefinition,
  kindOfDocument,
  kindOfName,
  kindOfPlural,
  kinds,
} from '../../../src/model/registry.ts';

describe('the table of kinds', () => {
  it('gives every name to one kind', () => {
    const names = kinds.flatMap(({ kind, plural, aliases }) => [kind.toLowerCase(), plural, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(names.map((name) => name.toLowerCase()));
  });

  it.each([
    ['np', 'NetworkPolicy'],
    ['networkPolicies', 'NetworkPolicy'],
    ['GNP', 'GlobalNetworkPolicy'],
    ['wep', 'WorkloadEndpoint'],
    ['ipp', 'IPPool'],
    ['pool', 'IPPool'],
    ['bgpp', 'BGPPeer'],
    ['bgpconfig', 'BGPConfiguration'],
    ['no', 'Node'],
    ['pro', 'Profile'],
    ['felixconfig', 'FelixConfiguration'],
    ['clusterinfo', 'ClusterInformation'],
    ['tiers', 'Tier'],
    ['gns', 'GlobalNetworkSet'],
    ['netset', 'NetworkSet'],
    ['ns', 'Namespace'],
    ['hep', 'HostEndpoint'],
    ['ipamconfig', 'IPAMConfiguration'],
    ['sknp', 'StagedKubernetesNetworkPolicy'],
    ['cnp', 'KubernetesClusterNetworkPolicy'],
    ['svc', 'KubernetesService'],
    ['endpointslices', 'KubernetesEndpointSlice'],
    ['sa', 'ServiceAccount'],
  ])('knows that %s is %s', (name, kind) => {
    expect(kindOfName(name)?.kind).toBe(kind);
  });

  it('tells the two network policies apart by apiVersion', () => {
    expect(kindOfDocument('projectcalico.org/v3', 'NetworkPolicy')?.kind).toBe('NetworkPolicy');
    expect(kindOfDocument('networking.k8s.io/v1', 'NetworkPolicy')?.kind).toBe('KubernetesNetworkPolicy');
    expect(kindOfDocument('v1', 'NetworkPolicy')).toBeUndefined();
    expect(kindOfPlural('kubernetesnetworkpolicies')?.kind).toBe('KubernetesNetworkPolicy');
    expect(kindDefinition('ConfigMap')).toBeUndefined();
  });

  it('describes every field of every kind', () => {
    const undescribed: string[] = [];
    const visit = (schema: Record<string, unknown>, path: string): void => {
      for (const [name, field] of Object.entries(
        (schema['properties'] ?? {}) as Record<string, Record<string, unknown>>,
      )) {
        if (typeof field['description'] !== 'string') undescribed.push(`${path}.${name}`);
        visit(field, `${path}.${name}`);
      }
      if (schema['items'] !== undefined) visit(schema['items'] as Record<string, unknown>, `${path}[]`);
    };
    for (const { kind, spec, description } of kinds) {
      expect(description).toMatch(/\.$/);
      visit(z.toJSONSchema(spec(), { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' }), kind);
    }
    expect(undescribed).toEqual([]);
  });
});

describe('documents of the older API', () => {
  it.each([
    ['crd.projectcalico.org/v1', 'Tier', 'Tier'],
    ['crd.projectcalico.org/v1', 'IPAMConfig', 'IPAMConfiguration'],
    ['projectcalico.org/v3', 'IPAMConfig', 'IPAMConfiguration'],
    ['v1', 'Node', 'KubernetesNode'],
    ['projectcalico.org/v3', 'Node', 'Node'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy', 'KubernetesClusterNetworkPolicy'],
  ])('of %s %s are of kind %s', (apiVersion, document, kind) => {
    expect(kindOfDocument(apiVersion, document)?.kind).toBe(kind);
  });

  it('become resources of the current one', () => {
    const { resource } = decodeEntry({
      apiVersion: 'crd.projectcalico.org/v1',
      kind: 'IPAMConfig',
      metadata: { name: 'default' },
      spec: { strictAffinity: true },
    });
    expect(resource).toMatchObject({ apiVersion: 'projectcalico.org/v3', kind: 'IPAMConfiguration' });
    const policy = { apiVersion: 'crd.projectcalico.org/v1', kind: 'NetworkPolicy', metadata: { name: 'p' } };
    expect(kindOfDocument(policy.apiVersion, policy.kind)?.kind).toBe('NetworkPolicy');
  });
});

describe('the resources of a first start', () => {
  const resources = initialResources({ clusterGUID: 'a'.repeat(32), version: 'v1', clusterType: 'bgp' });

  it('are valid as they are', () => {
    for (const resource of resources) {
      expect(isKnown(resource)).toBe(true);
      expect(validateResource(resource)).toEqual(resource);
    }
  });

  it('are the tiers, the profile that allows everything, and a cluster that is ready', () => {
    expect(resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Tier default',
      'Tier kube-admin',
      'Tier kube-baseline',
      'Profile projectcalico-default-allow',
      'ClusterInformation default',
    ]);
    expect(resources[0]?.spec).toEqual({ order: 1_000_000, defaultAction: 'Deny' });
    expect(resources.at(-1)?.spec).toMatchObject({ datastoreReady: true, clusterGUID: 'a'.repeat(32) });
  });
});
