/** One side of a rule: which addresses and ports it means. */
import * as z from 'zod';
import * as field from './fields.ts';
import { once } from './kinds/definition.ts';
import type { Immutable } from './resource.ts';

const maximumNets = 256;
const maximumPorts = 50;

const entityShape = once(() =>
  z.strictObject({
    nets: z
      .array(field.net())
      .max(maximumNets)
      .exactOptional()
      .describe("Addresses and CIDRs, any of which must hold the packet's address."),
    selector: field
      .selector()
      .exactOptional()
      .describe("Endpoints and network sets by label, any of which must hold the packet's address."),
    namespaceSelector: field
      .namespaceSelector()
      .exactOptional()
      .describe(
        'Narrows `selector` to namespaces with these labels; `global()` means no namespace. In a namespaced ' +
          "policy its absence means the policy's own namespace.",
      ),
    services: z
      .strictObject({
        name: z.string().describe('Name of the Kubernetes Service.'),
        namespace: z.string().exactOptional().describe("Its namespace; by default the policy's own."),
      })
      .exactOptional()
      .describe('The endpoints of a Kubernetes Service. Not together with other ways to select addresses.'),
    ports: z
      .array(field.port())
      .max(maximumPorts)
      .exactOptional()
      .describe('Port numbers, ranges (`first:last`) or named ports, any of which must match.'),
    notNets: z
      .array(field.net())
      .max(maximumNets)
      .exactOptional()
      .describe("Addresses and CIDRs, none of which may hold the packet's address."),
    notSelector: field
      .selector()
      .exactOptional()
      .describe('Negates a whole selection: addresses that are unknown to the datastore match as well.'),
    notPorts: z
      .array(field.port())
      .max(maximumPorts)
      .exactOptional()
      .describe('Ports, none of which may match.'),
    serviceAccounts: z
      .strictObject({
        names: z
          .array(z.string())
          .exactOptional()
          .describe('Names of service accounts, any of which matches.'),
        selector: field.selector().exactOptional().describe('Service accounts by label.'),
      })
      .exactOptional()
      .describe('Narrows the selection to pods that run as these service accounts.'),
  }),
);

export type EntityRule = Immutable<z.output<ReturnType<typeof entityShape>>> & {
  /** Nodes by label. Not a field of Calico's: only rules that are converted from ClusterNetworkPolicy have it. */
  readonly nodes?: string;
};

/** One side of a rule. */
export const entityRule = once(() =>
  field.across(entityShape(), checkEntity).describe('One side of a rule. All fields must match.'),
);

/** What a reference to a Service cannot be combined with. */
const otherSelections = [
  'nets',
  'notNets',
  'selector',
  'notSelector',
  'namespaceSelector',
  'serviceAccounts',
] as const;

function checkEntity(entity: Partial<EntityRule>, context: z.RefinementCtx): void {
  for (const other of otherSelections) {
    if (entity.services !== undefined && entity[other] !== undefined) {
      field.fault(context, `${other} cannot be combined with services`, {}, [other]);
    }
  }
  for (const [index, net] of (entity.notNets ?? []).entries()) {
    if (net.endsWith('/0'))
      field.fault(context, 'catch-all CIDR in negation never matches', {}, ['notNets', index]);
  }
}
