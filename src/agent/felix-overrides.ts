/** FelixConfiguration parameters that this node sets for itself: a file, and above it the environment. */
import { existsSync, readFileSync } from 'node:fs';
import { ConfigError } from '../base/errors.ts';
import { type FelixSettings, felixEnvironment, felixFile } from '../model/felix-settings.ts';

/** Where Felix looks. */
const DEFAULT_FILE = '/etc/calico/felix.cfg';

/** Throws a ConfigError for a file that cannot be read, unless nobody named one, and for what is wrong in either. */
export function felixOverrides(file: string | undefined, environment: NodeJS.ProcessEnv): FelixSettings {
  const path = file ?? DEFAULT_FILE;
  const written = file === undefined && !existsSync(path) ? undefined : felixFile(read(path), path);
  const set = felixEnvironment(environment);
  return {
    spec: { ...written?.spec, ...set.spec },
    unknown: [...(written?.unknown ?? []), ...set.unknown],
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('felix.file', `cannot read ${path}`, {
      cause,
      fix: 'name another file with --felix-config, or leave it out',
    });
  }
}
