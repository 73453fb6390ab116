import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schemas } from '../../../src/explain/schemas.ts';
import { CtlFixture } from './fixture-ctl.ts';
import { podDocument } from '../explain/pod-document.ts';

const CLUSTER = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
${podDocument({ node: 'n1', name: 'web', app: 'web', networks: '[10.65.0.3/32]' })}
---
${podDocument({ node: 'n2', name: 'client', app: 'client', networks: '[10.65.0.2/32]' })}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == "web"
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP, source: {selector: app == "front"}, destination: {ports: [80]}}]
`;

const OPEN = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec: {order: 1, types: [Ingress], ingress: [{action: Allow, source: {selector: app == "client"}}]}
`;

describe('margayctl explain', () => {
  let ctl: CtlFixture;
  let files: string[];

  beforeAll(() => {
    ctl = new CtlFixture();
    files = ['-f', ctl.file('cluster.yaml', CLUSTER)];
  });
  afterAll(() => ctl.dispose());

  it('answers from files with no cluster, and exits with 0 for allow, 1 for deny, 2 for unknown', async () => {
    const denied = await ctl.run(['explain', ...files, 'shop/client', 'shop/web:80']);
    expect(denied).toMatchObject({ code: 1, errors: '' });
    expect(denied.output).toContain('miss    allow ingress/0  source.selector');
    expect(denied.output).toContain('verdict: deny by default/ingress/end-of-tier\n');
    const allowed = await ctl.run(['explain', ...files, 'shop/web', 'shop/client:80']);
    expect(allowed).toMatchObject({ code: 0, errors: '' });
    const split = await ctl.run([
      'explain',
      ...files,
      '10.65.0.0/24',
      'shop/web:80',
      '--with',
      ctl.file('open.yaml', OPEN),
    ]);
    expect(split).toMatchObject({ code: 2, errors: '' });
    expect(split.output).toContain('verdict: unknown');
  });

  it('exits with 2 for a question that it cannot answer', async () => {
    expect(await ctl.run(['explain', ...files, 'shop/nobody', 'shop/web:80'])).toMatchObject({
      code: 2,
      errors: expect.stringContaining('there is no workload shop/nobody') as string,
    });
  });

  it('answers from a datastore, with its revision', async () => {
    expect((await ctl.run(['apply', ...files])).code).toBe(0);
    const { code, output } = await ctl.run(['explain', 'shop/client', 'shop/web:80', '-o', 'json']);
    expect(code).toBe(1);
    const explanation = JSON.parse(output) as Record<string, unknown>;
    expect(explanation).toMatchObject({
      format: 'margay-explain/v1',
      verdict: 'deny',
      revision: expect.any(Number) as number,
      paths: [{ decidedBy: ['default/ingress/end-of-tier'] }],
      nearest: [{ rule: 'default/NetworkPolicy/shop/web/ingress/0' }],
    });
  });

  it('proposes the smallest change, and says what else it would open', async () => {
    const denied = await ctl.run(['explain', ...files, 'shop/client', 'shop/web:80']);
    expect(denied.output).toContain(
      'smallest change that lets it match\n' +
        '  label shop/client app=front, for default/NetworkPolicy/shop/web/ingress/0\n' +
        '    opens and closes nothing else between workloads on this port\n',
    );
    const labels = ['--src-labels', 'app=front', '--src-ns', 'shop'];
    const port = await ctl.run(['explain', ...files, 'new', 'shop/web:81', ...labels, '-o', 'json']);
    expect(schemas.explain.parse(JSON.parse(port.output)).remedy).toMatchObject({
      change: 'add 81 to destination.ports of default/NetworkPolicy/shop/web/ingress/0',
      effects: [{ from: 'shop/new', to: 'shop/web', before: 'deny', after: 'allow' }],
    });
    const wide = ctl.file(
      'wide.yaml',
      CLUSTER.replace('source: {selector: app == "front"}', 'source: {nets: [10.9.0.0/16]}'),
    );
    const other = await ctl.run(['explain', '-f', wide, 'shop/client', 'shop/web:80']);
    expect(other.output).toContain(
      'add 10.65.0.2/32 to source.nets of default/NetworkPolicy/shop/web/ingress/0',
    );
  });

  it('takes pods that do not exist, by labels', async () => {
    const labels = ['--src-labels', 'app=front', '--src-ns', 'shop'];
    expect((await ctl.run(['explain', ...files, 'new', 'shop/web:80', ...labels])).code).toBe(0);
    expect((await ctl.run(['explain', ...files, 'new', 'shop/web:81', ...labels])).code).toBe(1);
  });

  it('says what a change would change', async () => {
    const question = ['explain', ...files, 'shop/client', 'shop/web:80'];
    const added = await ctl.run([...question, '--with', ctl.file('open.yaml', OPEN)]);
    expect(added.code).toBe(0);
    expect(added.output).toContain('before the change: deny (changed)');
    const removed = await ctl.run([...question, '--without', 'np/shop/web', '-o', 'json']);
    expect(removed.code).toBe(0);
    expect(JSON.parse(removed.output)).toMatchObject({ verdict: 'allow', before: { verdict: 'deny' } });
    expect((await ctl.run([...question, '--without', 'np/shop/none'])).code).toBe(2);
  });

  it('reads pods of Kubernetes as the endpoints that they have', async () => {
    const pods = ctl.file(
      'pods.yaml',
      `
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {nodeName: n1, containers: [{name: c, image: i}]}
status: {podIPs: [{ip: 10.65.0.9}]}
`,
    );
    const question = ['explain', ...files, '-f', pods, 'shop/front', 'shop/web:80'];
    expect(await ctl.run(question)).toMatchObject({ code: 0, errors: '' });
  });

  it('prints who reaches whom', async () => {
    const { code, output } = await ctl.run(['reach', '80', ...files]);
    expect(code).toBe(0);
    expect(
      output
        .split('\n')
        .slice(0, 3)
        .map((line) => line.trimEnd()),
    ).toEqual(['FROM \\ TO       1    2', '1 shop/client   -    X', '2 shop/web      .    -']);
    const csv = await ctl.run(['reach', '80', ...files, '-o', 'csv']);
    expect(csv.output).toBe('from,to,verdict\nshop/client,shop/web,deny\nshop/web,shop/client,allow\n');
    const json = await ctl.run(['reach', '80', ...files, '-o', 'json']);
    expect(JSON.parse(json.output)).toEqual({
      format: 'margay-reach/v1',
      sources: ['shop/client', 'shop/web'],
      destinations: ['shop/client', 'shop/web'],
      verdicts: [
        ['allow', 'deny'],
        ['allow', 'allow'],
      ],
    });
    expect((await ctl.run(['reach', 'http', ...files])).code).toBe(2);
  });

  it('prints who can reach one workload, and what one can reach, as text, graph and picture', async () => {
    const to = await ctl.run(['reach', '80', ...files, '--to', 'shop/web', '-o', 'csv']);
    expect(to.output).toBe('from,to,verdict\nshop/client,shop/web,deny\n');
    const from = await ctl.run(['reach', '80', ...files, '--from', 'shop/web']);
    expect(from.output.split('\n')[1]!.trim()).toMatch(/^shop\/web +\. +-$/);
    const dot = await ctl.run(['reach', '80', ...files, '-o', 'dot']);
    expect(dot.output).toBe(
      'digraph reach {\n  "shop/client";\n  "shop/web";\n  "shop/web" -> "shop/client";\n}\n',
    );
    const svg = (await ctl.run(['reach', '80', ...files, '-o', 'svg'])).output;
    expect(svg).toContain('<title>shop/client does not reach shop/web</title>');
    expect(svg.match(/<rect/g)).toHaveLength(4);
    expect(await ctl.run(['reach', '80', ...files, '--to', 'shop/nobody'])).toMatchObject({ code: 2 });
  });

  it('prints which connections one state allows and another does not', async () => {
    const before = files[1]!;
    const after = ctl.file('after.yaml', `${CLUSTER}\n---\n${OPEN}`);
    const changed = await ctl.run(['policy', 'diff', before, after]);
    expect(changed.code).toBe(1);
    expect(changed.output).toMatch(/^\+ shop\/client -> shop\/web: tcp/);
    const back = await ctl.run(['policy', 'diff', after, before, '--service', '80', '-o', 'json']);
    expect(back.code).toBe(1);
    expect(schemas['policy-diff'].parse(JSON.parse(back.output)).changes[0]).toMatchObject({
      from: 'shop/client',
      to: 'shop/web',
      protocol: 'tcp',
      ports: '80',
      before: 'allow',
      after: 'deny',
    });
    expect(await ctl.run(['policy', 'diff', before, before])).toMatchObject({
      code: 0,
      output: 'no connection of workloads changes\n',
    });
  });

  it('prints JSON of the shapes that it publishes', async () => {
    const commands = {
      explain: ['explain', ...files, 'shop/client', 'shop/web:80', '--all', '--without', 'np/shop/web'],
      reach: ['reach', '80', ...files],
      lint: ['lint', ...files],
    } as const;
    for (const [name, args] of Object.entries(commands)) {
      const { output } = await ctl.run([...args, '-o', 'json']);
      schemas[name as keyof typeof commands].parse(JSON.parse(output));
      const schema = await ctl.run(['schema', name]);
      expect(JSON.parse(schema.output)).toMatchObject({
        type: 'object',
        required: expect.arrayContaining(['format']) as string[],
      });
    }
  });

  it('checks intents, and names the rule where one does not hold', async () => {
    const intents = (expected: string): string =>
      ctl.file(
        `intents-${expected}.yaml`,
        `- {from: shop/web, to: 'shop/client:80', expect: allow}\n- {from: shop/client, to: 'shop/web:80/tcp', expect: ${expected}}\n`,
      );
    expect(await ctl.run(['assert', intents('deny'), ...files])).toMatchObject({ code: 0, errors: '' });
    const failed = await ctl.run(['assert', intents('allow'), ...files]);
    expect(failed.code).toBe(1);
    expect(failed.output).toContain(
      'FAIL  shop/client -> shop/web:80/tcp: deny, not allow, by default/ingress/end-of-tier\n1 hold, 1 do not\n',
    );
    expect((await ctl.run(['assert', intents('maybe'), ...files])).code).toBe(2);
  });
});
