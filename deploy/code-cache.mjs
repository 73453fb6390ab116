/**
 * Puts V8's compiled form of a bundle beside it, in FILE.cache: a start need not parse what it only runs (20 of 50
 * milliseconds that margayctl takes beside Node itself). Without that file, or where another Node than the one that
 * built refuses it, the text is taken, which is all there: slower by those milliseconds, and the same in all else.
 *
 * The text lies in a comment at the end of the bundle, which V8 skips, in sections that are read only when they are
 * asked for. All of it is ASCII: one other character would double what Node has to look at.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const SHEBANG = '#!/usr/bin/env node\n';

/** Name of the section that is run first. */
const MAIN = 'main';

/** The end of a comment, and what stands for it inside of one. */
const COMMENT_END = '*/';
const STAND_IN = '*\u0001/';

/** Runs the commands in one process, so that what they use is compiled, and then writes the compiled forms. */
const WARM_UP = `
  const { readFileSync, writeFileSync } = require('node:fs');
  const { Script } = require('node:vm');
  const [, , folder, filename, commands] = process.argv;
  const scripts = new Map();
  const functions = new Map();
  const loadSection = (name) => {
    if (!scripts.has(name)) {
      scripts.set(name, new Script(readFileSync(folder + '/' + name + '.text', 'latin1'), { filename }));
      functions.set(name, scripts.get(name).runInThisContext());
    }
    return functions.get(name);
  };
  process.stdout.write = () => true;
  const rest = JSON.parse(commands);
  const next = () => {
    const args = rest.shift();
    process.argv = [process.argv[0], filename, ...args];
    const module = { exports: {} };
    loadSection('${MAIN}')(module.exports, require, module, filename, '.', loadSection);
  };
  // Commands end when nothing is left to wait for; then the next one begins, unless the last one failed.
  process.on('beforeExit', () => { if (!process.exitCode && rest.length > 0) setImmediate(next); });
  process.on('exit', (code) => {
    if (code !== 0) return;
    if (rest.length > 0) throw new Error('not all commands were run');
    for (const [name, script] of scripts) writeFileSync(folder + '/' + name + '.cache', script.createCachedData());
  });
  next();
`;

/**
 * Rewrites a CommonJS bundle. Its code may call \`loadSection(NAME)\` for the value of a further section, a text of one
 * expression. \`commands\` are command lines that must succeed and use every section, each with what \`prepare\` gives for
 * \`{NAME}\`.
 */
export async function addCodeCache(file, { sections, prepare, commands }) {
  const folder = mkdtempSync(join(tmpdir(), 'margay-code-cache-'));
  try {
    const code = readFileSync(file, 'utf8').replace(SHEBANG, '');
    const whole = `(function (exports, require, module, __filename, __dirname, loadSection) {${code}\n})`;
    const texts = new Map([[MAIN, whole], ...sections].map(([name, content]) => [name, asciiOf(content)]));
    for (const [name, content] of texts) {
      if (content.includes(STAND_IN))
        throw new Error(`${basename(file)}: ${name} holds what stands for ${COMMENT_END}`);
      writeFileSync(join(folder, `${name}.text`), content);
    }
    const data = join(folder, 'data');
    mkdirSync(data);
    await compile(file, folder, await prepare(data), commands);
    const { text, cache } = packed(folder, texts);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    writeFileSync(`${file}.cache`, cache);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** esbuild leaves other characters only in regular expressions, where an escape means the same. */
function asciiOf(code) {
  return code.replaceAll(
    /[^\0-\x7F]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Leaves the compiled form of each section in the folder. */
async function compile(file, folder, { values, end }, commands) {
  try {
    const lines = commands.map((words) =>
      words.map((word) => word.replaceAll(/\{(\w+)\}/g, (_, value) => values[value])),
    );
    const warmUp = join(folder, 'warm-up.cjs');
    writeFileSync(warmUp, WARM_UP);
    const child = spawn(process.execPath, [warmUp, folder, file, JSON.stringify(lines)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    const [status] = await once(child, 'close');
    if (status !== 0) throw new Error(`${basename(file)}: the commands for its code cache failed: ${errors}`);
  } finally {
    await end();
  }
}

/** The bundle's text, and what goes into FILE.cache: first what names the text, as V8 compares no more than lengths. */
function packed(folder, texts) {
  const hash = createHash('sha256');
  for (const content of texts.values()) hash.update(content);
  const id = hash.digest('hex');
  let body = '';
  const caches = [Buffer.from(id)];
  const table = {};
  for (const [name, content] of texts) {
    const text = content.replaceAll(COMMENT_END, STAND_IN);
    const cache = readFileSync(join(folder, `${name}.cache`));
    const cached = caches.reduce((sum, { length }) => sum + length, 0);
    table[name] = [body.length, body.length + text.length, cached, cached + cache.length];
    body += text;
    caches.push(cache);
  }
  const text = `${SHEBANG}'use strict';
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const file = readFileSync(__filename);
let caches;
try {
  caches = readFileSync(__filename + '.cache');
  if (caches.latin1Slice(0, ${id.length}) !== '${id}') caches = undefined;
} catch {}
const sections = ${JSON.stringify(table)};
const start = file.length - ${body.length + COMMENT_END.length};
const loadSection = (name) => {
  const [from, to, cacheFrom, cacheTo] = sections[name];
  const text = file.latin1Slice(start + from, start + to).replaceAll(${JSON.stringify(STAND_IN)}, '*' + '/');
  const cachedData = caches?.subarray(cacheFrom, cacheTo);
  return new Script(text, { filename: __filename, cachedData }).runInThisContext();
};
loadSection('${MAIN}')(exports, require, module, __filename, __dirname, loadSection);
/*${body}${COMMENT_END}`;
  return { text, cache: Buffer.concat(caches) };
}
