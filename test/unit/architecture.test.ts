import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/**
 * What each room may import, besides itself: the table of ARCHITECTURE.md. `(types)` rooms may only be imported with
 * `import type`. Longer names win, so `bgp/wire` is a room of its own within `bgp`.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  net: [],
  base: ['net'],
  sys: ['net', 'base'],
  model: ['net', 'base'],
  datastore: ['net', 'base', 'model'],
  ipam: ['net', 'base', 'model', 'datastore'],
  calc: ['net', 'base', 'model'],
  explain: ['net', 'base', 'model', 'calc'],
  'bgp/wire': ['net', 'base'],
  'bgp/fsm': ['net', 'base', 'bgp/wire'],
  'bgp/rib': ['net', 'base', 'bgp/wire'],
  'bgp/policy': ['net', 'base', 'bgp/wire', 'bgp/rib'],
  'bgp/bfd': ['net', 'base'],
  bgp: ['net', 'base', 'bgp/wire', 'bgp/fsm', 'bgp/rib', 'bgp/policy', 'bgp/bfd', 'netlink', 'sys'],
  netlink: ['net', 'base', 'sys'],
  nftables: ['net', 'base', 'netlink', 'calc (types)'],
  dataplane: ['net', 'base', 'model', 'calc (types)', 'nftables', 'netlink', 'sys'],
  agent: [
    'net',
    'base',
    'sys',
    'model',
    'datastore',
    'ipam',
    'calc',
    'explain',
    'netlink',
    'nftables',
    'dataplane',
    'bgp',
    'bgp/wire',
    'bgp/fsm',
    'bgp/rib',
    'bgp/policy',
  ],
  ctl: ['net', 'base', 'model', 'datastore', 'ipam', 'calc', 'explain'],
  lab: ['net', 'base', 'sys', 'netlink', 'model', 'datastore'],
};

/** Packages and Node modules that only these files or rooms may import, each for the reason given. */
const DOORS: readonly { module: RegExp; only: RegExp; why: string }[] = [
  { module: /^koffi$/, only: /^sys\/libc\.ts$/, why: 'one door to C (design D2)' },
  { module: /^etcd3/, only: /^datastore\/etcd\//, why: 'one door to etcd (design D16)' },
  { module: /^(node:)?child_process$/, only: /^sys\//, why: 'no process but in labs, and through one room' },
  {
    module: /^node:(fs|net|dgram|http|child_process|worker_threads|os)/,
    only: /^(?!model\/|calc\/|explain\/|net\/|nftables\/(render|codec)\/|bgp\/(wire|fsm|rib|policy|bfd)\/)/,
    why: 'pure rooms do no I/O',
  },
];

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const pattern =
    /^\s*(?:import|export)\s+(type\s+)?[^'"();]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    file: relative(SRC, path),
    specifier: match[2] ?? match[3] ?? match[4]!,
    typeOnly: match[1] !== undefined,
  }));
}

function roomOf(file: string): string | undefined {
  return Object.keys(ROOMS)
    .filter((room) => file.startsWith(`${room}/`))
    .toSorted((a, b) => b.length - a.length)[0];
}

const imports = sourceFiles(SRC).flatMap(importsOf);

describe('the rooms of the house', () => {
  it('every source file but the two entries lies in a room of the table', () => {
    const homeless = sourceFiles(SRC)
      .map((path) => relative(SRC, path))
      .filter((file) => roomOf(file) === undefined && !['margay.ts', 'margayctl.ts'].includes(file));
    expect(homeless).toEqual([]);
  });

  it('a room imports only from the rooms that the table allows', () => {
    const violations = imports.flatMap(({ file, specifier, typeOnly }) => {
      const room = roomOf(file);
      if (room === undefined || !specifier.startsWith('.')) return [];
      const target = relative(SRC, resolve(SRC, dirname(file), specifier));
      if (target === '../package.json') return room === 'base' ? [] : [`${file} → ${target}`];
      const targetRoom = roomOf(target);
      const allowed = ROOMS[room]!;
      if (targetRoom === room || (targetRoom !== undefined && allowed.includes(targetRoom))) return [];
      if (typeOnly && allowed.includes(`${targetRoom} (types)`)) return [];
      return [`${file} → ${target}`];
    });
    expect(violations).toEqual([]);
  });

  it('modules with one door are imported through it only', () => {
    const violations = imports.flatMap(({ file, specifier, typeOnly }) =>
      DOORS.filter(({ module, only }) => !typeOnly && module.test(specifier) && !only.test(file)).map(
        ({ why }) => `${file} → ${specifier}: ${why}`,
      ),
    );
    expect(violations).toEqual([]);
  });
});
