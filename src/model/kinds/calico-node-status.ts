/** CalicoNodeStatus (projectcalico.org/v3): what a node reports of itself, as often as the object asks. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';
import { duplicates } from './duplicates.ts';

const text = () => z.string().exactOptional();

const daemon = once(() =>
  z.looseObject({
    state: text().describe('`Ready` or `NotReady`.'),
    version: text().describe('Version of the BGP daemon.'),
    routerID: text().describe('BGP identifier.'),
    lastBootTime: text().describe('When it started.'),
    lastReconfigurationTime: text().describe('When its configuration last changed.'),
  }),
);

const peers = once(() =>
  z.array(
    z.looseObject({
      peerIP: text().describe('Address of the peer.'),
      type: text().describe('`NodeMesh`, `NodePeer` or `GlobalPeer`.'),
      state: text().describe('State of the session.'),
      since: text().describe('When the state last changed.'),
    }),
  ),
);

const routes = once(() =>
  z.array(
    z.looseObject({
      type: text().describe('`FIB` if it is used for forwarding, else `RIB`.'),
      destination: text().describe('Destination of the route.'),
      gateway: text().describe('Next hop.'),
      interface: text().describe('Interface.'),
      learnedFrom: z
        .looseObject({
          sourceType: text().describe('`Kernel`, `Static`, `Direct`, `NodeMesh` or `BGPPeer`.'),
          peerIP: text().describe('The router that it was learned from.'),
        })
        .exactOptional()
        .describe('Where it comes from.'),
    }),
  ),
);

const count = () => z.int().exactOptional();

export const calicoNodeStatus = defineKind({
  kind: 'CalicoNodeStatus',
  apiVersion: 'projectcalico.org/v3',
  plural: 'caliconodestatuses',
  aliases: ['cns'],
  namespaced: false,
  description: 'A request for reports of a node, and its last report.',
  spec: () =>
    z.strictObject({
      node: field.objectName().describe('The node.'),
      classes: z
        .array(z.enum(['Agent', 'BGP', 'Routes']))
        .min(1)
        .max(3)
        .describe('What to report.'),
      updatePeriodSeconds: z
        .int()
        .min(0)
        .max(86_400)
        .describe('Seconds between reports, at most a day; 0 for none.'),
    }),
  // Written by the node: Calico validates nothing of it, and a newer one may write more.
  status: () =>
    z.looseObject({
      lastUpdated: text().describe('When the node last reported (RFC 3339).'),
      agent: z
        .looseObject({
          birdV4: daemon().exactOptional().describe('BGP for IPv4.'),
          birdV6: daemon().exactOptional().describe('BGP for IPv6.'),
        })
        .exactOptional()
        .describe('The agent.'),
      bgp: z
        .looseObject({
          numberEstablishedV4: count().describe('IPv4 sessions that are established.'),
          numberNotEstablishedV4: count().describe('IPv4 sessions that are not.'),
          numberEstablishedV6: count().describe('IPv6 sessions that are established.'),
          numberNotEstablishedV6: count().describe('IPv6 sessions that are not.'),
          peersV4: peers().exactOptional().describe('IPv4 peers.'),
          peersV6: peers().exactOptional().describe('IPv6 peers.'),
        })
        .exactOptional()
        .describe('BGP sessions.'),
      routes: z
        .looseObject({
          routesV4: routes().exactOptional().describe('IPv4 routes.'),
          routesV6: routes().exactOptional().describe('IPv6 routes.'),
        })
        .exactOptional()
        .describe('Routes that the BGP daemon knows.'),
    }),
  checkEntry: ({ spec }) => duplicates(['spec', 'classes'], spec.classes),
});

export type CalicoNodeStatus = ResourceOf<typeof calicoNodeStatus>;
