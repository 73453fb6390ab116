/**
 * A node whose policy the kernel enforces for real: the dataplane programs a namespace, from a second one packets go in
 * by one veth and come out by another, or do not. Packets are made by hand and sent through packet sockets, so that
 * any protocol, port and ICMP type can be asked about, hundreds at a time.
 *
 * Connection tracking is off for them: every packet is asked about as the first of its connection, whatever was
 * asked before.
 */
import { silentLogger } from '../../src/base/log.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import { Dataplane } from '../../src/dataplane/dataplane.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { address } from '../../src/net/address.ts';
import { hostPrefix } from '../../src/net/prefix.ts';
import type { RouteKernel } from '../../src/netlink/kernel.ts';
import { NetlinkConnection } from '../../src/netlink/connection.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { NETLINK_NETFILTER, NFT_MSG, messageType } from '../../src/nftables/codec/constants.ts';
import { readGeneration, writeHeader } from '../../src/nftables/codec/objects.ts';
import { SOCK_RAW, close, receiveNow, sendto, setsockopt, socket } from '../../src/sys/libc.ts';
import { createNamespace, deleteNamespace, inNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';
import { writeSysctl } from '../../src/sys/sysctl.ts';
import { frameOf, packetOf, probeOf } from './frame.ts';
import { HostSockets } from './host-sockets.ts';
import { type Place, localPods, type Uplink, topology, uplinks } from './policy-places.ts';

const AF_PACKET = 17;
/** ETH_P_ALL in network order. */
const ALL_PROTOCOLS = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const RECEIVE_BUFFER = 32 * 1024 * 1024;

const NODE_MAC = 'ee:ee:ee:ee:ee:ee';

/** A veth pair: the node's end, and the end that packets are sent from and received at. */
interface Wire {
  readonly name: string;
  readonly mac: string;
  readonly places: readonly Place[];
}

const wires: readonly Wire[] = [
  ...localPods.map((pod, index) => ({ name: pod.interfaceName, mac: macOf(index + 1), places: [pod] })),
  ...uplinks.map(({ name, places }, index) => ({ name, mac: macOf(99 - index), places })),
];

function macOf(index: number): string {
  return `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`;
}

/** What we read of a rule in `nft -j list`. */
interface Counted {
  readonly counter?: { readonly packets: number };
}

interface ListedRule {
  readonly comment?: string;
  readonly expr: readonly Counted[];
}

/** A verdict map with comments and counters at its elements. */
interface ListedMap {
  readonly elem?: readonly (readonly [
    { readonly elem?: Counted & { readonly comment?: string } },
    unknown,
  ])[];
}

interface ListedObject {
  readonly rule?: ListedRule;
  readonly map?: ListedMap;
}

let counter = 0;

export class ProbeLab {
  private sequence = 0;
  /** Probes that must not arrive, by number, until the lab is closed. */
  private readonly forbidden = new Map<number, Packet>();
  private readonly buffer = new Uint8Array(4096);

  private constructor(
    readonly node: string,
    /** The namespace that the other ends of the node's wires are in. */
    readonly pods: string,
    private readonly dataplane: Dataplane,
    private readonly socket: number,
    private readonly host: HostSockets,
    /** Index of each wire's end among the pods. */
    private readonly ends: ReadonlyMap<string, number>,
  ) {}

  static async open({ tableOwnership = true } = {}): Promise<ProbeLab> {
    const names = { node: `mgf-${process.pid}-${counter}-n`, pods: `mgf-${process.pid}-${counter++}-p` };
    createNamespace(names.node);
    createNamespace(names.pods);
    const node = openLinuxKernel({ namespace: names.node });
    const pods = openLinuxKernel({ namespace: names.pods });
    let dataplane: Dataplane | undefined;
    try {
      const ends = await connect(node, pods, names.node, names.pods);
      await runChecked('nft', ['add', 'table', 'inet', 'probes'], { namespace: names.node });
      const chain = '{ type filter hook prerouting priority raw; }';
      await runChecked('nft', ['add', 'chain', 'inet', 'probes', 'untracked', chain], {
        namespace: names.node,
      });
      await runChecked('nft', ['add', 'rule', 'inet', 'probes', 'untracked', 'notrack'], {
        namespace: names.node,
      });
      dataplane = await Dataplane.open({ namespace: names.node, tableOwnership, log: silentLogger() });
      const host = await HostSockets.open(names.node);
      return new ProbeLab(names.node, names.pods, dataplane, openSocket(names.pods), host, ends);
    } catch (error) {
      dataplane?.close();
      deleteNamespace(names.node);
      deleteNamespace(names.pods);
      throw error;
    } finally {
      node.close();
      pods.close();
    }
  }

  /** Has the kernel enforce what changed; resolves when it has acknowledged. */
  async program(delta: CalcDelta): Promise<void> {
    let disturbed = false;
    this.dataplane.onDisturbance = () => (disturbed = true);
    this.dataplane.update(delta);
    await this.dataplane.apply();
    // On a busy machine the events of the world before may be read only now, and say that a route is gone.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (disturbed) await this.dataplane.apply();
    const { problems } = this.dataplane.status();
    if (problems.length > 0) throw new Error(`the dataplane has problems: ${problems.join('; ')}`);
  }

  /** The generation of the node's ruleset: it grows by one with every transaction. */
  async generation(): Promise<number> {
    const connection = new NetlinkConnection({ protocol: NETLINK_NETFILTER, namespace: this.node });
    try {
      const [reply] = await connection.request({
        type: messageType(NFT_MSG.GETGEN),
        body: (writer) => writeHeader(writer, 0),
        operation: () => 'get the generation of the ruleset',
      });
      return readGeneration(reply!.payload);
    } finally {
      connection.close();
    }
  }

  /** Packets counted by the rules of each comment, as nft sees them. */
  async counters(): Promise<Map<string, number>> {
    const text = await runChecked('nft', ['-j', 'list', 'table', 'inet', 'margay'], { namespace: this.node });
    const counters = new Map<string, number>();
    const count = (comment: string | undefined, counted: readonly Counted[]): void => {
      if (comment === undefined) return;
      const packets = counted.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
      counters.set(comment, (counters.get(comment) ?? 0) + packets);
    };
    for (const { rule, map } of (JSON.parse(text) as { nftables: readonly ListedObject[] }).nftables) {
      if (rule !== undefined) count(rule.comment, rule.expr);
      for (const [{ elem }] of map?.elem ?? []) if (elem !== undefined) count(elem.comment, [elem]);
    }
    return counters;
  }

  /**
   * Sends packets and tells which arrived where they should. Those in `expected` are waited for up to `patience`
   * milliseconds; the others only as long as it takes to see that the kernel is idle.
   */
  async probe(packets: readonly Packet[], expected: readonly boolean[], patience = 500): Promise<boolean[]> {
    const first = this.sequence;
    this.sequence += packets.length;
    const arrived = packets.map(() => false);
    let missing = expected.filter(Boolean).length;
    for (const [index, packet] of packets.entries()) this.send(first + index, packet);
    const deadline = Date.now() + patience;
    const receive = (): void => {
      for (const { number, astray } of this.receive()) {
        const index = number - first;
        const earlier = this.forbidden.get(number);
        if (earlier !== undefined) throw new Error(`a packet came late: ${JSON.stringify(earlier)}`);
        // One that may pass may also come late, and then meet other routes than it was sent to.
        if (index < 0 || arrived[index] === true) continue;
        if (astray !== undefined) throw new Error(astray);
        arrived[index] = true;
        if (expected[index] === true) missing--;
      }
    };
    for (receive(); missing > 0 && Date.now() < deadline; receive()) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What arrives is queued before the sender's call returns; a few turns more see what another processor took.
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      receive();
    }
    for (const [index, packet] of packets.entries()) {
      if (arrived[index] !== true && expected[index] !== true) this.forbidden.set(first + index, packet);
    }
    return arrived;
  }

  close(): void {
    this.dataplane.close();
    close(this.socket);
    this.host.close();
    deleteNamespace(this.node);
    deleteNamespace(this.pods);
  }

  /** A packet as a frame, the wire's end that it is sent from, and the hardware address at which it arrives. */
  framed(
    packet: Packet,
    number: number,
  ): { readonly frame: Buffer; readonly end: number; readonly receiver: string } {
    return { ...this.leaving(packet, number), receiver: wireOf(packet.destination).mac };
  }

  private leaving(packet: Packet, number: number): { readonly frame: Buffer; readonly end: number } {
    const wire = wireOf(packet.source);
    const frame = frameOf(packet, number, { source: wire.mac, destination: NODE_MAC });
    return { frame, end: this.ends.get(wire.name)! };
  }

  private send(number: number, packet: Packet): void {
    if (topology.isHost(packet.source)) {
      this.host.send(packetOf(packet, number), packet.destination);
      return;
    }
    const { frame, end } = this.leaving(packet, number);
    sendFrame(this.socket, frame, end);
  }

  /** Numbers of the probes that arrived, and what is wrong if it was at another wire than theirs. */
  private *receive(): Generator<{ readonly number: number; readonly astray: string | undefined }> {
    for (const number of this.host.receive()) yield { number, astray: undefined };
    for (;;) {
      const length = receiveNow(this.socket, this.buffer);
      if (length === undefined) return;
      const probe = probeOf(this.buffer.subarray(0, length));
      if (probe === undefined) continue;
      const { mac } = wireOf(probe.destination);
      const astray =
        probe.receiver === mac ? undefined : `probe to ${probe.destination} came to ${probe.receiver}`;
      yield { number: probe.number, astray };
    }
  }
}

const wireByAddress = new Map(
  wires.flatMap((wire) =>
    wire.places.flatMap((place) => [place[4], place[6]].map((one) => [one, wire] as const)),
  ),
);

function wireOf(place: string): Wire {
  const wire = wireByAddress.get(place);
  if (wire === undefined) throw new Error(`nobody lives at ${place}`);
  return wire;
}

/** Sends a frame by one interface of the namespace of a socket. */
export function sendFrame(fd: number, frame: Buffer, end: number): void {
  // struct sockaddr_ll: u16 family, be16 protocol, s32 interface, u16 hardware type, u8 packet type, u8 length, u8 address[8]
  const link = Buffer.alloc(20);
  link.writeUInt16LE(AF_PACKET, 0);
  link.writeInt32LE(end, 4);
  sendto(fd, frame, link);
}

/** A packet socket that hears every interface of a namespace, but not what it sends itself. */
export function openSocket(namespace: string): number {
  const fd = inNamespace(namespace, () => socket(AF_PACKET, SOCK_RAW, ALL_PROTOCOLS));
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
  return fd;
}

/** Makes every wire, with neighbours known in advance, and the routes that are not the dataplane's. */
async function connect(
  node: RouteKernel,
  pods: RouteKernel,
  nodeName: string,
  podsName: string,
): Promise<Map<string, number>> {
  writeSysctl('net/ipv6/conf/default/disable_ipv6', '1', podsName);
  const ends = new Map<string, number>();
  for (const { name, mac, places } of wires) {
    await node.createLink({
      kind: 'veth',
      name,
      mac: NODE_MAC,
      up: true,
      peer: { name, mac, namespace: podsName },
    });
    const end = (await pods.link(name))!.index;
    await pods.changeLink(end, { up: true });
    ends.set(name, end);
    const near = (await node.link(name))!.index;
    const reached = uplinks.find((uplink) => uplink.name === name)?.gateway ?? places[0]!;
    const known = await node.changeNeighbors(
      ([4, 6] as const).map((family) => ({
        operation: 'replace' as const,
        neighbor: { interface: near, address: address(reached[family]), mac },
      })),
    );
    if (known.failures.length > 0) throw known.failures[0]!.error;
  }
  for (const uplink of uplinks) await leadTo(uplink, node, nodeName);
  return ends;
}

/** Gives an uplink its addresses, and the routes to who is reached by it. */
async function leadTo(
  { name, own, gateway, places }: Uplink,
  node: RouteKernel,
  namespace: string,
): Promise<void> {
  const index = (await node.link(name))!.index;
  await node.addAddress({ interface: index, address: address(own[4]), prefixLength: 24 });
  // Without detection of duplicates, which takes seconds.
  await runChecked('ip', ['-6', 'addr', 'add', `${own[6]}/128`, 'dev', name, 'nodad'], { namespace });
  const { failures } = await node.changeRoutes(
    places.flatMap((place) =>
      ([4, 6] as const).map((family) => ({
        operation: 'add' as const,
        route: {
          destination: hostPrefix(address(place[family])),
          protocol: 4,
          nextHops: [{ gateway: address(gateway[family]), interface: index }],
        },
      })),
    ),
  );
  if (failures.length > 0) throw failures[0]!.error;
}
