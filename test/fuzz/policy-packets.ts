/** Random packets between the places of a world, aimed at what its rules look at. */
import { type Address, address } from '../../src/net/address.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { portPool, vxlanPorts } from './policy-pools.ts';
import { type Place, hostPlaces, localPods, remotePods, strangers, uplinks } from './policy-places.ts';
import type { Random } from './random.ts';

const beyond: readonly Place[] = [...remotePods, ...strangers];
const everywhere: readonly Place[] = [...localPods, ...localPods, ...beyond];

/** A packet from or to a local pod, or both; of `hosts`, also one from or to the node itself, or only passing it. */
export function makePacket(random: Random, hosts: boolean): Packet {
  const family = random.chance(0.5) ? 4 : 6;
  const [source, destination] = hosts && random.chance(0.6) ? hostEnds(random) : podEnds(random);
  const between: { source: Address; destination: Address } = {
    source: address(source[family]),
    destination: address(destination[family]),
  };
  const protocol = random.one([
    6,
    6,
    6,
    6,
    6,
    17,
    17,
    17,
    132,
    136,
    47,
    'icmp',
    'icmp',
    'icmp',
    'icmp',
  ] as const);
  if (protocol === 'icmp') {
    const type = random.one(family === 4 ? [0, 3, 8, 8] : [1, 128, 128, 129]);
    return { ...between, protocol: family === 4 ? 1 : 58, icmp: { type, code: random.integer(0, 1) } };
  }
  if (protocol === 47) return { ...between, protocol };
  return {
    ...between,
    protocol,
    sourcePort: random.chance(0.5) ? random.one(portPool) : random.integer(1024, 65535),
    destinationPort: random.chance(0.85) ? random.one(portPool) : random.integer(1, 65535),
  };
}

/** A packet that the table may settle itself: of a tunnel, or ICMPv6 to the node that IPv6 needs. */
export function makeSettledPacket(random: Random, hosts: boolean): Packet {
  const packet = makePacket(random, hosts);
  const { source, destination } = packet;
  const between = { source, destination };
  if (hosts && random.chance(0.4)) {
    const type = random.one([130, 131, 132, 133, 134, 135, 136, 137, 143]);
    return {
      source: address(random.one(localPods)[6]),
      destination: address(random.one(hostPlaces)[6]),
      protocol: 58,
      icmp: { type, code: 0 },
    };
  }
  if (random.chance(0.4)) return { ...between, protocol: 4 };
  const sourcePort = random.integer(1024, 65535);
  return { ...between, protocol: 17, sourcePort, destinationPort: random.one(vxlanPorts) };
}

function podEnds(random: Random): readonly [Place, Place] {
  const pod = random.one(localPods);
  let other = random.one(everywhere);
  while (other === pod) other = random.one(everywhere);
  return random.chance(0.5) ? [pod, other] : [other, pod];
}

/** Who is beyond one interface of the node, and who is beyond another, or is the node, or its pod. */
function hostEnds(random: Random): readonly [Place, Place] {
  const other = random.one(beyond);
  const uplink = uplinks.find(({ places }) => places.includes(other))!;
  const near = random.one<Place>([
    uplink.own,
    uplink.own,
    uplink.own,
    random.one(localPods),
    ...uplinks.filter((one) => one !== uplink).map(({ places }) => random.one(places)),
  ]);
  if (near === uplink.own && random.chance(0.2)) return [random.one(localPods), near];
  return random.chance(0.5) ? [near, other] : [other, near];
}
