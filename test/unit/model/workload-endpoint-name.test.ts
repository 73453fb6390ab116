import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  containerInterfaceName,
  parseWorkloadEndpointName,
  podEndpointNamePrefix,
  podInterfaceName,
  workloadEndpointName,
} from '../../../src/model/workload-endpoint-name.ts';

describe('names of workload endpoints', () => {
  it.each([
    [{ node: 'node-1', orchestrator: 'k8s', pod: 'my-pod', endpoint: 'eth0' }, 'node--1-k8s-my--pod-eth0'],
    [{ node: 'n1', orchestrator: 'cni', containerID: 'a1b2', endpoint: 'eth0' }, 'n1-cni-a1b2-eth0'],
    [{ node: 'n1', orchestrator: 'libnetwork', endpoint: 'e-1' }, 'n1-libnetwork-libnetwork-e--1'],
    [{ node: 'n1', orchestrator: 'open-stack', workload: 'w', endpoint: 'e' }, 'n1-open--stack-w-e'],
  ])('of %j is %s, and back', (identity, name) => {
    expect(workloadEndpointName(identity)).toBe(name);
    expect(parseWorkloadEndpointName(name)).toEqual(identity);
  });

  it('need what the orchestrator names workloads by', () => {
    expect(
      workloadEndpointName({ node: 'n', orchestrator: 'k8s', workload: 'w', endpoint: 'e' }),
    ).toBeUndefined();
  });

  it.each(['', 'n1', 'n1-k8s-p', 'n1-k8s-p-eth0-x', 'n1-libnetwork-other-e', 'n1--k8s--p--eth0'])(
    'are not %j',
    (name) => {
      expect(parseWorkloadEndpointName(name)).toBeUndefined();
    },
  );

  it('can be read back, whatever dashes are in them', () => {
    const segment = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?$/);
    fc.assert(
      fc.property(segment, segment, segment, (node, pod, endpoint) => {
        const identity = { node, orchestrator: 'k8s', pod, endpoint };
        const name = workloadEndpointName(identity)!;
        expect(parseWorkloadEndpointName(name)).toEqual(identity);
        expect(name.startsWith(podEndpointNamePrefix(node, pod))).toBe(true);
      }),
    );
  });
});

describe('names of interfaces on the host', () => {
  it('are 11 digits of the SHA-1 of namespace and pod', () => {
    // printf 'default.nginx' | sha1sum
    expect(podInterfaceName('default', 'nginx')).toBe('calic440f455693');
    expect(podInterfaceName('default', 'nginx', 'tap')).toMatch(/^tap[0-9a-f]{11}$/);
  });

  it('fit into 15 characters', () => {
    expect(containerInterfaceName('0123456789abcdef')).toBe('cali0123456789a');
  });
});
