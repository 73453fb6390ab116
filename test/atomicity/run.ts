/**
 * Many changes of policy and endpoints under constant probing: no state of the kernel between two that were asked for
 * may show (design D6). A probe that was sent wholly between the acknowledgement of one change and the beginning of
 * the next has one right verdict. One that was sent meanwhile is in flight: it may meet either state, at each of the
 * two hooks that it passes, and hardly ever both in one of them; those are counted apart.
 */
import type { FelixParameters } from '../../src/calc/felix-config.ts';
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta } from '../../src/calc/output.ts';
import { evaluateEndpoint } from '../../src/explain/evaluate.ts';
import { leaveWorkload } from '../../src/explain/leave-workload.ts';
import type { Packet } from '../../src/explain/packet.ts';
import { PolicyState } from '../../src/explain/policy-state.ts';
import type { KnownResource } from '../../src/model/registry.ts';
import { keyOf, keyText } from '../../src/model/resource.ts';
import { makeTrial } from '../fuzz/policy-trial.ts';
import { localPods, thisNode } from '../fuzz/policy-places.ts';
import { type Document, decodeDocuments, makeDocuments } from '../fuzz/policy-world.ts';
import { ProbeLab } from '../fuzz/probe-lab.ts';
import { Random } from '../fuzz/random.ts';
import { type ProbeRecords, startProber } from './prober.ts';

export interface AtomicityOptions {
  readonly seed: number;
  readonly changes: number;
  readonly flows: number;
  readonly tableOwnership: boolean;
  /** Takes endpoints out before it puts them in again, which must be found: what this suite is worth. */
  readonly inTwoSteps?: boolean;
}

export interface AtomicityReport {
  readonly changes: number;
  readonly probes: number;
  /** Those that one state alone could have judged. */
  readonly judged: number;
  readonly allowed: number;
  readonly inFlight: number;
  /** Of those in flight: arrived, though no state that they may have met allows them. Each hook may see another state. */
  readonly inFlightBetween: number;
  /**
   * Of those in flight: lost, though all states that they may have met allow them. nf_tables looks at the generation at
   * each hook and each set, not once for a packet: one may meet the old rules and new sets.
   */
  readonly lostInFlight: number;
  /** The same, while a whole world took the place of another, or a pod that of another at once. */
  readonly lostBetweenWorlds: number;
  /** Of those judged, in words; the first few. */
  readonly wrong: readonly string[];
  readonly wrongProbes: number;
  /** How often the verdict of a flow differs between a state and the next. */
  readonly flips: number;
}

/** A state of the node: when it began to be written and when the kernel had acknowledged it, and who may pass. */
interface State {
  readonly begun: number;
  readonly acknowledged: number;
  readonly verdicts: Uint8Array;
  /** Whether it has hardly anything in common with the state before, or a pod took over the interface of another. */
  readonly world: boolean;
}

const now = (): number => Number(process.hrtime.bigint());

/** Runs on a node of its own, and removes it. */
export async function runAtomicity(options: AtomicityOptions): Promise<AtomicityReport> {
  const lab = await ProbeLab.open(options);
  try {
    const random = new Random(options.seed);
    const { documents, packets } = makeTrial(options.seed, options.flows, false);
    const world = new World(random, packets);
    const program = (delta: CalcDelta): Promise<void> =>
      options.inTwoSteps === true ? programInTwoSteps(lab, delta) : lab.program(delta);
    const states: State[] = [
      await world.change(
        documents.map((document) => ({ document, gone: false })),
        program,
      ),
    ];
    const stop = await startProber(lab, packets);
    for (let change = 0; change < options.changes; change++) {
      states.push(await world.change(world.step(), program));
    }
    return judge(states, await stop(), packets);
  } finally {
    lab.close();
  }
}

interface Change {
  readonly document: Document;
  readonly gone: boolean;
}

function resourceOf(document: Document): KnownResource {
  return decodeDocuments([document])[0]!;
}

function textOf(document: Document): string {
  return keyText(keyOf(resourceOf(document)));
}

async function programInTwoSteps(lab: ProbeLab, delta: CalcDelta): Promise<void> {
  const gone = new Map([...delta.endpoints.keys()].map((key) => [key, undefined] as const));
  const nothing = new Map<string, never>();
  await lab.program({ ...delta, endpoints: gone });
  await lab.program({ ...delta, sets: nothing, policies: nothing, profiles: nothing });
}

/** Resources that walk from one random world to the next, a few at a time. */
class World {
  private readonly graph = new CalcGraph({ nodeName: thisNode });
  private readonly state = new PolicyState();
  private readonly documents = new Map<string, Document>();
  private felix: FelixParameters | undefined;
  /** Flows that the present state lets pass. */
  private passing = 0;

  constructor(
    private readonly random: Random,
    private readonly packets: readonly Packet[],
  ) {}

  /**
   * A few documents of another world, some of which go if this world has them. A world in which too few or too many
   * flows pass is left for another as a whole.
   */
  step(): Change[] {
    const { random } = this;
    const share = this.passing / this.packets.length;
    if (share < 0.25 || share > 0.75) {
      const { documents } = makeTrial(random.integer(1, 1_000_000), this.packets.length, false);
      const left = [...this.documents.values()].map((document) => ({ document, gone: true }));
      return [...left, ...documents.map((document) => ({ document, gone: false }))];
    }
    return random
      .some(makeDocuments(random), 1, MOST_STEPS)
      .map((document) => ({ document, gone: this.documents.has(textOf(document)) && random.chance(0.25) }));
  }

  async change(changes: readonly Change[], program: (delta: CalcDelta) => Promise<void>): Promise<State> {
    let replaced = false;
    for (const { document, gone } of changes) {
      const resource = resourceOf(document);
      if (document.kind === 'WorkloadEndpoint') replaced = this.moveAway(document) || replaced;
      this.graph.update(keyOf(resource), gone ? undefined : resource);
      if (gone) this.documents.delete(textOf(document));
      else this.documents.set(textOf(document), document);
    }
    const delta = this.graph.flush();
    this.state.apply(delta);
    this.felix = delta.felix ?? this.felix;
    const begun = now();
    await program(delta);
    const acknowledged = now();
    if (this.felix === undefined) throw new Error('the first calculation has no parameters');
    const verdicts = this.verdicts(this.felix);
    this.passing = verdicts.reduce((sum, verdict) => sum + verdict, 0);
    return { begun, acknowledged, verdicts, world: replaced || changes.length > MOST_STEPS };
  }

  /** A pod is in one namespace at a time: an interface and an address have one owner. Whether it had another. */
  private moveAway({ metadata }: Document): boolean {
    let moved = false;
    for (const [text, other] of this.documents) {
      const same = other.kind === 'WorkloadEndpoint' && other.metadata.name === metadata.name;
      if (!same || other.metadata.namespace === metadata.namespace) continue;
      this.graph.update(keyOf(resourceOf(other)), undefined);
      this.documents.delete(text);
      moved = true;
    }
    return moved;
  }

  private verdicts(felix: FelixParameters): Uint8Array {
    const { state } = this;
    const byAddress = new Map(
      [...state.endpoints.values()].flatMap((one) =>
        one.addresses.map((own) => [own as string, one] as const),
      ),
    );
    return Uint8Array.from(this.packets, (packet) => {
      const passes = (['source', 'destination'] as const).every((end) => {
        const endpoint = byAddress.get(packet[end]);
        // An address of the node's that no workload has leads nowhere, and nobody may send from it.
        if (endpoint === undefined) return !localAddresses.has(packet[end]);
        const walks =
          end === 'source'
            ? leaveWorkload(endpoint, packet, state, felix, false)
            : [evaluateEndpoint(endpoint, 'ingress', packet, state)];
        return walks.every(({ verdict }) => verdict === 'allow');
      });
      return passes ? 1 : 0;
    });
  }
}

const localAddresses: ReadonlySet<string> = new Set(localPods.flatMap((pod) => [pod[4], pod[6]]));
const SHOWN = 10;
/** Documents that a change has, unless it is another world. */
const MOST_STEPS = 3;

function judge(states: readonly State[], records: ProbeRecords, packets: readonly Packet[]): AtomicityReport {
  const wrong: string[] = [];
  let [judged, allowed, inFlight, inFlightBetween, lostInFlight, lostBetweenWorlds, wrongProbes] = [
    0, 0, 0, 0, 0, 0, 0,
  ];
  const fail = (probe: number, expectation: string): void => {
    wrongProbes++;
    if (wrong.length === SHOWN) return;
    const packet = packets[probe % packets.length];
    wrong.push(
      `probe ${probe} ${records.arrived[probe] === 1 ? 'arrived' : 'was lost'}, ${expectation}: ${JSON.stringify(packet)}`,
    );
  };
  // Both only grow with the probes, which are in the order of their sending.
  let first = 0;
  let last = 0;
  for (let probe = 0; probe < records.arrived.length; probe++) {
    while (first + 1 < states.length && states[first + 1]!.acknowledged <= records.before[probe]!) first++;
    while (last + 1 < states.length && states[last + 1]!.begun <= records.after[probe]!) last++;
    const flow = probe % packets.length;
    const arrived = records.arrived[probe] === 1;
    const possible = states.slice(first, last + 1).map(({ verdicts }) => verdicts[flow] === 1);
    if (possible.length === 1) {
      judged++;
      if (possible[0] === true) allowed++;
      if (arrived !== possible[0]) fail(probe, `state ${first} alone was in force`);
      continue;
    }
    inFlight++;
    if (!arrived && possible.every(Boolean)) {
      if (states.slice(first + 1, last + 1).some(({ world }) => world)) lostBetweenWorlds++;
      else lostInFlight++;
    }
    if (arrived && !possible.some(Boolean)) inFlightBetween++;
  }
  const flips = states.reduce(
    (sum, { verdicts }, index) =>
      sum +
      verdicts.reduce(
        (count, verdict, flow) => count + (verdict === states[index - 1]?.verdicts[flow] ? 0 : 1),
        0,
      ),
    -packets.length,
  );
  const probes = records.arrived.length;
  return {
    changes: states.length - 1,
    probes,
    judged,
    allowed,
    inFlight,
    inFlightBetween,
    lostInFlight,
    lostBetweenWorlds,
    wrong,
    wrongProbes,
    flips,
  };
}
