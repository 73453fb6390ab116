/** HostEndpoint (projectcalico.org/v3): the interfaces of a node that policy guards. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { duplicates } from './duplicates.ts';

/** Stands for every interface of the node. */
export const anyInterface = '*';

const interfaceOrAny = () =>
  z.string().superRefine((text, context) => {
    if (text === anyInterface || field.isInterfaceName(text)) return;
    field.fault(context, 'not an interface name', {
      allowed: '"*", or 1 to 15 of letters, digits, "_", "." and "-"',
    });
  });

export const hostEndpoint = defineKind({
  kind: 'HostEndpoint',
  apiVersion: 'projectcalico.org/v3',
  plural: 'hostendpoints',
  aliases: ['hep', 'heps'],
  namespaced: false,
  description: 'An interface of a node, or all of them, that policy applies to.',
  spec: () =>
    field.across(
      z.strictObject({
        node: field.objectName().describe('The node.'),
        interfaceName: interfaceOrAny()
          .exactOptional()
          .describe('The interface, or `*` for all traffic of the node, local workloads included.'),
        expectedIPs: z
          .array(field.anyAddress())
          .exactOptional()
          .describe(
            'Addresses of the endpoint: what selectors resolve to, and how the interface is found when it is not named.',
          ),
        profiles: z.array(field.objectName()).exactOptional().describe('Profiles, in order of evaluation.'),
        ports: z
          .array(
            z.strictObject({
              name: field.portName().describe('What rules call the port.'),
              protocol: field.portProtocol().describe('TCP, UDP or SCTP.'),
              port: field.portNumber().describe('Port number.'),
            }),
          )
          .exactOptional()
          .describe('Named ports.'),
      }),
      (spec, context) => {
        const faulty = context.issues.some(({ path }) =>
          ['interfaceName', 'expectedIPs'].includes(String(path?.[0])),
        );
        if (faulty || spec.interfaceName !== undefined || (spec.expectedIPs?.length ?? 0) > 0) return;
        field.fault(context, 'interfaceName or expectedIPs must be given', {}, ['interfaceName']);
      },
    ),
  checkEntry: ({ spec }) => [
    ...duplicates(['spec', 'expectedIPs'], spec.expectedIPs),
    ...duplicates(['spec', 'profiles'], spec.profiles),
  ],
});

export type HostEndpoint = ResourceOf<typeof hostEndpoint>;
