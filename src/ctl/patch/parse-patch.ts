/** The text of a patch: JSON, or YAML as kubectl takes it too. */
import { parse } from 'yaml';
import { ConfigError } from '../../base/errors.ts';
import type { Json } from './json.ts';

/** Throws a ConfigError for what is neither. */
export function parsePatchText(text: string): Json {
  let value: unknown;
  try {
    value = parse(text, { strict: true, uniqueKeys: true });
  } catch (cause) {
    throw new ConfigError('ctl.patch', 'the patch is neither JSON nor YAML', {
      cause,
      fix: `quote it for the shell: -p '{"spec": {"order": 10}}'`,
    });
  }
  if (typeof value === 'object' && value !== null) return value as Json;
  throw new ConfigError('ctl.patch', 'the patch is neither a map nor a list', {
    fix: `write -p '{"spec": {"order": 10}}', or with --type json a list of operations`,
  });
}
