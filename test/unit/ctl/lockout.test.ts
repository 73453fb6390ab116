import { afterEach, describe, expect, it } from 'vitest';
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
  const fixture = new CtlFixture();
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
});
