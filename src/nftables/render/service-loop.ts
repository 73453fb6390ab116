/**
 * Packets to addresses of services that no service translated: this node would send them to its default route, which
 * may send them back, because the node advertises the range (Calico felix `ServiceLoopPrevention`).
 */
import type { SetId } from '../../calc/output.ts';
import type { ChainValue, Rule } from '../ruleset.ts';
import type { RenderOptions } from './options.ts';
import type { KnownSets } from './rule.ts';
import { reference } from './set-names.ts';

export const SERVICE_LOOP_CHAIN = 'service-loop';
/** Behind all policy of the forward hook. */
const PRIORITY = 3;

/** The chain; undefined while nothing is to be done. */
export function serviceLoopChain(
  services: SetId | undefined,
  { serviceLoop, families }: RenderOptions,
  known: KnownSets,
): ChainValue | undefined {
  if (services === undefined || serviceLoop === undefined) return undefined;
  const rules = families.map((family): Rule => ({
    comment: 'address of a service that does not exist here',
    expr: [
      {
        match: {
          op: '==',
          left: { payload: { protocol: family === 4 ? 'ip' : 'ip6', field: 'daddr' } },
          right: reference({ name: known.addressSetName(services, family) }),
        },
      },
      { counter: null },
      serviceLoop === 'drop' ? { drop: null } : { reject: { type: 'icmpx', expr: 'port-unreachable' } },
    ],
  }));
  return {
    name: SERVICE_LOOP_CHAIN,
    comment: 'packets to services that no service translated',
    base: { type: 'filter', hook: 'forward', prio: PRIORITY, policy: 'accept' },
    rules,
  };
}
