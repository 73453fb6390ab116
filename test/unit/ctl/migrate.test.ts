import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CtlFixture } from './fixture-ctl.ts';

const RESOURCES = `apiVersion: projectcalico.org/v3
kind: ClusterInformation
metadata: {name: default}
spec: {clusterGUID: abc, clusterType: bgp, datastoreReady: true}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec: {order: 200, selector: app == "frontend"}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool-1}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: web}}
`;
const COUNT = 4;

describe('margayctl datastore migrate', () => {
  let fixture: CtlFixture;
  let target: string;

  const run = (...args: string[]) => fixture.run(args);
  const migrate = (...args: string[]) => fixture.run(['datastore', 'migrate', ...args]);
  const migrateTarget = (...args: string[]) =>
    fixture.run(['--datastore', `file://${target}`, 'datastore', 'migrate', ...args]);

  beforeEach(async () => {
    fixture = new CtlFixture();
    target = join(fixture.folder, 'target');
    await run('create', '-f', fixture.file('all.yaml', RESOURCES));
  });
  afterEach(() => fixture.dispose());

  it('locks and unlocks, and says when that is so already', async () => {
    expect(await migrate('lock')).toEqual({ code: 0, output: 'Datastore locked.\n', errors: '' });
    expect((await migrate('lock')).output).toBe('Datastore is locked already.\n');
    const ready = ['get', 'clusterinfo', 'default', '-o', 'jsonpath={.spec.datastoreReady}'];
    expect((await run(...ready)).output).toBe('false');
    expect((await migrate('unlock')).output).toBe('Datastore unlocked.\n');
    expect((await run(...ready)).output).toBe('true');
  });

  it('exports only what is locked, unless forced', async () => {
    const refused = await migrate('export');
    expect(refused.code).toBe(1);
    expect(refused.output).toBe('');
    expect(refused.errors).toMatch(
      /^Datastore is not locked\. Run the `margayctl datastore migrate lock` command/,
    );
    expect((await migrate('export', '--force')).output).toContain('name: frontend');
  });

  it('goes through a file: dry run, import, check, unlock', async () => {
    await migrate('lock');
    const file = join(fixture.folder, 'export.yaml');
    expect((await migrate('export', '-f', file)).output).toBe(`Exported ${COUNT} resources to ${file}\n`);
    expect(readFileSync(file, 'utf8')).not.toMatch(/uid|creationTimestamp|resourceVersion/);
    const dry = await migrateTarget('import', '-f', file, '--dry-run');
    expect(dry.output).toBe(
      'Would have created 4, changed 0, left 0 as they are, of 4 resources.\nDry run: nothing was written.\n',
    );
    expect(existsSync(target)).toBe(false);
    const done = await migrateTarget('import', '-f', file);
    expect(done.errors).toBe('');
    expect(done.output).toMatch(
      /^Created 4, changed 0, left 0 as they are, of 4 resources.*\nDatastore information successfully imported/,
    );
    expect(await migrateTarget('check', '-f', file)).toEqual({
      code: 0,
      output: `All ${COUNT} resources are the same.\n`,
      errors: '',
    });
    expect((await migrateTarget('unlock')).output).toBe('Datastore unlocked.\n');
    const labels = ['get', 'ns', 'shop', '-o', 'jsonpath={.metadata.labels.team}'];
    expect((await run('--datastore', `file://${target}`, ...labels)).output).toBe('web');
  });

  it('goes straight from one datastore to another, both ways, and back without a difference', async () => {
    await migrate('lock');
    expect((await migrate('export', '--to', `file://${target}`)).code).toBe(0);
    expect((await migrateTarget('check', '--with', `file://${fixture.datastore}`)).code).toBe(0);
    const back = join(fixture.folder, 'back');
    const into = ['--datastore', `file://${back}`, 'datastore', 'migrate'];
    expect((await run(...into, 'import', '--from', `file://${target}`)).errors).toBe('');
    expect((await run(...into, 'check', '--with', `file://${fixture.datastore}`)).output).toContain(
      'are the same',
    );
  });

  it('is resumed by running it again', async () => {
    await migrate('lock');
    const { output } = await migrate('export');
    const whole = fixture.file('whole.yaml', output);
    // As if it had been interrupted after two resources.
    const part = fixture.file('part.yaml', output.split('---\n').slice(0, 2).join('---\n'));
    await migrateTarget('import', '-f', part);
    const dry = await migrateTarget('import', '-f', whole, '--dry-run');
    expect(dry.output).toMatch(/^Would have created 2, changed 0, left 2 as they are, of 4/);
    expect((await migrateTarget('check', '-f', whole)).output).toMatch(
      /^missing {4}\S+\nmissing {4}\S+\n2 differences in 4/,
    );
    expect((await migrateTarget('import', '-f', whole)).output).toMatch(
      /^Created 2, changed 0, left 2 as they are, of 4/,
    );
    expect((await migrateTarget('import', '-f', whole)).output).toMatch(
      /^Created 0, changed 0, left 4 as they are, of 4/,
    );
  });

  it('keeps what is there with another content, unless --overwrite, and does not take over the cluster', async () => {
    await migrate('lock');
    const file = fixture.file('export.yaml', (await migrate('export')).output);
    await migrateTarget('import', '-f', file);
    const other = `file://${target}`;
    await run('--datastore', other, 'patch', 'np', 'frontend', '-n', 'shop', '-p', '{"spec":{"order":1}}');
    await run(
      '--datastore',
      other,
      'patch',
      'clusterinfo',
      'default',
      '-p',
      '{"spec":{"clusterType":"other"}}',
    );
    const refused = await migrateTarget('import', '-f', file);
    expect(refused.code).toBe(1);
    expect(refused.errors).toMatch(
      /^NetworkPolicy\/shop\/frontend: it is there already with another content\n {2}fix: .*--overwrite/,
    );
    const type = ['get', 'clusterinfo', 'default', '-o', 'jsonpath={.spec.clusterType}'];
    expect((await run('--datastore', other, ...type)).output).toBe('other');
    expect((await migrateTarget('check', '-f', file)).output).toMatch(
      /different {2}NetworkPolicy\/shop\/frontend\n/,
    );
    expect((await migrateTarget('import', '-f', file, '--overwrite')).output).toMatch(
      /^Created 0, changed 2, left 2/,
    );
    expect((await run('--datastore', other, ...type)).output).toBe('bgp');
  });

  it('reports what is extra', async () => {
    await migrate('lock');
    const { output } = await migrate('export');
    const less = fixture.file('less.yaml', output.split('---\n').slice(1).join('---\n'));
    expect((await migrate('check', '-f', less)).output).toMatch(
      /^extra {6}IPPool\/pool-1\n1 differences in 3/,
    );
  });

  it('refuses to lose what is stored and invalid', async () => {
    await migrate('lock');
    writeFileSync(join(fixture.datastore, 'ippools', 'broken.yaml'), 'spec: [\n');
    const refused = await migrate('export');
    expect(refused.code).toBe(1);
    expect(refused.output).toBe('');
    expect(refused.errors).toContain('IPPool/broken is stored but invalid');
    expect((await migrate('export', '--to', `file://${target}`)).errors).toContain('Nothing was written');
  });

  it.each([
    [['import'], 'give either a file or another datastore'],
    [['import', '-f', 'x', '--from', 'y'], 'give either a file or another datastore'],
    [['import', '-f', '/nonexistent'], 'cannot read /nonexistent'],
    [['check'], 'fix: use -f FILE, or --with URL'],
  ])('refuses %j', async (args, message) => {
    const { code, errors } = await migrate(...args);
    expect(code).toBe(1);
    expect(errors).toContain(message);
  });
});
