import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertNetworkPolicy, simplifyPorts } from '../../../../src/model/convert/network-policy.ts';
import { decodeResource } from '../../../../src/model/decode.ts';
import { formatPath } from '../../../../src/model/problem.ts';
import type { KubernetesNetworkPolicy } from '../../../../src/model/kinds/kubernetes-network-policy.ts';

function convert(spec: unknown) {
  const policy = decodeResource('KubernetesNetworkPolicy', { metadata: { name: 'p', namespace: 'x' }, spec });
  const { spec: converted, faults } = convertNetworkPolicy(policy as KubernetesNetworkPolicy);
  return { ...converted, faults: faults.map(({ path, message }) => `${formatPath(path)}: ${message}`) };
}

const pods = 'projectcalico.org/orchestrator == "k8s"';
const podsWith = (selector: string): string => `(${pods} && ${selector})`;
const labelled = (value: string) => ({ matchLabels: { pod: value } });

describe('a Kubernetes policy', () => {
  it('is a policy of order 1000 in the default tier for pods of its namespace', () => {
    expect(convert({ podSelector: {} })).toEqual({
      tier: 'default',
      order: 1000,
      selector: pods,
      types: ['Ingress'],
      ingress: [],
      faults: [],
    });
  });

  it.each([
    [{}, ['Ingress']],
    [{ ingress: [{}] }, ['Ingress']],
    [{ egress: [] }, ['Ingress']],
    [{ egress: [{}] }, ['Ingress', 'Egress']],
    [{ policyTypes: ['Egress'], ingress: [{}] }, ['Egress']],
    [{ policyTypes: ['Egress', 'Ingress'] }, ['Ingress', 'Egress']],
  ])('%j isolates %j', (spec, types) => {
    const converted = convert(spec);
    expect(converted.types).toEqual(types);
    expect('ingress' in converted).toBe(types.includes('Ingress'));
    expect('egress' in converted).toBe(types.includes('Egress'));
  });

  it.each([
    [null, pods],
    [{}, pods],
    [{ matchLabels: {} }, pods],
    [labelled('a'), podsWith('pod == "a"')],
    [{ matchLabels: { b: 'y', a: 'x' } }, `(${pods} && a == "x" && b == "y")`],
    [{ matchLabels: { a: '' } }, podsWith('a == ""')],
    [
      { matchExpressions: [{ key: 'pod', operator: 'In', values: ['b', 'a'] }] },
      podsWith('pod in {"a", "b"}'),
    ],
    [{ matchExpressions: [{ key: 'pod', operator: 'NotIn', values: ['a'] }] }, podsWith('pod not in {"a"}')],
    [{ matchExpressions: [{ key: 'pod', operator: 'Exists' }] }, podsWith('has(pod)')],
    [{ matchExpressions: [{ key: 'pod', operator: 'DoesNotExist' }] }, podsWith('!has(pod)')],
    [
      { matchLabels: { a: 'x' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] },
      `(${pods} && a == "x" && has(b))`,
    ],
  ])('with podSelector %j selects %s', (podSelector, selector) => {
    expect(convert({ podSelector })).toMatchObject({ selector, faults: [] });
  });

  it.each<[string, unknown, unknown[]]>([
    ['no peers and no ports allow everything', {}, [{ action: 'Allow' }]],
    ['empty lists mean the same', { from: [], ports: [] }, [{ action: 'Allow' }]],
    [
      'a podSelector alone means the own namespace',
      { from: [{ podSelector: {} }] },
      [{ action: 'Allow', source: { selector: pods } }],
    ],
    [
      'a namespaceSelector alone means all pods there',
      { from: [{ namespaceSelector: labelled('y') }] },
      [{ action: 'Allow', source: { selector: pods, namespaceSelector: 'pod == "y"' } }],
    ],
    [
      'an empty namespaceSelector means all namespaces',
      { from: [{ namespaceSelector: {} }] },
      [{ action: 'Allow', source: { selector: pods, namespaceSelector: 'all()' } }],
    ],
    [
      'both in one peer mean both',
      { from: [{ namespaceSelector: labelled('y'), podSelector: labelled('b') }] },
      [{ action: 'Allow', source: { selector: podsWith('pod == "b"'), namespaceSelector: 'pod == "y"' } }],
    ],
    [
      'two peers mean either',
      { from: [{ namespaceSelector: labelled('y') }, { podSelector: labelled('b') }] },
      [
        { action: 'Allow', source: { selector: pods, namespaceSelector: 'pod == "y"' } },
        { action: 'Allow', source: { selector: podsWith('pod == "b"') } },
      ],
    ],
    [
      'a block leaves its exceptions out',
      { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.0.0/16'] } }] },
      [{ action: 'Allow', source: { nets: ['10.0.0.0/8'], notNets: ['10.1.0.0/16', '10.2.0.0/16'] } }],
    ],
    [
      'a block may be IPv6',
      { from: [{ ipBlock: { cidr: 'FD00::1/8' } }] },
      [{ action: 'Allow', source: { nets: ['fd00::/8'] } }],
    ],
    [
      'a port is TCP by default',
      { ports: [{ port: 80 }] },
      [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }],
    ],
    [
      'a protocol alone means all its ports',
      { ports: [{ protocol: 'UDP' }] },
      [{ action: 'Allow', protocol: 'UDP' }],
    ],
    [
      'all ports of a protocol swallow single ones',
      { ports: [{ protocol: 'UDP', port: 53 }, { protocol: 'UDP' }, { protocol: 'UDP', port: 54 }] },
      [{ action: 'Allow', protocol: 'UDP' }],
    ],
    [
      'named ports and ranges stand beside numbers',
      { ports: [{ port: 'http' }, { port: 90, endPort: 99 }, { port: 80 }, { port: 81 }, { port: 'all' }] },
      [{ action: 'Allow', protocol: 'TCP', destination: { ports: ['80:81', '90:99', 'http', 'all'] } }],
    ],
    [
      'each peer goes with each protocol',
      {
        from: [{ podSelector: {} }, { ipBlock: { cidr: '10.0.0.0/8' } }],
        ports: [{ port: 80 }, { port: 80, protocol: 'SCTP' }],
      },
      [
        { action: 'Allow', protocol: 'TCP', source: { selector: pods }, destination: { ports: [80] } },
        { action: 'Allow', protocol: 'SCTP', source: { selector: pods }, destination: { ports: [80] } },
        { action: 'Allow', protocol: 'TCP', source: { nets: ['10.0.0.0/8'] }, destination: { ports: [80] } },
        { action: 'Allow', protocol: 'SCTP', source: { nets: ['10.0.0.0/8'] }, destination: { ports: [80] } },
      ],
    ],
  ])('in an ingress rule: %s', (_title, rule, rules) => {
    expect(convert({ ingress: [rule] })).toMatchObject({ ingress: rules, faults: [] });
  });

  it('names peers and ports of egress rules both as destination', () => {
    expect(
      convert({
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: labelled('b') }], ports: [{ port: 'dns', protocol: 'UDP' }] }],
      }).egress,
    ).toEqual([
      { action: 'Allow', protocol: 'UDP', destination: { selector: podsWith('pod == "b"'), ports: ['dns'] } },
    ]);
  });
});

describe('what is at fault in a Kubernetes policy', () => {
  it.each<[string, unknown, string, unknown[]]>([
    ['an empty peer', { from: [{}] }, 'from[0]: empty peer', []],
    [
      'a block with selectors',
      { from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] },
      'from[0].ipBlock: ipBlock cannot be combined with podSelector or namespaceSelector',
      [],
    ],
    ['a bad block', { from: [{ ipBlock: { cidr: '10.0.0/8' } }] }, 'from[0].ipBlock.cidr: not a CIDR', []],
    [
      'an address as block',
      { from: [{ ipBlock: { cidr: '10.0.0.1' } }] },
      'from[0].ipBlock.cidr: not a CIDR',
      [],
    ],
    // Leaving out the exception alone would allow what it excludes.
    [
      'a bad exception',
      { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/8'] } }] },
      'from[0].ipBlock.except[0]: not a CIDR inside the block',
      [],
    ],
    [
      'a bad operator',
      { from: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } }] },
      'from[0].podSelector.matchExpressions[0].operator: not an operator',
      [],
    ],
    [
      'In without values',
      { from: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }] },
      'from[0].podSelector.matchExpressions[0].values: In needs values',
      [],
    ],
    [
      'Exists with values',
      {
        from: [
          { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } },
        ],
      },
      'from[0].namespaceSelector.matchExpressions[0].values: Exists takes no values',
      [],
    ],
    [
      'a bad label',
      { from: [{ podSelector: { matchLabels: { 'a b': 'c' } } }] },
      'from[0].podSelector.matchLabels["a b"]: not a label',
      [],
    ],
    ['a bad protocol', { ports: [{ protocol: 'tcp', port: 80 }] }, 'ports[0].protocol: not a protocol', []],
    ['a bad port', { ports: [{ port: 70000 }] }, 'ports[0].port: not a port number', []],
    ['a number as name', { ports: [{ port: '80' }] }, 'ports[0].port: not the name of a port', []],
    [
      'a range of a name',
      { ports: [{ port: 'a', endPort: 80 }] },
      'ports[0].endPort: endPort needs a port number, not a name',
      [],
    ],
    [
      'one of two ports',
      { ports: [{ port: 0 }, { port: 80 }] },
      'ports[0].port: not a port number',
      [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }],
    ],
    [
      'one of two peers',
      { from: [{}, { podSelector: {} }] },
      'from[0]: empty peer',
      [{ action: 'Allow', source: { selector: pods } }],
    ],
  ])('is left out and reported: %s', (_title, rule, fault, rules) => {
    const converted = convert({ ingress: [rule, { from: [{ podSelector: labelled('b') }] }] });
    expect(converted.faults).toEqual([`spec.ingress[0].${fault}`]);
    expect(converted.ingress).toEqual([
      ...rules,
      { action: 'Allow', source: { selector: podsWith('pod == "b"') } },
    ]);
  });

  it('isolates the whole namespace when it hides whom the policy selects', () => {
    const converted = convert({
      podSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] },
      policyTypes: ['Ingress'],
    });
    expect(converted).toMatchObject({ selector: pods, types: ['Ingress'], ingress: [] });
    expect(converted.faults).toEqual(['spec.podSelector.matchExpressions[0].operator: not an operator']);
  });

  it('isolates both directions when it hides which the policy isolates', () => {
    expect(convert({ policyTypes: ['ingress'] })).toMatchObject({
      types: ['Ingress', 'Egress'],
      faults: ['spec.policyTypes[0]: not a policy type'],
    });
  });
});

describe('simplified ports', () => {
  it('match the same ports with as few ranges as possible', () => {
    const range = fc
      .tuple(fc.nat(40), fc.nat(5))
      .map(([first, more]) => (more === 0 ? first : `${first}:${first + more}`));
    const expand = (ports: readonly (string | number)[]): Set<number> => {
      const numbers = new Set<number>();
      for (const port of ports) {
        const [first, last] = String(port).split(':').map(Number);
        for (let number = first!; number <= (last ?? first!); number++) numbers.add(number);
      }
      return numbers;
    };
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), (ports) => {
        const simple = simplifyPorts(ports);
        const numbers = expand(ports);
        expect(expand(simple)).toEqual(numbers);
        const gaps = [...numbers].filter((number) => !numbers.has(number - 1)).length;
        expect(simple).toHaveLength(gaps);
      }),
    );
  });
});
