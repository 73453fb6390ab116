/** Random packets between the places of a world, aimed at what its rules look at. */
import { type Address, address } from '../../src/net/address.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { portPool } from './policy-pools.ts';
import { type Place, localPods, remotePods, strangers } from './policy-world.ts';
import type { Random } from './random.ts';

const everywhere: readonly Place[] = [...localPods, ...localPods, ...remotePods, ...strangers];

/** A packet from or to a local pod, or both. */
export function makePacket(random: Random): Packet {
  const family = random.chance(0.5) ? 4 : 6;
  const pod = random.one(localPods);
  let other = random.one(everywhere);
  while (other === pod) other = random.one(everywhere);
  const [source, destination] = random.chance(0.5) ? [pod, other] : [other, pod];
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
