import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CtlFixture } from './fixture-ctl.ts';

const NODES = `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: one}
spec: {bgp: {ipv4Address: 192.0.2.1/24}}
`;
const HOST = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: guard}
spec: {node: one, interfaceName: "*", profiles: [projectcalico-default-allow]}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: projectcalico-default-allow}
spec: {ingress: [{action: Allow}], egress: [{action: Allow}]}
`;
const POLICY = `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: closed}
spec: {selector: all(), types: [Ingress]}
`;
const variables = { SSH_CONNECTION: '203.0.113.7 50000 192.0.2.1 2222' };

describe('margayctl', () => {
  let fixture: CtlFixture;
  beforeEach(() => {
    fixture = new CtlFixture();
  });
  afterEach(() => fixture.dispose());

  it('warns before a change that cuts the session it runs in, and with --strict refuses it', async () => {
    fixture.file('nodes.yaml', NODES);
    fixture.file('host.yaml', HOST);
    fixture.file('policy.yaml', POLICY);
    const run = (line: string) => fixture.run(line.split(' '), { variables });
    expect(await run('apply -f {}/nodes.yaml')).toMatchObject({ code: 0, errors: '' });
    expect(await run('apply -f {}/policy.yaml')).toMatchObject({ code: 0, errors: '' });
    const refused = await run('apply -f {}/host.yaml --strict');
    expect(refused.code).toBe(1);
    expect(refused.errors).toMatch(
      /^warning: HostEndpoint guard of node one will cut your SSH connection from 203\.0\.113\.7: denied by default\/ingress\/end-of-tier; allow it by a policy first, or by failsafe ports of FelixConfiguration\nNothing was changed \(--strict\)\.\n$/,
    );
    expect((await run('get hostendpoints -o name')).output).toBe('');
    const warned = await run('apply -f {}/host.yaml');
    expect(warned).toMatchObject({ code: 0, errors: expect.stringMatching(/^warning: HostEndpoint guard/) });
    expect(await run('apply -f {}/host.yaml --strict')).toMatchObject({ code: 0, errors: '' });
  });

  const narrow = POLICY.replace('all()', `'role == "closed"'`);
  const open = POLICY.replace('closed', 'open').replace(
    'types',
    'order: 1, ingress: [{action: Allow}], types',
  );
  it.each([
    ['patch', narrow, 'patch gnp closed -p {"spec":{"selector":"all()"}}', 'gnp closed', 'selector: all()'],
    ['label', narrow, 'label hep guard role=closed', 'hep guard', 'role: closed'],
    ['replace', narrow, 'replace -f {}/policy.yaml', 'gnp closed', 'selector: all()'],
    ['delete', `${POLICY}---${open}`, 'delete gnp open', 'gnp', 'name: closed'],
  ])('does so for %s, too', async (_, policies, change, changed, made) => {
    fixture.file('policy.yaml', POLICY);
    fixture.file('before.yaml', [NODES, HOST, policies].join('---'));
    const look = `get ${changed} -o yaml`;
    const run = (line: string) => fixture.run(line.split(' '), { variables });
    expect(await run('apply -f {}/before.yaml')).toMatchObject({ code: 0, errors: '' });
    const stored = await run(look);
    const refused = await run(`${change} --strict`);
    expect(refused).toMatchObject({
      code: 1,
      output: '',
      errors: expect.stringMatching(
        /^warning: HostEndpoint guard of node one will cut your SSH.*\nNothing was changed/,
      ),
    });
    expect(await run(`${change} --dry-run=server`)).toMatchObject({
      code: 0,
      errors: expect.stringMatching(/^warning: HostEndpoint guard/),
    });
    expect(await run(look)).toEqual(stored);
    expect(await run(change)).toMatchObject({
      code: 0,
      errors: expect.stringMatching(/^warning: HostEndpoint guard/),
    });
    const after = await run(look);
    expect(after.output).toContain(made);
    expect(after.output).not.toBe(stored.output);
  });
});
