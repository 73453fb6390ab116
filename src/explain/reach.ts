/** Who reaches whom: every workload against every other and against the world outside, on one port. */
import { ConfigError } from '../base/errors.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Family } from '../net/address.ts';
import type { ResolvedEnd } from './ends.ts';
import type { Verdict } from './evaluate.ts';
import { Reachability } from './reachability.ts';

export interface ReachOptions {
  readonly protocol: number;
  readonly port?: number;
  readonly family: Family;
  /** Only from, or only to, the workload of that name. */
  readonly from?: string;
  readonly to?: string;
  /** Also from and to addresses of no workload and no node, in the parts that policy tells apart. */
  readonly outside?: boolean;
}

export interface Reach {
  readonly format: 'margay-reach/v1';
  /**
   * `namespace/pod` of every workload that has an address of the family and was asked for, sorted; then `outside` or
   * its parts.
   */
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** By source, then by destination. A workload always reaches itself. */
  readonly verdicts: readonly (readonly Verdict[])[];
}

/** Answers for every pair of workloads. Throws a ConfigError for one that is not there. */
export function reach(resources: readonly KnownResource[], options: ReachOptions): Reach {
  const all = new Reachability(resources);
  const ends = all.ends(options.family);
  const beyond = options.outside === true ? all.outside(options.family, [all]) : [];
  const only = (name: string | undefined): readonly ResolvedEnd[] => {
    const chosen = name === undefined ? [...ends, ...beyond] : ends.filter((end) => end.name === name);
    if (chosen.length > 0 || name === undefined) return chosen;
    throw new ConfigError(
      'explain.unknown',
      `there is no workload ${name} with an address of IPv${options.family}`,
      {
        fix: 'give NAMESPACE/POD as in `get workloadendpoints -A`',
      },
    );
  };
  const [sources, destinations] = [only(options.from), only(options.to)];
  return {
    format: 'margay-reach/v1',
    sources: sources.map(({ name }) => name),
    destinations: destinations.map(({ name }) => name),
    verdicts: sources.map((from) =>
      destinations.map((to) => all.verdict(from, to, { protocol: options.protocol, port: options.port })),
    ),
  };
}
