/** Labs for tests: our own bundle, a directory that is removed afterwards, names that no other test process uses. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { Lab, type UpOptions } from '../../src/lab/lab.ts';
import { parseTopology } from '../../src/lab/topology-file.ts';
import type { Topology } from '../../src/lab/topology.ts';

/** The bundle under test: what `npm run build` made, or what MARGAY_BUNDLE names. */
const BUNDLE = process.env['MARGAY_BUNDLE'] ?? resolve(import.meta.dirname, '../../dist/margay.cjs');

let counter = 0;

/** A name for a lab that no other test process uses. */
export function uniqueLabName(): string {
  return `t${process.pid}-${++counter}`;
}

export interface LabBench {
  readonly options: UpOptions & { readonly runDirectory: string };
  /** Brings a lab up from a text, whose `NAME` becomes a unique name; it is taken down after the tests. */
  up(yaml: string, options?: UpOptions): Promise<Lab>;
}

/** A place for the labs of the surrounding `describe`; whatever is left of them is removed after its tests. */
export function useLabs(): LabBench {
  if (!existsSync(BUNDLE)) throw new Error(`${BUNDLE} is missing: run npm run build first`);
  const runDirectory = join(tmpdir(), `margay-lab-${process.pid}-${++counter}`);
  // Made only when a test runs. Daemons of routers run as users of their own.
  beforeAll(() => {
    mkdirSync(runDirectory, { mode: 0o755 });
  });
  const options = { runDirectory, program: [process.execPath, BUNDLE] };
  const names = new Set<string>();
  afterAll(async () => {
    for (const name of names) {
      if (Lab.exists(name, options)) await Lab.find(name, options).down();
    }
    rmSync(runDirectory, { recursive: true, force: true });
  });
  return {
    options,
    up(yaml, more = {}) {
      const topology: Topology = parseTopology(yaml.replace('NAME', uniqueLabName()));
      names.add(topology.name);
      return Lab.up(topology, { ...options, ...more });
    },
  };
}
