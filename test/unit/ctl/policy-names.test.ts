import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CtlFixture } from './fixture-ctl.ts';

const RESOURCES = `apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: ops}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: default.frontend, namespace: shop, labels: {team: web}}
spec: {order: 200, selector: app == "frontend"}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: default.deny}
spec: {types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: ops.watch}
spec: {tier: ops, types: [Ingress]}
`;

describe('margayctl datastore migrate-policy-names', () => {
  let ctl: CtlFixture;
  const rename = (...args: string[]) => ctl.run(['datastore', 'migrate-policy-names', ...args]);
  const names = async (kind: string): Promise<string> =>
    (await ctl.run(['get', kind, '-A', '-o', 'jsonpath={.items[*].metadata.name}'])).output;

  beforeEach(async () => {
    ctl = new CtlFixture();
    const made = await ctl.run(['create', '-f', ctl.file('all.yaml', RESOURCES)]);
    expect(made.errors).toBe('');
  });
  afterEach(() => ctl.dispose());

  it('says in a dry run what it would do, and does nothing', async () => {
    expect(await rename('--dry-run')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/Would rename 2 policies/) as string,
    });
    expect(await names('gnp')).toContain('default.deny');
  });

  it('takes the prefix of the default tier away and leaves all else as it is', async () => {
    expect(await rename()).toMatchObject({ code: 0, errors: '' });
    expect((await names('gnp')).split(' ').toSorted()).toEqual(['deny', 'ops.watch']);
    const { output } = await ctl.run(['get', 'np', 'frontend', '-n', 'shop', '-o', 'json']);
    expect(JSON.parse(output)).toMatchObject({
      metadata: { name: 'frontend', labels: { team: 'web' } },
      spec: { order: 200, selector: 'app == "frontend"' },
    });
    expect(await names('np')).toBe('frontend');
    expect((await rename()).output).toBe('Renamed 0 policies.\n');
  });

  it('goes on where it was interrupted, and keeps both of two different policies', async () => {
    const deny = RESOURCES.split('---\n')[2]!;
    const twin = deny.replace('default.deny', 'deny');
    await ctl.run(['create', '-f', ctl.file('twin.yaml', twin)]);
    const other = RESOURCES.split('---\n')[1]!.replace('default.', '').replace('200', '300');
    await ctl.run(['create', '-f', ctl.file('other.yaml', other)]);
    const result = await rename();
    expect(result.code).toBe(1);
    expect(result.errors).toMatch(/default\.frontend.*frontend is there already with another content/);
    expect((await names('gnp')).split(' ').toSorted()).toEqual(['deny', 'ops.watch']);
    expect((await names('np')).split(' ').toSorted()).toEqual(['default.frontend', 'frontend']);
  });
});
