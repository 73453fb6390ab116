/** What may not be changed or deleted once it exists (model/changes.ts), as errors of a command. */
import { ConfigError } from '../base/errors.ts';
import { changeFaults, deletionFaults } from '../model/changes.ts';
import { formatPath } from '../model/problem.ts';
import { isKnown } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';

/** Throws a ConfigError if a field differs that cannot change. */
export function requireChangeable(before: Resource, after: Resource): void {
  if (!isKnown(before) || !isKnown(after)) return;
  const [fault] = changeFaults(before, after);
  if (fault === undefined) return;
  const to = fault.found === undefined ? '' : ` to ${fault.found}`;
  throw new ConfigError(
    'ctl.fixed',
    `${before.kind}(${before.metadata.name}): ${formatPath(fault.path)} ${fault.message}${to}`,
    { fix: fault.fix },
  );
}

/** Throws a ConfigError for what always exists. */
export function requireDeletable(resource: Resource): void {
  const [fault] = deletionFaults(resource);
  if (fault !== undefined) throw new ConfigError('ctl.built-in', fault.message, { fix: fault.fix });
}
