import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { listNamespaces } from '../../src/sys/netns.ts';
import { run } from '../../src/sys/process.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';

const BUNDLE = resolve(import.meta.dirname, '../../dist/margay.cjs');

describeKernel('the demo', () => {
  it('sees what it says, on real etcd and BIRD, and leaves nothing behind', async () => {
    const { status, stdout, stderr } = await run(process.execPath, [BUNDLE, 'lab', 'demo'], {
      timeout: 150_000,
    });
    expect(`${stdout}${stderr}`).toContain('Everything was as said.');
    expect(status).toBe(0);
    expect(listNamespaces().filter((name) => name.startsWith('margay-three-hosts-'))).toEqual([]);
  });
});
