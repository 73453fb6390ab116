/**
 * Puts V8's compiled form of a bundle beside its text, inside the one file: a start need not parse what it only runs
 * (10 of 50 milliseconds that margayctl takes beside Node itself). Another Node than the one that built refuses the
 * compiled form and takes the text, which is all there otherwise: slower by those milliseconds, and the same in all else.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const SHEBANG = '#!/usr/bin/env node\n';

/** Runs the commands in one process, so that what they use is compiled, and then writes the compiled form. */
const WARM_UP = `
  const { readFileSync, writeFileSync } = require('node:fs');
  const { Script } = require('node:vm');
  const [, , text, cache, filename, commands] = process.argv;
  const script = new Script(readFileSync(text, 'utf8'), { filename });
  const main = script.runInThisContext();
  process.stdout.write = () => true;
  const rest = JSON.parse(commands);
  const next = () => {
    const args = rest.shift();
    if (args === undefined) return;
    process.argv = [process.argv[0], filename, ...args];
    const module = { exports: {} };
    main(module.exports, require, module, filename, '.');
  };
  // Commands end when nothing is left to wait for; then the next one begins.
  process.on('beforeExit', next);
  process.on('exit', (code) => {
    if (code === 0) writeFileSync(cache, script.createCachedData());
  });
  next();
`;

/**
 * Rewrites a CommonJS bundle. `commands` are command lines that must succeed, each with the folder that `prepare`
 * filled in place of `{}`.
 */
export function addCodeCache(file, { prepare, commands }) {
  const folder = mkdtempSync(join(tmpdir(), 'margay-code-cache-'));
  try {
    const text = readFileSync(file, 'utf8')
      .replace(SHEBANG, '')
      .replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
    const whole = `(function (exports, require, module, __filename, __dirname) {${text}\n})`;
    const [textFile, cacheFile, warmUp] = ['text', 'cache', 'warm-up.cjs'].map((name) => join(folder, name));
    writeFileSync(textFile, whole);
    writeFileSync(warmUp, WARM_UP);
    const data = join(folder, 'data');
    mkdirSync(data);
    prepare(data);
    const lines = commands.map((words) => words.map((word) => word.replaceAll('{}', data)));
    const name = basename(file);
    const { status, stderr } = spawnSync(
      process.execPath,
      [warmUp, textFile, cacheFile, name, JSON.stringify(lines)],
      { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] },
    );
    if (status !== 0) throw new Error(`${name}: the commands for its code cache failed: ${stderr}`);
    const cache = readFileSync(cacheFile).toString('base64');
    const loader = `new (require('node:vm').Script)(${JSON.stringify(whole)}, { filename: __filename, cachedData: Buffer.from(${JSON.stringify(cache)}, 'base64') }).runInThisContext()(exports, require, module, __filename, __dirname);\n`;
    writeFileSync(file, `${SHEBANG}'use strict';\n${loader}`, { mode: 0o755 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
