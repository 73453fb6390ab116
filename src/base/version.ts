/** Our own version, from package.json (inlined into the bundles). */
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
