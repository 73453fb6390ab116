import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { DEMO_MEMBERS, DEMO_STEPS } from '../../src/lab/demo-script.ts';
import { DemoWalk } from '../../src/lab/demo-walk.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describeKernel('the ready-made policies on three hosts', () => {
  const bench = useLabs();
  let walk: DemoWalk;

  beforeAll(async () => {
    const text = readFileSync(join(ROOT, 'examples/three-hosts.yaml'), 'utf8');
    const lab = await bench.up(
      text.replace('name: three-hosts', 'name: NAME').replace('datastore: etcd', 'datastore: directory'),
    );
    walk = new DemoWalk(lab, join(ROOT, 'policies'));
  });

  it.each(DEMO_STEPS)('$title', async (step) => {
    await walk.change(step);
    const matrix = await walk.matrix(step.expected);
    const rows = DEMO_MEMBERS.map((source) =>
      DEMO_MEMBERS.map((destination) => {
        const cell = matrix.get(source)?.get(destination);
        return cell === undefined ? '-' : { open: '.', closed: 'X', refused: 'r', error: '?' }[cell.seen];
      }).join(''),
    );
    expect(rows).toEqual(step.expected);
  });

  it('every file of policies/ is applied by one of the steps above', () => {
    const applied = new Set(DEMO_STEPS.flatMap(({ apply = [] }) => apply));
    expect([...applied].toSorted()).toEqual(readdirSync(join(ROOT, 'policies')).toSorted());
  });
});
