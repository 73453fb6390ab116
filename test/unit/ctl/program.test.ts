import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CtlFixture } from './fixture-ctl.ts';
import { CHANGED, GOOD, HALF, KUBERNETES, SCENES, TIER } from './scenes.ts';

describe('margayctl', () => {
  let fixture: CtlFixture;

  beforeEach(() => {
    fixture = new CtlFixture();
    const pool = GOOD.split('---\n')[1]!;
    const cluster = (version: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {calicoVersion: "${version}"}\n`;
    for (const [name, text] of [
      ['good.yaml', GOOD],
      ['half.yaml', HALF],
      ['changed.yaml', CHANGED],
      ['pool.yaml', pool],
      ['empty.yaml', '# nothing\n'],
      ['patch.yaml', 'spec: {vxlanMode: Always}\n'],
      ['template', '{.items[0].metadata.name}\n'],
      ['cluster.yaml', cluster('99.1.0')],
      ['calico.yaml', cluster('v3.30.1')],
      ['nested/below/pool.yaml', pool],
      ['kubernetes.yaml', KUBERNETES],
      ['tier.yaml', TIER],
    ] as const) {
      fixture.file(name, text);
    }
  });
  afterEach(() => fixture.dispose());

  it.each(Object.entries(SCENES))('%s', async (_name, steps) => {
    for (const { args, code = 0, output, errors } of steps) {
      const result = await fixture.run(args.split(' '));
      expect({ args, ...result }).toMatchObject({
        args,
        code,
        ...(output === undefined
          ? {}
          : { output: typeof output === 'string' ? output : (expect.stringMatching(output) as unknown) }),
        ...(errors === undefined
          ? {}
          : { errors: typeof errors === 'string' ? errors : (expect.stringMatching(errors) as unknown) }),
      });
    }
  });

  it('colours a diff on a terminal only, and never with NO_COLOR', async () => {
    const plain = await fixture.run(['diff', '-f', '{}/pool.yaml']);
    const coloured = await fixture.run(['diff', '-f', '{}/pool.yaml'], { terminal: true });
    const refused = await fixture.run(['diff', '-f', '{}/pool.yaml'], {
      terminal: true,
      variables: { NO_COLOR: '1' },
    });
    expect(coloured.output).toContain('\u001B[32m+kind: IPPool\u001B[0m');
    expect(plain.output).not.toContain('\u001B');
    expect(refused.output).toBe(plain.output);
  });

  it('watches: what is there, then each change', async () => {
    await fixture.run(['apply', '-f', '{}/pool.yaml']);
    const stop = new AbortController();
    const lines: string[] = [];
    const watching = fixture.run(['get', 'ippool', '-w'], {
      signal: stop.signal,
      onWrite: (text) => lines.push(text.trimEnd()),
    });
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(2);
    await fixture.run(['label', 'ippool', 'pool-1', 'a=b']);
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(3);
    await fixture.run(['delete', 'ippool', 'pool-1']);
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(4);
    stop.abort();
    expect((await watching).code).toBe(0);
    expect(lines.map((line) => line.split(/ +/).slice(0, 2))).toEqual([
      ['EVENT', 'NAME'],
      ['ADDED', 'pool-1'],
      ['MODIFIED', 'pool-1'],
      ['DELETED', 'pool-1'],
    ]);
  });

  it('tells who finds nothing of files that lie where no resource can', async () => {
    mkdirSync(join(fixture.datastore, 'policies'));
    writeFileSync(join(fixture.datastore, 'policies', 'tier.yaml'), TIER);
    const found = await fixture.run(['get', 'tiers']);
    expect(found.code).toBe(0);
    expect(found.errors).toMatch(/^note: .*policies\/tier\.yaml: not read: no kind has a folder "policies"/);
    await fixture.run(['apply', '-f', '{}/tier.yaml']);
    expect((await fixture.run(['get', 'tiers'])).errors).toBe('');
  });

  it('every command has help with examples', async () => {
    for (const command of [
      'get',
      'create',
      'apply',
      'replace',
      'delete',
      'patch',
      'label',
      'validate',
      'diff',
      'fields',
      'crds',
      'completion',
      'version',
    ]) {
      const { code, output } = await fixture.run([command, '--help']);
      expect(code).toBe(0);
      expect(output).toContain(`Examples:\n  margayctl ${command} `);
      expect(output).toContain('Exit code:');
      expect(output.split('\n').filter((line) => line.length > 120)).toEqual([]);
    }
  });
});
