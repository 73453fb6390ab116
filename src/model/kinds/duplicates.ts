/** Lists whose entries must differ: Kubernetes calls them sets. */
import type { Finding } from './definition.ts';

/** A finding for every entry that was there before. */
export function duplicates(
  path: Finding['path'],
  entries: readonly (string | number)[] | undefined,
): Finding[] {
  const seen = new Set<string | number>();
  const findings: Finding[] = [];
  for (const [index, entry] of (entries ?? []).entries()) {
    if (seen.has(entry)) findings.push({ path: [...path, index], message: 'duplicate entry' });
    seen.add(entry);
  }
  return findings;
}
