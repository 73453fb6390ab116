/**
 * The commands behind `npm test`, `npm run demo` and their kin: `node deploy/run.mjs COMMAND [-- arguments]`.
 * Each first brings what it needs (setup.mjs). `npm test` ends with what failed, by name, and with
 * `N passed, N failed, N skipped` on a line of its own.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEBIAN_PACKAGES, ensureDebianPackages, ensureNpmPackages, requireRoot } from './setup.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);
const [command, ...args] = process.argv.slice(2);

function run(program, programArgs, env = {}) {
  const result = spawnSync(program, programArgs, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (result.error !== undefined) console.error(`${program}: ${result.error.message}`);
  return result.status ?? 1;
}

/** What must hold before any test runs; each counts as one test. */
const CHECKS = [
  { name: 'lint', program: 'oxlint', args: ['--type-aware'] },
  { name: 'format', program: 'oxfmt', args: ['--check', '.'] },
  { name: 'types', program: 'tsc', args: ['-p', '.'] },
  { name: 'dead code', program: 'knip', args: [] },
];

/** The names of the tests of a vitest report that failed, and of the files that failed outside of tests. */
function failuresOf(report) {
  return report.testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(root, name);
    const tests = assertionResults.filter((one) => one.status === 'failed');
    if (tests.length === 0 && status === 'failed') return [file];
    return tests.map((one) => `${file}: ${one.fullName}`);
  });
}

/**
 * Runs one vitest project and returns its counts, `failed` being a list of names. A run that ends without a report
 * counts as one failure.
 */
function vitest(project, extra) {
  const folder = mkdtempSync(join(tmpdir(), 'margay-report-'));
  const report = join(folder, 'report.json');
  console.log(`\n== ${project}`);
  const status = run(bin('vitest'), [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...extra,
  ]);
  const counts = { passed: 0, failed: [], skipped: 0 };
  if (existsSync(report)) {
    const parsed = JSON.parse(readFileSync(report, 'utf8'));
    counts.passed = parsed.numPassedTests;
    counts.failed = failuresOf(parsed);
    counts.skipped = parsed.numPendingTests + (parsed.numTodoTests ?? 0);
  }
  rmSync(folder, { recursive: true, force: true });
  // A file that fails outside its tests (an import, a hook, an unhandled error) shows in the status alone.
  if (status !== 0 && counts.failed.length === 0) counts.failed = [`${project}: exit code ${status}`];
  return counts;
}

function test(projects, extra) {
  const total = { passed: 0, failed: /** @type {string[]} */ ([]), skipped: 0 };
  const add = (counts) => {
    total.passed += counts.passed;
    total.failed.push(...counts.failed);
    total.skipped += counts.skipped;
  };
  const check = (name, program, programArgs) => {
    console.log(`== ${name}`);
    const passed = run(program, programArgs) === 0;
    add(passed ? { passed: 1, failed: [], skipped: 0 } : { passed: 0, failed: [name], skipped: 0 });
    return passed;
  };
  if (extra.length === 0) for (const { name, program, args } of CHECKS) check(name, bin(program), args);
  const built = check('build', process.execPath, ['deploy/build.mjs']);
  if (built) for (const project of projects) add(vitest(project, extra));
  const incomplete = process.env.CI === 'true' && total.skipped > 0;
  if (incomplete) console.error('With CI=true nothing may be skipped: see above which tests were, and why.');
  console.log(['', ...total.failed.map((name) => `failed: ${name}`)].join('\n'));
  console.log(`${total.passed} passed, ${total.failed.length} failed, ${total.skipped} skipped`);
  return total.failed.length > 0 || incomplete ? 1 : 0;
}

/** What a script says of itself and its flags in the comment that it begins with. */
function usageOf(file) {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
  return comment.replaceAll(/^ *\* ?/gm, '').trim();
}

/** Runs `FOLDER/NAME.script.ts`, for `npm run bench -- NAME [arguments]`; with `--help` prints what it is. */
function script(folder, names) {
  const ending = '.script.ts';
  const known = readdirSync(join(root, folder))
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length));
  const [name, ...rest] = names;
  if (name === undefined || !known.includes(name)) {
    console.error(`usage: npm run ${command} -- NAME\nnames: ${known.join(', ')}`);
    return 2;
  }
  const file = join(folder, name + ending);
  if (rest.includes('--help')) {
    console.log(usageOf(join(root, file)));
    return 0;
  }
  return run(bin('tsx'), [file, ...rest]);
}

const COMMANDS = {
  test: () => test(['unit', 'kernel', 'interop'], args),
  'test:long': () => test(['long'], args),
  demo: () => {
    if (run(process.execPath, ['deploy/build.mjs']) !== 0) return 1;
    return run(process.execPath, [join('dist', 'margay.cjs'), 'lab', 'demo', ...args]);
  },
  bench: () => script('test/bench', args),
  fuzz: () => script('test/fuzz', args),
};

if (!(command in COMMANDS)) {
  console.error(`usage: node deploy/run.mjs ${Object.keys(COMMANDS).join('|')}`);
  process.exit(2);
}
requireRoot(command);
ensureNpmPackages(root);
ensureDebianPackages(Object.keys(DEBIAN_PACKAGES));
process.exit(COMMANDS[command]());
