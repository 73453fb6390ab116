import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/sys/process.ts';
import { CtlFixture } from './fixture-ctl.ts';

const RESOURCES = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool-1}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: frontend, namespace: shop}
spec: {selector: all()}
`;

describe('completion', () => {
  let fixture: CtlFixture;
  beforeAll(async () => {
    fixture = new CtlFixture();
    await fixture.run(['create', '-f', fixture.file('all.yaml', RESOURCES)]);
  });
  afterAll(() => fixture.dispose());

  async function words(line: string): Promise<string[]> {
    const { output } = await fixture.run(['__complete', '--', ...line.split(' ')]);
    return output
      .split('\n')
      .slice(0, -1)
      .map((each) => each.split('\t')[0]!);
  }

  it.each([
    ['ge', ['get']],
    ['p', ['patch', 'policy']],
    ['datastore migrate ', ['export', 'import', 'check', 'lock', 'unlock']],
    ['--datastore x ge', ['get']],
    ['get ippoo', ['ippools']],
    ['get ippools ', ['pool-1']],
    ['get np -n shop f', ['frontend']],
    ['get np --namespace=shop ', ['frontend']],
    ['get np ', []],
    ['delete ippools p', ['pool-1']],
    ['patch ippools pool-1 --ty', ['--type']],
    ['patch ippools pool-1 --type ', ['strategic', 'json', 'merge']],
    ['get np -o j', ['json', 'jsonpath=']],
    ['apply --dry-run s', ['server']],
    ['apply -f ', []],
    ['completion f', ['fish']],
    ['get --all', ['--all-namespaces', '--allow-version-mismatch']],
    ['__', []],
  ])('margayctl %s', async (line, candidates) => {
    expect(await words(line)).toEqual(candidates);
  });

  it('prints a script for each shell, and refuses others', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect((await fixture.run(['completion', shell])).output).toContain('margayctl __complete --');
    }
    const { code, errors } = await fixture.run(['completion', 'tcsh']);
    expect(code).toBe(1);
    expect(errors).toContain('Allowed choices are bash, zsh, fish');
  });

  it('gives bash the candidates of the word under the cursor', async () => {
    const script = (await fixture.run(['completion', 'bash'])).output;
    const result = await run('/bin/bash', [
      '-c',
      `
      margayctl() { printf '%s\\n' "asked:$*" >&3; printf 'pool-1\\tIPPool\\npool-2\\tIPPool\\n'; }
      complete() { :; }; compopt() { :; }
      exec 3>&1
      ${script}
      COMP_WORDS=(margayctl get ippools 'po' more); COMP_CWORD=3
      _margayctl
      printf '%s\\n' "\${COMPREPLY[@]}"`,
    ]);
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe('asked:__complete -- get ippools po\npool-1\npool-2\n');
  });
});
