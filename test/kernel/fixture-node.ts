/**
 * A node whose dataplane runs for real, driven by resources: workloads on routed veth pairs as a CNI plugin makes
 * them, and a neighbour outside the cluster on a wire of its own.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { ConnectionCutter } from '../../src/agent/connection-cutter.ts';
import { silentLogger } from '../../src/base/log.ts';
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import { Dataplane } from '../../src/dataplane/dataplane.ts';
import { PolicyState } from '../../src/explain/policy-state.ts';
import type { KnownResource } from '../../src/model/registry.ts';
import { keyOf, type ResourceKey } from '../../src/model/resource.ts';
import { resourcesOf } from '../resources-of.ts';
import type { Address, Family } from '../../src/net/address.ts';
import { Conntrack } from '../../src/netlink/conntrack.ts';
import { run, runChecked } from '../../src/sys/process.ts';
import { tcpListenSocket } from '../../src/sys/socket.ts';
import { testNamespace } from './nftables-support.ts';

export const NODE_NAME = 'node-a';
export const NODE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
export const OUTSIDE = { 4: '192.0.2.9', 6: '2001:db8::9' } as const;
const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** Link-local address of that MAC. */
const HOST_LINK_LOCAL = 'fe80::ecee:eeff:feee:eeee';

export type PodAddresses = Readonly<Record<Family, string>>;

/** Everything may pass: what namespaces are without policy. */
const OPEN_PROFILE = `
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: open}
spec: {ingress: [{action: Allow}], egress: [{action: Allow}]}
`;

export interface TestPod {
  readonly name: string;
  readonly namespace: string;
  readonly addresses: PodAddresses;
}

export async function ip(namespace: string, lines: string): Promise<void> {
  for (const line of lines.trim().split('\n')) {
    await runChecked('ip', line.trim().split(/\s+/), { namespace });
  }
}

export class TestNode {
  private readonly graph = new CalcGraph({ nodeName: NODE_NAME });
  private readonly state = new PolicyState();
  private readonly cutter = new ConnectionCutter(this.state, {
    open: () => new Conntrack({ namespace: this.namespace }),
    isHost: (address) => this.dataplane.hasAddress(address),
    hostEndpointAt: (address) => this.dataplane.hostEndpointAt(address),
    hostEndpointsTowards: () => this.dataplane.hostEndpointsTowards(),
    log: silentLogger(),
  });

  private constructor(
    readonly namespace: string,
    /** A host on the wire that is no part of the cluster; its routes to everything lead to the node. */
    readonly outside: string,
    readonly dataplane: Dataplane,
  ) {}

  /** Runs `body` with a node whose first state is `resources` (YAML) and an open profile. */
  static async with(resources: string, body: (node: TestNode) => Promise<void>): Promise<void> {
    const namespace = testNamespace();
    const outside = testNamespace();
    await ip(
      namespace,
      `link set lo up
      link add wire type veth peer name wire netns ${outside}
      link set wire up
      addr add ${NODE[4]}/24 dev wire
      addr add ${NODE[6]}/64 dev wire nodad`,
    );
    await ip(
      outside,
      `link set lo up
      link set wire up
      addr add ${OUTSIDE[4]}/24 dev wire
      addr add ${OUTSIDE[6]}/64 dev wire nodad
      route add default via ${NODE[4]}
      -6 route add default via ${NODE[6]}`,
    );
    await ip(namespace, `route add default via ${OUTSIDE[4]}\n -6 route add default via ${OUTSIDE[6]}`);
    const dataplane = await Dataplane.open({ namespace, tableOwnership: true, log: silentLogger() });
    const node = new TestNode(namespace, outside, dataplane);
    try {
      await node.apply(`${OPEN_PROFILE}\n---\n${resources}`);
      await body(node);
    } finally {
      node.cutter.close();
      dataplane.close();
    }
  }

  /** Takes resources in and resolves when they are in force. */
  async apply(text: string): Promise<void> {
    for (const resource of resourcesOf(text)) this.graph.update(keyOf(resource), resource);
    await this.settle();
  }

  /** Deletes resources and resolves when that is in force. */
  async remove(...keys: readonly ResourceKey[]): Promise<void> {
    for (const key of keys) this.graph.update(key, undefined);
    await this.settle();
  }

  /** Makes a workload: its namespace and interface, then its endpoint; its policy is in force when this resolves. */
  async addPod(
    name: string,
    addresses: PodAddresses,
    more: Partial<Record<'labels' | 'spec', string>> = {},
  ): Promise<TestPod> {
    const namespace = await this.wirePod(name, addresses);
    await this.apply(podResource(name, addresses, more));
    return { name, namespace, addresses };
  }

  /** Gives a workload other labels. */
  async relabel(name: string, addresses: PodAddresses, labels: string): Promise<void> {
    await this.apply(podResource(name, addresses, { labels }));
  }

  /** The namespace and interface of a workload, without its endpoint. */
  async wirePod(name: string, addresses: PodAddresses): Promise<string> {
    const namespace = testNamespace();
    await ip(
      this.namespace,
      `link add cali${name} address ${HOST_MAC} type veth peer name eth0 netns ${namespace}
      link set cali${name} addrgenmode none
      link set cali${name} up
      addr add ${HOST_LINK_LOCAL}/64 dev cali${name} nodad`,
    );
    await ip(
      namespace,
      `link set lo up
      link set eth0 addrgenmode none
      link set eth0 up
      addr add fe80::2/64 dev eth0 nodad
      addr add ${addresses[4]}/32 dev eth0
      addr add ${addresses[6]}/128 dev eth0 nodad
      route add 169.254.1.1 dev eth0
      neigh add 169.254.1.1 lladdr ${HOST_MAC} dev eth0
      route add default via 169.254.1.1 dev eth0
      -6 route add default via ${HOST_LINK_LOCAL} dev eth0`,
    );
    return namespace;
  }

  /** Takes resources in and resolves with what changed, when that is in force. */
  async put(...resources: readonly KnownResource[]): Promise<CalcDelta> {
    for (const resource of resources) this.graph.update(keyOf(resource), resource);
    return this.settle();
  }

  private async settle(): Promise<CalcDelta> {
    const delta = this.graph.flush();
    this.dataplane.update(delta);
    this.state.apply(delta);
    this.cutter.follow(delta);
    await this.dataplane.apply();
    await this.cutter.run();
    return delta;
  }
}

export function podKey(name: string): ResourceKey {
  return { kind: 'WorkloadEndpoint', namespace: 'shop', name: `node--a-k8s-${name}-eth0` };
}

export function podResource(
  name: string,
  addresses: PodAddresses,
  { labels = '{}', spec = '' }: Partial<Record<'labels' | 'spec', string>> = {},
): string {
  return `
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: ${podKey(name).name}
  namespace: shop
  labels: ${labels}
spec:
  orchestrator: k8s
  node: ${NODE_NAME}
  pod: ${name}
  endpoint: eth0
  ipNetworks: [${addresses[4]}/32, "${addresses[6]}/128"]
  profiles: [open]
  interfaceName: cali${name}
  ${spec}
`;
}

const ANY_ADDRESS = { 4: '0.0.0.0', 6: '::' } as const;

/** Listens in a namespace; every client is told the address it seems to have. Returns what stops it. */
export async function tellSources(namespace: string, port: number): Promise<() => void> {
  const servers = await Promise.all(
    ([4, 6] as const).map(async (family) => {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.end(`${socket.remoteAddress} ${socket.remotePort}\n`);
      });
      server.listen({ fd: tcpListenSocket({ namespace, address: ANY_ADDRESS[family] as Address, port }) });
      await once(server, 'listening');
      return server;
    }),
  );
  return () => {
    for (const server of servers) server.close();
  };
}

/** What a server of {@link tellSources} says, or undefined if no connection is made within the time. */
export async function ask(namespace: string, host: string, port: number): Promise<string | undefined> {
  const script = `exec 3<>/dev/tcp/${host}/${port} && cat <&3`;
  const { status, stdout } = await run('timeout', ['1', 'bash', '-c', script], { namespace });
  return status === 0 ? stdout.trim() : undefined;
}
