/**
 * The topology of a lab as its author writes it: hosts, wires, routers, clients and workloads. The schema gives the
 * type, the defaults and the faults; what depends on several fields at once is checked in topology-checks.ts.
 */
import * as z from 'zod';
import * as field from '../model/fields.ts';
import { once } from '../model/kinds/definition.ts';

/** A map by name; names are checked in topology-checks.ts, which can say more about them. */
const byName = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value);

const port = () =>
  z.strictObject({
    name: z.string().exactOptional().describe('What policies may call it.'),
    port: field.portNumber(),
    protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
  });

const addresses = () =>
  z
    .record(z.string(), z.array(field.anyAddress()))
    .default({})
    .describe('Fixed addresses by segment; the others are given in order.');

/** Routers, by what runs in them. `margay` is our own agent without workloads. */
export const ROUTER_SOFTWARE = ['bird', 'frr', 'gobgp', 'margay'] as const;

export const topologySchema = once(() =>
  z.strictObject({
    name: z.string().describe('Part of the name of everything the lab makes.'),
    datastore: z.enum(['directory', 'etcd']).default('directory'),
    bgp: z.boolean().default(true).describe('Without it the lab writes static routes between the hosts.'),
    asNumber: field.asNumber().default(64512).describe('AS number of the hosts.'),
    mesh: z.boolean().default(true).describe('Whether every host peers with every other.'),
    pools: z
      .array(
        z.strictObject({
          cidr: field.maskedPrefix(),
          blockSize: z.int().exactOptional().describe('Prefix length of the block that each host gets.'),
          natOutgoing: z.boolean().default(false),
        }),
      )
      .default([]),
    segments: byName(z.strictObject({ subnets: z.array(field.maskedPrefix()).min(1).max(2) })),
    hosts: byName(
      z.strictObject({
        segments: z.array(z.string()).min(1),
        addresses: addresses(),
        gateway: z.string().exactOptional().describe('Router of the default route.'),
        labels: field.labelMap().default({}),
      }),
    ),
    routers: byName(
      z.strictObject({
        software: z.enum(ROUTER_SOFTWARE),
        asNumber: field.asNumber(),
        segments: z.array(z.string()).min(1),
        addresses: addresses(),
        gracefulRestart: z.boolean().default(true),
        sessions: z
          .enum(['one', 'per-family'])
          .default('per-family')
          .describe('Whether one session carries both families, or each has its own.'),
        advertise: z
          .array(field.maskedPrefix())
          .exactOptional()
          .describe('Prefixes to announce; by default the segments that have no hosts.'),
      }),
    ).default({}),
    clients: byName(
      z.strictObject({
        segments: z.array(z.string()).min(1),
        addresses: addresses(),
        gateway: z.string().exactOptional(),
        ports: z.array(port()).default([]),
      }),
    ).default({}),
    namespaces: byName(z.strictObject({ labels: field.labelMap().default({}) })).default({}),
    workloads: z
      .record(
        z.string(),
        z.strictObject({
          host: z.string(),
          labels: field.labelMap().default({}),
          serviceAccount: z.string().default('default'),
          ports: z.array(port()).default([]),
          ips: z
            .array(field.anyAddress())
            .exactOptional()
            .describe('By default the next free address of each block of the host.'),
        }),
      )
      .default({})
      .describe('By NAMESPACE/NAME.'),
    resources: z
      .array(z.record(z.string(), z.unknown()))
      .default([])
      .describe('More to write into the datastore, such as policies.'),
  }),
);

/** The network namespace that etcd runs in. */
export const DATASTORE_MACHINE = 'etcd';

export type Topology = z.output<ReturnType<typeof topologySchema>>;
export type RouterSoftware = (typeof ROUTER_SOFTWARE)[number];
export type TopologyPort = Topology['clients'][string]['ports'][number];
