import { beforeEach, describe, expect, it } from 'vitest';
import { type GetOptions, get } from '../../../src/ctl/get.ts';
import { type Action, type ModifyOptions, modify } from '../../../src/ctl/modify.ts';
import type { Outcome } from '../../../src/ctl/outcome.ts';
import { kindNamed } from '../../../src/ctl/target.ts';
import type { Datastore } from '../../../src/datastore/datastore.ts';
import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import { parseResources } from '../../../src/model/yaml.ts';

const POLICIES = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec: {order: 200, selector: app == "frontend"}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: backend, namespace: shop}
spec: {order: 300, selector: app == "backend"}
`;

const BROKEN = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: broken, namespace: shop}
spec:
  selecter: app == "frontend"
`;

const OPTIONS: GetOptions = {
  names: [],
  namespace: 'shop',
  allNamespaces: false,
  withNamespace: false,
  portable: false,
  format: { type: 'ps' },
};

describe('margayctl on a datastore', () => {
  let datastore: Datastore;

  beforeEach(() => {
    datastore = new MemoryDatastore();
  });

  function run(action: Action, text: string, flags: ModifyOptions = {}): Promise<Outcome> {
    const documents = parseResources(text, { file: 'file.yaml', defaultNamespace: 'default' });
    return modify(datastore, action, documents, flags);
  }

  it('creates resources and says so as calicoctl does', async () => {
    expect(await run('create', POLICIES)).toEqual({
      output: "Successfully created 2 'NetworkPolicy' resource(s)\n",
      errors: '',
      exitCode: 0,
    });
  });

  it('refuses to create what exists, unless told to skip it', async () => {
    await run('create', POLICIES);
    const again = await run('create', POLICIES);
    expect(again.exitCode).toBe(1);
    expect(again.errors).toContain('resource already exists: NetworkPolicy(shop/frontend)');
    expect((await run('create', POLICIES, { skipExists: true })).exitCode).toBe(0);
  });

  it('applies changes to what exists', async () => {
    await run('create', POLICIES);
    await run('apply', POLICIES.replace('order: 200', 'order: 50'));
    const { output } = await get(datastore, kindNamed('np'), {
      ...OPTIONS,
      names: ['frontend'],
      format: { type: 'json' },
    });
    expect(JSON.parse(output)).toMatchObject({ spec: { order: 50 } });
  });

  it('applies the good documents of a file and points at the line of the bad one', async () => {
    const outcome = await run('apply', `${POLICIES}---${BROKEN}`);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.output).toBe("Partial success: applied 2 out of 3 'NetworkPolicy' resources\n");
    expect(outcome.errors).toMatch(/^file\.yaml:16:3: spec\.selecter: .*did you mean "selector"/);
  });

  it('replaces only what exists', async () => {
    const outcome = await run('replace', POLICIES);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.errors).toContain('resource does not exist: NetworkPolicy(shop/frontend)');
  });

  it('creates no pool over another, no policy without its tier, and nothing that IPAM keeps', async () => {
    const pool = (name: string, cidr: string): string =>
      `{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: ${name}}, spec: {cidr: ${cidr}}}\n`;
    await run('apply', pool('a', '10.65.0.0/16'));
    for (const action of ['create', 'apply'] as const) {
      expect(await run(action, pool('b', '10.65.1.0/24'))).toEqual({
        output: '',
        errors: `failed to ${action} 'IPPool' resource: spec.cidr: overlaps the pool a (10.65.0.0/16), found "10.65.1.0/24"\n  fix: choose a CIDR that no pool has, or delete that pool first\n`,
        exitCode: 1,
      });
    }
    const policy = `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: sec.x}\nspec: {tier: sec}\n`;
    const tier = `apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: sec}\nspec: {order: 5}\n`;
    expect((await run('apply', policy)).errors).toContain('spec.tier: there is no such tier, found "sec"');
    for (const atomic of [true, false]) {
      expect((await run('apply', `${tier}---\n${policy}`, { atomic })).exitCode).toBe(0);
    }
    const affinity = `apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {name: n1-10-65-0-0-26}\nspec: {node: n1, cidr: 10.65.0.0/26}\n`;
    expect((await run('apply', affinity)).errors).toContain('BlockAffinity is written by IPAM alone');
  });

  it('deletes, and minds what does not exist unless told not to', async () => {
    await run('create', POLICIES);
    expect((await run('delete', POLICIES)).output).toBe(
      "Successfully deleted 2 'NetworkPolicy' resource(s)\n",
    );
    expect((await run('delete', POLICIES)).exitCode).toBe(1);
    expect((await run('delete', POLICIES, { skipNotExists: true })).exitCode).toBe(0);
  });

  it('prints tables with the columns of calicoctl', async () => {
    await run('create', POLICIES);
    expect((await get(datastore, kindNamed('networkpolicies'), OPTIONS)).output).toBe(
      'NAME       TIER      \nbackend    default   \nfrontend   default   \n\n',
    );
    const wide = await get(datastore, kindNamed('np'), {
      ...OPTIONS,
      format: { type: 'wide' },
      allNamespaces: true,
      withNamespace: true,
    });
    expect(wide.output.split('\n')[0]).toBe('NAMESPACE   NAME       TIER      ORDER   SELECTOR            ');
  });

  it('prints YAML that it reads back', async () => {
    await run('create', POLICIES);
    const { output } = await get(datastore, kindNamed('np'), { ...OPTIONS, format: { type: 'yaml' } });
    const documents = parseResources(output);
    expect(documents.map(({ resource }) => resource?.metadata.name)).toEqual(['backend', 'frontend']);
  });

  it('reports each missing name and prints the others', async () => {
    await run('create', POLICIES);
    const outcome = await get(datastore, kindNamed('np'), { ...OPTIONS, names: ['frontend', 'nobody'] });
    expect(outcome.output).toContain('frontend');
    expect(outcome.errors).toBe('resource does not exist: NetworkPolicy(shop/nobody)\n');
    expect(outcome.exitCode).toBe(1);
  });

  it('names the kind that was probably meant', () => {
    expect(() => kindNamed('netwrokpolicy')).toThrow("resource type 'netwrokpolicy' is not supported");
  });
});
