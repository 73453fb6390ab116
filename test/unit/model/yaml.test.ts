import { describe, expect, it } from 'vitest';
import { formatProblem, nearest } from '../../../src/model/problem.ts';
import { type ParseOptions, formatYaml, parseResources } from '../../../src/model/yaml.ts';

/** The problems of a text, rendered. */
function problems(text: string, options: ParseOptions = {}): string[] {
  return parseResources(text, { file: 'f.yaml', ...options }).flatMap((parsed) =>
    (parsed.problems ?? []).map(formatProblem),
  );
}

const policy = (spec: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec:\n${spec}`;

describe('problems of a text', () => {
  it('name file, line, column, path, what was found, what is allowed, and what was meant', () => {
    expect(problems(policy('  ingress:\n    - action: allow\n      protocol: TCP\n'))).toEqual([
      'f.yaml:6:15: spec.ingress[0].action: not an allowed value, found "allow" (did you mean "Allow"?); ' +
        'allowed: Allow, Deny, Log, Pass',
    ]);
  });

  it('are all reported at once, in the order of the text', () => {
    const text = policy(
      [
        '  selecter: all()',
        '  order: "1"',
        '  ingress:',
        '    - action: Alow',
        '      source: {nets: [10.0.0.0/33, 10.0.0.0/8]}',
        '    - protocol: TCP',
        '    - action: Allow',
        '      destination: {ports: [80]}',
        '',
      ].join('\n'),
    );
    expect(problems(text).map((problem) => problem.split(': ').slice(0, 2).join(': '))).toEqual([
      'f.yaml:5:3: spec.selecter',
      'f.yaml:6:10: spec.order',
      'f.yaml:8:15: spec.ingress[0].action',
      'f.yaml:9:23: spec.ingress[0].source.nets[0]',
      'f.yaml:10:7: spec.ingress[1].action',
      'f.yaml:12:29: spec.ingress[2].destination.ports[0]',
    ]);
  });

  it.each([
    ["  selector: a = 'b'\n", '5:15'],
    ['  selector: \'a = "b"\'\n', '5:16'],
    ['  selector: "a = \'b\'"\n', '5:16'],
    // Escapes hide where the character lies: then the value's start must do.
    ['  selector: "a\\u0020= \'b\'"\n', '5:13'],
    ['  selector: >-\n    a =\n    "b"\n', '5:13'],
  ])('in a selector point into it: %j', (spec, place) => {
    expect(problems(policy(spec)).map((problem) => problem.split(': ')[0])).toEqual([`f.yaml:${place}`]);
  });

  it('suggest the field that was meant, or where it belongs', () => {
    const text =
      'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nnatOutgoing: true\nspec: {cidr: 10.0.0.0/16, ipipmode: Always}\n';
    expect(problems(text)).toEqual([
      'f.yaml:4:1: natOutgoing: unknown field here, it belongs at spec.natOutgoing',
      expect.stringMatching(
        /^f\.yaml:5:27: spec\.ipipmode: unknown field \(did you mean "ipipMode"\?\); allowed: cidr, /,
      ),
    ]);
  });

  it('have no file when there is none', () => {
    const [parsed] = parseResources('kind: Tier\n');
    expect(parsed?.problems?.map(formatProblem)).toEqual(['1:1: apiVersion: required field is missing']);
  });

  it.each([
    ['a: 1\na: 2\n', 'f.yaml:2:1: duplicate field'],
    ['a:\n\tb: 1\n', 'f.yaml:2:1: tabs cannot indent YAML; use spaces'],
    ['a: [1\nb: 2\n', /^f\.yaml:2:1: /],
    ['a: "b\n', /^f\.yaml:\d+:\d+: Missing closing "quote/],
    ['a: *b\n', /^f\.yaml:1:4: /],
    ['{"apiVersion": "v1",, }', /^f\.yaml:1:21: /],
    ['just text', 'f.yaml:1:1: expected a resource: a map with apiVersion, kind, metadata and spec'],
  ])('of syntax: %j', (text, expected) => {
    expect(problems(text)[0]).toEqual(
      typeof expected === 'string' ? expected : expect.stringMatching(expected),
    );
  });

  it('include an alias bomb, at once', () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const previous = Array.from({ length: 9 }, () => `*l${level - 1}`).join(', ');
      return `l${level}: &l${level} [${level === 0 ? 'x' : previous}]`;
    });
    const started = performance.now();
    expect(problems(levels.join('\n'))).toEqual([expect.stringMatching(/alias/)]);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('in an aliased or merged part point at what there is of it', () => {
    const text =
      'apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: &m {name: T}\nspec: {}\n---\n' +
      'x: &base {apiVersion: projectcalico.org/v3}\n<<: *base\nkind: Tier\nmetadata: {name: t}\n';
    expect(problems(text)).toEqual(
      [
        expect.stringMatching(/^f\.yaml:3:21: metadata\.name: not a valid name, found "T"/),
        'f.yaml:6:1: x: unknown field',
      ].map((expected) => (typeof expected === 'string' ? expect.stringContaining(expected) : expected)),
    );
  });

  it('do not keep other documents from being read', () => {
    const tier = (name: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: ${name}}\n`;
    const parsed = parseResources(
      `${tier('a')}---\n# nothing here\n---\n${tier('B')}---\na: 1\na: 2\n---\n${tier('c')}`,
    );
    expect(parsed.map(({ line, resource }) => [line, resource?.metadata.name])).toEqual([
      [1, 'a'],
      [7, undefined],
      [11, undefined],
      [14, 'c'],
    ]);
  });
});

describe('a text of resources', () => {
  it('may be JSON, a List, or a list of one kind', () => {
    const tier = { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name: 'a' } };
    const names = (document: unknown): unknown[] =>
      parseResources(JSON.stringify(document)).map(
        (parsed) => parsed.resource?.metadata.name ?? parsed.problems,
      );
    expect(names(tier)).toEqual(['a']);
    expect(names({ apiVersion: 'v1', kind: 'List', items: [tier, tier] })).toEqual(['a', 'a']);
    expect(
      names({
        apiVersion: tier.apiVersion,
        kind: 'TierList',
        metadata: {},
        items: [{ metadata: { name: 'b' } }, tier],
      }),
    ).toEqual(['b', 'a']);
    expect(names({ apiVersion: 'v1', kind: 'List', items: [] })).toEqual([]);
  });

  it('names the item of a list that is at fault', () => {
    const text =
      'kind: List\napiVersion: v1\nitems:\n- apiVersion: projectcalico.org/v3\n  kind: Tier\n  metadata: {name: a}\n  spec: {order: x}\n';
    expect(problems(text)).toEqual(['f.yaml:7:17: items[0].spec.order: expected a number, found "x"']);
    expect(problems('kind: List\napiVersion: v1\nitems: 1\n')).toEqual([
      'f.yaml:3:8: items: expected a list',
    ]);
  });

  it('gets the default namespace where it states none', () => {
    const text = 'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\n';
    expect(parseResources(text, { defaultNamespace: 'x' })[0]?.resource?.metadata.namespace).toBe('x');
    expect(problems(text)).toEqual(['f.yaml:3:1: metadata.namespace: required field is missing']);
  });

  it('gets the defaults that Calico applies', () => {
    const read = (text: string) => parseResources(text)[0]?.resource;
    expect(read(policy('  egress: [{action: Deny}]\n'))).toMatchObject({
      metadata: { labels: { 'projectcalico.org/tier': 'default' } },
      spec: { tier: 'default', types: ['Egress'] },
    });
    expect(read(policy('  tier: sec\n  ingress: []\n'))).toMatchObject({
      metadata: { labels: { 'projectcalico.org/tier': 'sec' } },
      spec: { types: ['Ingress'] },
    });
    expect(read(policy('  {ingress: [{action: Deny}], egress: [{action: Deny}]}\n'))?.spec).toMatchObject({
      types: ['Ingress', 'Egress'],
    });
    expect(read(policy('  {types: [Egress], ingress: [{action: Deny}]}\n'))?.spec).toMatchObject({
      types: ['Egress'],
    });
    expect(read(policy('  {}\n'))?.spec).not.toHaveProperty('order');
    expect(
      read('apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: "fd65::/64"}\n')
        ?.spec,
    ).toEqual({
      cidr: 'fd65::/64',
      blockSize: 122,
      ipipMode: 'Never',
      vxlanMode: 'Never',
      nodeSelector: 'all()',
      allowedUses: ['Workload', 'Tunnel'],
      assignmentMode: 'Automatic',
    });
    expect(read('apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: t}\n')?.spec).toEqual({
      order: 1_000_000,
      defaultAction: 'Deny',
    });
  });

  it('is canonical after reading: addresses, protocols, ports, numbers', () => {
    const spec =
      '  ingress: [{action: Allow, protocol: tcp, source: {nets: ["FD00:0::1/64", "fd00::0001"]}, destination: {ports: ["80", "1:1"]}}]\n';
    expect(parseResources(policy(spec))[0]?.resource?.spec).toMatchObject({
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { nets: ['fd00::/64', 'fd00::1'] },
          destination: { ports: [80, 1] },
        },
      ],
    });
  });
});

describe('a resource as YAML', () => {
  it('has its fields in the order of their definition, and is the same after reading it back', () => {
    const text = [
      'kind: NetworkPolicy',
      'spec:',
      '  egress:',
      '    - {destination: {ports: [53], notSelector: has(a)}, protocol: UDP, action: Allow}',
      '  selector: a == "yes"',
      '  order: 5',
      'metadata:',
      '  annotations: {z: "1", a: "yes"}',
      '  namespace: x',
      '  name: p',
      'apiVersion: projectcalico.org/v3',
      '',
    ].join('\n');
    const resource = parseResources(text)[0]!.resource!;
    const written = formatYaml(resource);
    expect(written).toBe(
      [
        'apiVersion: projectcalico.org/v3',
        'kind: NetworkPolicy',
        'metadata:',
        '  name: p',
        '  namespace: x',
        '  labels:',
        '    projectcalico.org/tier: default',
        '  annotations:',
        '    a: "yes"',
        '    z: "1"',
        'spec:',
        '  tier: default',
        '  order: 5',
        '  egress:',
        '    - action: Allow',
        '      protocol: UDP',
        '      destination:',
        '        ports:',
        '          - 53',
        '        notSelector: has(a)',
        '  selector: a == "yes"',
        '  types:',
        '    - Egress',
        '',
      ].join('\n'),
    );
    expect(parseResources(written)[0]!.resource).toEqual(resource);
  });

  it('has the kind that users write', () => {
    const text =
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {}\n';
    const resource = parseResources(text)[0]!.resource!;
    expect(resource.kind).toBe('KubernetesNetworkPolicy');
    expect(formatYaml(resource)).toContain('kind: NetworkPolicy\n');
  });
});

describe('the nearest candidate', () => {
  it.each([
    ['selecter', ['selector', 'notSelector'], 'selector'],
    ['SELECTOR', ['selector'], 'selector'],
    ['protocl', ['protocol', 'notProtocol'], 'protocol'],
    ['protcool', ['protocol'], 'protocol'],
    ['x', ['selector', 'nets'], undefined],
    ['tpc', ['TCP', 'UDP'], 'TCP'],
  ])('to %s in %j is %s', (text, candidates, expected) => {
    expect(nearest(text, candidates)).toBe(expected);
  });
});
