/** One random world with its packets, and what the evaluator and the oracle make of them. */
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import type { EndpointWalk } from '../../src/explain/evaluate.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { PolicyState } from '../../src/explain/policy-state.ts';
import { keyOf } from '../../src/model/resource.ts';
import { Oracle } from '../oracle/oracle.ts';
import type { Defect } from './defect.ts';
import { NodeWalk } from './node-walk.ts';
import { makePacket, makeSettledPacket } from './policy-packets.ts';
import { localPods, thisNode, topology } from './policy-places.ts';
import { type Document, decodeDocuments, makeDocuments } from './policy-world.ts';
import { Random } from './random.ts';

export interface Trial {
  readonly documents: readonly Document[];
  readonly packets: readonly Packet[];
  /** Share of the packets that the oracle lets pass, of those that policy is asked about. */
  readonly passing: number;
}

const fewestPassing = 0.25;
const mostPassing = 0.75;
const localNets = new Set(localPods.flatMap((pod) => [pod[4], pod[6]]));

/** Packets about which no policy is asked, or may not be: they count for no share. */
const settledCount = 6;

/** Every so many seeds the world has host endpoints. */
const seedsToHosts = 3;

/** The world of a seed: the first of its sequence in which a quarter to three quarters of the packets pass. */
export function makeTrial(seed: number, packetCount: number, hosts = seed % seedsToHosts === 0): Trial {
  const random = new Random(seed);
  for (;;) {
    const documents = makeDocuments(random, hosts);
    const oracle = new Oracle(decodeDocuments(documents), thisNode, topology);
    const known = knownAddresses(documents);
    const some = (count: number, make: typeof makePacket): Packet[] => {
      const packets: Packet[] = [];
      while (packets.length < count) {
        const packet = make(random, hosts);
        const sound = [packet.source, packet.destination].every(
          (place) => !localNets.has(place) || known.has(place),
        );
        if (sound) packets.push(packet);
      }
      return packets;
    };
    const packets = some(packetCount, makePacket);
    const passing = packets.filter((packet) => oracle.judge(packet)).length / packetCount;
    if (passing < fewestPassing || passing > mostPassing) continue;
    return { documents, packets: [...packets, ...some(settledCount, makeSettledPacket)], passing };
  }
}

/** Addresses of workloads: from and to others the kernel lets nothing through, policy or not. */
function knownAddresses(documents: readonly Document[]): Set<string> {
  return new Set(
    documents
      .filter(({ kind }) => kind === 'WorkloadEndpoint')
      .flatMap(({ spec }) => (spec['ipNetworks'] as string[]).map((net) => net.split('/')[0]!)),
  );
}

export function oracleVerdicts(documents: readonly Document[], packets: readonly Packet[]): boolean[] {
  const oracle = new Oracle(decodeDocuments(documents), thisNode, topology);
  return packets.map((packet) => oracle.judge(packet));
}

/** What the node should be, as the calculation says it for documents alone. */
export function calculate(documents: readonly Document[], defect?: Defect): CalcDelta {
  const graph = new CalcGraph({ nodeName: thisNode });
  const written = defect?.documents === undefined ? documents : defect.documents(structuredClone(documents));
  for (const resource of decodeDocuments(written)) graph.update(keyOf(resource), resource);
  return graph.flush();
}

export interface Evaluation {
  readonly allowed: boolean;
  readonly walks: readonly EndpointWalk[];
}

/** Walks packets past the host endpoints that they meet, the egress of their source and the ingress of their destination. */
export function evaluate(delta: CalcDelta, packets: readonly Packet[]): Evaluation[] {
  const state = new PolicyState();
  state.apply(delta);
  if (delta.felix === undefined) throw new Error('the first calculation has no parameters');
  const node = new NodeWalk(state, delta.felix);
  return packets.map((packet) => {
    const walks = node.walk(packet);
    if (walks.some(({ verdict }) => verdict === 'unknown'))
      throw new Error(`a whole packet left the evaluator in doubt: ${JSON.stringify(packet)}`);
    return { allowed: walks.every(({ verdict }) => verdict === 'allow'), walks };
  });
}
