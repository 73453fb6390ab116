/**
 * An esbuild plugin that keeps the package etcd3, with all that it needs, as a text inside the bundle, which is
 * compiled only when it is first asked for. Half of a bundle's code is etcd3's; who works on a directory of files should
 * not wait until it is parsed (10 of 45 milliseconds that margayctl takes beside Node itself).
 */
import { build } from 'esbuild';
import { etcd3Protos } from './etcd3-protos.mjs';

const NAMESPACE = 'etcd3-lazy';

/** What our code imports of the package. */
const MODULES = ['etcd3/lib/connection-pool.js', 'etcd3/lib/rpc.js'];

/** With `sections`, the text becomes one of them and is loaded by the bundle's `loadSection` (code-cache.mjs). */
export function etcd3Lazy(sections) {
  return {
    name: 'etcd3-lazy',
    setup(builder) {
      const { absWorkingDir, target } = builder.initialOptions;
      builder.onResolve({ filter: /^etcd3(\/|$)/ }, ({ path, importer }) =>
        MODULES.includes(path)
          ? { path, namespace: NAMESPACE }
          : { errors: [{ text: `${importer} imports ${path}, which etcd3-lazy.mjs does not carry` }] },
      );
      builder.onResolve({ filter: /^all-of-etcd3$/ }, ({ path }) => ({ path, namespace: NAMESPACE }));
      builder.onLoad({ filter: /.*/, namespace: NAMESPACE }, async ({ path }) => {
        if (path !== 'all-of-etcd3') {
          const contents = `module.exports = require('all-of-etcd3')[${JSON.stringify(path)}];`;
          return { contents, loader: 'js' };
        }
        const entry = MODULES.map(
          (name) => `exports[${JSON.stringify(name)}] = require(${JSON.stringify(name)});`,
        );
        const result = await build({
          stdin: { contents: entry.join('\n'), resolveDir: absWorkingDir ?? process.cwd(), loader: 'js' },
          bundle: true,
          platform: 'node',
          ...(target === undefined ? {} : { target }),
          format: 'cjs',
          minifyWhitespace: true,
          minifySyntax: true,
          // Names of functions and classes show in errors.
          keepNames: true,
          legalComments: 'none',
          charset: 'ascii',
          write: false,
          plugins: [etcd3Protos()],
          logLevel: 'silent',
        });
        const text = result.outputFiles[0].text;
        if (sections !== undefined) {
          sections.set('etcd3', `(function (module, exports, require) {${text}\n})`);
          return { contents: `loadSection('etcd3')(module, exports, require);`, loader: 'js' };
        }
        const contents = `
          const { compileFunction } = require('node:vm');
          compileFunction(${JSON.stringify(text)}, ['module', 'exports', 'require'], { filename: 'etcd3.cjs' })(module, exports, require);`;
        return { contents, loader: 'js' };
      });
    },
  };
}
