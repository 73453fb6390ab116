/**
 * The table of Margay's own policy options, `policy.margay.io/NAME`. On a policy of any kind an option is for that
 * policy; on a FelixConfiguration it is the default of all, resolved over `default`, selected and `node.NAME` objects
 * as Felix' own parameters are. To add an option, add a row.
 */
import { type OptionValues, parseFlag } from './annotation-options.ts';

const rows = {
  flushOnChange: {
    syntax: 'true or false',
    default: 'false: connections that are established go on, whatever policy says later',
    description:
      'Judge the established connections of the endpoints that a policy applies to anew when the policy changes, ' +
      'comes or goes, or when what its selectors select changes. Those that policy now denies are cut: TCP by a ' +
      'reset to whichever end sends next, others silently. All other connections go on undisturbed. On a FelixConfiguration: for ' +
      'every policy that does not say false.',
    parse: parseFlag,
  },
} as const;

/** What policies and FelixConfigurations take. */
export const policyOptions = { domain: 'policy.margay.io', rows } as const;

export type PolicyOptions = OptionValues<typeof rows>;
