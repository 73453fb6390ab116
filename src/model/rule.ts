/** Rules of policies and profiles. */
import * as z from 'zod';
import * as field from './fields.ts';
import { once } from './kinds/definition.ts';
import type { Immutable } from './resource.ts';

const maximumNets = 256;
const maximumPorts = 50;

const entityRule = once(() =>
  z
    .strictObject({
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
          name: z.string().exactOptional().describe('Name of the Kubernetes Service.'),
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
    })
    .describe('One side of a rule. All fields must match.'),
);

const icmp = once(() =>
  z.strictObject({
    type: z.int().min(0).max(254).exactOptional().describe('ICMP type.'),
    code: z.int().min(0).max(255).exactOptional().describe('ICMP code; needs a type.'),
  }),
);

const httpPath = once(() =>
  z.strictObject({
    exact: z.string().exactOptional().describe('The whole path.'),
    prefix: z.string().exactOptional().describe('How the path begins.'),
  }),
);

export const rule = once(() =>
  z
    .strictObject({
      action: z
        .enum(['Allow', 'Deny', 'Log', 'Pass'])
        .describe('What to do with a packet that matches; `Pass` goes to the next tier, `Log` goes on.'),
      ipVersion: z.literal([4, 6]).exactOptional().describe('Only IPv4 or only IPv6.'),
      protocol: field.protocol().exactOptional().describe('IP protocol by name or number.'),
      notProtocol: field.protocol().exactOptional().describe('Any IP protocol but this.'),
      icmp: icmp().exactOptional().describe('ICMP type and code; needs protocol ICMP or ICMPv6.'),
      notICMP: icmp().exactOptional().describe('Any ICMP type and code but this.'),
      source: entityRule().exactOptional().describe('Where the packet comes from.'),
      destination: entityRule().exactOptional().describe('Where the packet goes to.'),
      http: z
        .strictObject({
          methods: z
            .array(z.string())
            .max(20)
            .exactOptional()
            .describe('HTTP methods, any of which matches.'),
          paths: z.array(httpPath()).max(20).exactOptional().describe('HTTP paths, any of which matches.'),
        })
        .exactOptional()
        .describe('HTTP requests, for an application-layer proxy; the kernel cannot match them.'),
      metadata: z
        .strictObject({
          annotations: field.labelMap().exactOptional().describe('Notes for people and tools.'),
        })
        .exactOptional()
        .describe('Notes on the rule.'),
    })
    .describe('A match and what to do then.'),
);

export const policyTypes = once(() =>
  z
    .array(z.enum(['Ingress', 'Egress']))
    .describe('The directions in which the policy applies; by default those that have rules, else Ingress.'),
);

export type Rule = Immutable<z.output<ReturnType<typeof rule>>>;
export type EntityRule = Immutable<z.output<ReturnType<typeof entityRule>>>;
export type PolicyType = 'Ingress' | 'Egress';
