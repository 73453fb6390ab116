/**
 * An esbuild plugin: modules that are loaded when something of them is first used, not when they are imported. Most
 * commands of margayctl need none of these, and Node takes 10 milliseconds to load them.
 */
import { createRequire, isBuiltin } from 'node:module';

const NAMESPACE = 'lazy-imports';

const require = createRequire(import.meta.url);

export function lazyImports(names) {
  return {
    name: NAMESPACE,
    setup(builder) {
      const root = builder.initialOptions.absWorkingDir ?? process.cwd();
      builder.onResolve({ filter: /^[\w:/-]+$/ }, ({ path, namespace }) => {
        const name = isBuiltin(path) ? `node:${path.replace(/^node:/, '')}` : path;
        return names.includes(name) && namespace !== NAMESPACE
          ? { path: name, namespace: NAMESPACE }
          : undefined;
      });
      builder.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
        contents: [
          'let real;',
          `const load = () => (real ??= require(${JSON.stringify(path)}));`,
          // Names one by one, so that copying them (as a bundle does for import) asks for none of them.
          ...Object.keys(require(path)).map(
            (name) =>
              `Object.defineProperty(exports, ${JSON.stringify(name)}, { enumerable: true, get: () => load()[${JSON.stringify(name)}] });`,
          ),
        ].join('\n'),
        loader: 'js',
        resolveDir: root,
      }));
    },
  };
}
