import { describe, expect, it } from 'vitest';
import { namespaceProfile, profileNamespace } from '../../../../src/model/convert/namespace.ts';
import { storedForm } from '../../../../src/model/convert/stored-form.ts';
import { podLabels } from '../../../../src/model/convert/pod-labels.ts';
import { validateResource } from '../../../../src/model/decode.ts';
import { defaultAllowProfile } from '../../../../src/model/defaults.ts';
import type { Namespace } from '../../../../src/model/kinds/namespace.ts';

const namespace: Namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'x', labels: { team: 'a' }, annotations: { note: 'n' }, resourceVersion: '5' },
  spec: {},
};

describe('a namespace', () => {
  it('is stored as a profile that allows everything and gives its labels to endpoints', () => {
    const profile = namespaceProfile(namespace);
    expect(profile).toEqual({
      apiVersion: 'projectcalico.org/v3',
      kind: 'Profile',
      metadata: { name: 'kns.x', annotations: { note: 'n' }, resourceVersion: '5' },
      spec: {
        ingress: [{ action: 'Allow' }],
        egress: [{ action: 'Allow' }],
        labelsToApply: {
          'pcns.team': 'a',
          'pcns.kubernetes.io/metadata.name': 'x',
          'pcns.projectcalico.org/name': 'x',
        },
      },
    });
    expect(validateResource(profile)).toEqual(profile);
    expect(storedForm(namespace)).toEqual(profile);
    expect(storedForm(profile)).toBe(profile);
  });

  it('cannot lie about its name', () => {
    const liar = { ...namespace, metadata: { name: 'x', labels: { 'kubernetes.io/metadata.name': 'y' } } };
    expect(namespaceProfile(liar).spec.labelsToApply?.['pcns.kubernetes.io/metadata.name']).toBe('x');
  });

  it('is read back from its profile', () => {
    expect(profileNamespace(namespaceProfile(namespace))).toEqual({
      ...namespace,
      metadata: {
        ...namespace.metadata,
        labels: { team: 'a', 'kubernetes.io/metadata.name': 'x' },
      },
    });
    expect(profileNamespace(defaultAllowProfile)).toBeUndefined();
  });
});

describe("a pod's labels", () => {
  it('say where the pod belongs, whatever the pod itself says', () => {
    expect(podLabels('x', { a: 'b', 'projectcalico.org/namespace': 'y' }, 'default')).toEqual({
      a: 'b',
      'projectcalico.org/namespace': 'x',
      'projectcalico.org/orchestrator': 'k8s',
      'projectcalico.org/serviceaccount': 'default',
    });
  });

  it('leave out the service account when there is none, or its name is no label value', () => {
    expect(podLabels('x')).not.toHaveProperty(['projectcalico.org/serviceaccount']);
    expect(podLabels('x', {}, '')).not.toHaveProperty(['projectcalico.org/serviceaccount']);
    expect(podLabels('x', {}, 'a'.repeat(62))).toHaveProperty(['projectcalico.org/serviceaccount']);
    expect(podLabels('x', {}, 'a'.repeat(63))).not.toHaveProperty(['projectcalico.org/serviceaccount']);
  });
});
