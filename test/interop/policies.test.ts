import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEMO_MEMBERS, DEMO_STEPS } from '../../src/lab/demo-script.ts';
import { DemoWalk } from '../../src/lab/demo-walk.ts';
import { Lab } from '../../src/lab/lab.ts';
import { parseTopology } from '../../src/lab/topology-file.ts';
import { listNamespaces } from '../../src/sys/netns.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BUNDLE = join(ROOT, 'dist/margay.cjs');

describeKernel('the ready-made policies on three hosts', () => {
  let folder: string;
  let lab: Lab;
  let walk: DemoWalk;

  beforeAll(async () => {
    if (!existsSync(BUNDLE)) throw new Error('dist/margay.cjs is missing: npm run build');
    folder = mkdtempSync(join(tmpdir(), 'margay-policies-'));
    const file = join(ROOT, 'examples/three-hosts.yaml');
    const topology = parseTopology(readFileSync(file, 'utf8'), file);
    lab = await Lab.up(
      { ...topology, name: `p${process.pid}`, datastore: 'directory' },
      { runDirectory: folder, program: [process.execPath, BUNDLE] },
    );
    walk = new DemoWalk(lab, join(ROOT, 'policies'));
  });

  afterAll(async () => {
    await lab.down();
    rmSync(folder, { recursive: true });
    expect(listNamespaces().filter((name) => name.startsWith(`margay-p${process.pid}-`))).toEqual([]);
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
