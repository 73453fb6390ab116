/** The kernel as a judge of trials: one node that becomes one world after another, by deltas. */
import { CalcGraph } from '../../src/calc/graph.ts';
import type { CalcDelta, SetDelta } from '../../src/calc/output.ts';
import type { Packet } from '../../src/explain/packet.ts';
import type { KnownResource } from '../../src/model/registry.ts';
import { keyOf, keyText } from '../../src/model/resource.ts';
import { calculate } from './policy-trial.ts';
import type { Defect } from './defect.ts';
import { thisNode } from './policy-places.ts';
import { type Document, decodeDocuments } from './policy-world.ts';
import { ProbeLab } from './probe-lab.ts';

export class KernelJudge {
  private readonly graph = new CalcGraph({ nodeName: thisNode });
  private resources = new Map<string, KnownResource>();
  /** The whole state that the kernel has, when defects are planted. */
  private held: CalcDelta | undefined;

  private constructor(
    readonly lab: ProbeLab,
    private readonly defect: Defect | undefined,
  ) {}

  /** With a defect, what the kernel is told is spoiled by it. */
  static async open(defect?: Defect): Promise<KernelJudge> {
    return new KernelJudge(await ProbeLab.open(), defect);
  }

  /** Which packets the kernel lets through in a world; `expected` says which are worth waiting for. */
  async judge(
    documents: readonly Document[],
    packets: readonly Packet[],
    expected: readonly boolean[],
  ): Promise<boolean[]> {
    await this.lab.program(this.defect === undefined ? this.follow(documents) : this.spoil(documents));
    const arrived = await this.lab.probe(packets, expected);
    const lost = packets.filter((_, index) => expected[index] === true && arrived[index] !== true);
    if (lost.length === 0) return arrived;
    // A machine that is busy may lose a packet; policy loses it every time.
    const again = await this.lab.probe(
      lost,
      lost.map(() => true),
    );
    const late = new Set(lost.filter((_, index) => again[index] === true));
    return arrived.map((one, index) => one || late.has(packets[index]!));
  }

  close(): void {
    this.lab.close();
  }

  /** What a calculation that lives on makes of the change from the last world to this one. */
  private follow(documents: readonly Document[]): CalcDelta {
    const wanted = new Map(decodeDocuments(documents).map((one) => [keyText(keyOf(one)), one]));
    for (const [text, resource] of this.resources) {
      if (!wanted.has(text)) this.graph.update(keyOf(resource), undefined);
    }
    for (const resource of wanted.values()) this.graph.update(keyOf(resource), resource);
    this.resources = wanted;
    return this.graph.flush();
  }

  private spoil(documents: readonly Document[]): CalcDelta {
    const whole = calculate(documents, this.defect);
    const spoiled = this.defect?.delta?.(whole) ?? this.defect?.kernel?.(whole) ?? whole;
    const change = difference(this.held, spoiled);
    this.held = spoiled;
    return change;
  }
}

function difference(before: CalcDelta | undefined, after: CalcDelta): CalcDelta {
  if (before === undefined) return after;
  const gone = <Value>(
    old: ReadonlyMap<string, Value | undefined>,
    now: ReadonlyMap<string, Value | undefined>,
  ): Map<string, Value | undefined> =>
    new Map([
      ...[...old.keys()].filter((key) => !now.has(key)).map((key) => [key, undefined] as const),
      ...now,
    ]);
  const sets = new Map<string, SetDelta | undefined>();
  for (const [id, set] of gone(before.sets, after.sets)) {
    const old = new Set(before.sets.get(id)?.added);
    const now = new Set(set?.added);
    sets.set(
      id,
      set && {
        ...set,
        added: [...now].filter((member) => !old.has(member)),
        removed: [...old].filter((member) => !now.has(member)),
      },
    );
  }
  return {
    ...after,
    sets,
    policies: gone(before.policies, after.policies),
    profiles: gone(before.profiles, after.profiles),
    endpoints: gone(before.endpoints, after.endpoints),
    hostEndpoints: gone(before.hostEndpoints, after.hostEndpoints),
  };
}
