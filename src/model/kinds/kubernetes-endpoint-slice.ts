/** Kubernetes' EndpointSlice (discovery.k8s.io/v1): which addresses and ports a Service has. */
import * as z from 'zod';
import { familyOf } from '../../net/address.ts';
import * as field from '../fields.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

export const kubernetesEndpointSlice = defineKind({
  kind: 'KubernetesEndpointSlice',
  externalKind: 'EndpointSlice',
  apiVersion: 'discovery.k8s.io/v1',
  plural: 'kubernetesendpointslices',
  aliases: ['endpointslice', 'endpointslices'],
  namespaced: true,
  description: "Some of the endpoints of a Service; Kubernetes' own.",
  layout: 'flat',
  spec: () =>
    z.looseObject({
      addressType: z.enum(['IPv4', 'IPv6', 'FQDN']).describe('What the addresses are.'),
      endpoints: z
        .array(
          z.looseObject({
            addresses: z.array(z.string()).describe('Its addresses, all of which are the same endpoint.'),
            conditions: z
              .looseObject({
                ready: z.boolean().exactOptional().describe('Whether it takes new connections.'),
                serving: z.boolean().exactOptional().describe('Whether it answers.'),
                terminating: z.boolean().exactOptional().describe('Whether it is about to end.'),
              })
              .exactOptional()
              .describe('Its state.'),
            nodeName: z.string().exactOptional().describe('Its node.'),
            zone: z.string().exactOptional().describe('Its zone.'),
          }),
        )
        .default([])
        .describe('The endpoints.'),
      ports: z
        .array(
          z.looseObject({
            name: z.string().exactOptional().describe('Name of the port of the Service.'),
            protocol: z.string().exactOptional().describe('`TCP` (default), `UDP` or `SCTP`.'),
            port: z.int().min(1).max(65535).exactOptional().describe('Port of the endpoints.'),
          }),
        )
        .exactOptional()
        .describe('Ports of all the endpoints.'),
    }),
  check: ({ spec }) => {
    const findings: Finding[] = [];
    for (const [index, { addresses }] of spec.endpoints.entries()) {
      for (const [place, text] of addresses.entries()) {
        if (spec.addressType === 'FQDN') continue;
        const net = field.parseNet(text);
        if (net !== undefined && !net.includes('/') && spec.addressType === `IPv${familyOf(net)}`) continue;
        const path = ['endpoints', index, 'addresses', place];
        findings.push({ path, message: `not an ${spec.addressType} address` });
      }
    }
    return findings;
  },
});

export type KubernetesEndpointSlice = ResourceOf<typeof kubernetesEndpointSlice>;
