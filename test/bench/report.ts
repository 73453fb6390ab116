/** What every bench prints: a table for people and a line for machines (one for each variant). */

export interface Result {
  readonly bench: string;
  readonly variant: string;
  readonly unit: string;
  /** Median. */
  readonly ours: number;
  /** Medians of what ran beside us, by name. */
  readonly peers: Readonly<Record<string, number>>;
  /** Medians of the rounds' ratios ({@link ratioOfRounds}), where all took turns; by the medians where left out. */
  readonly ratios?: Readonly<Record<string, number>>;
  /** Time at ten times the size by time at one. */
  readonly scaling?: number;
  /** Peak resident size, MiB. */
  readonly memory?: Readonly<Record<string, number>>;
  /** Why those that ran beside us were not measured to the end, by name. */
  readonly failed?: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly notes: string;
}

/** Units in which more is better. */
const RATES: ReadonlySet<string> = new Set(['connections/s', 'packets/s', 'Gbit/s', 'updates/s']);

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** How far we are ahead of a peer: above 1 is ahead. */
function ahead(unit: string, ours: number, peer: number): number {
  return RATES.has(unit) ? ours / peer : peer / ours;
}

/** How far we are ahead of a peer that we took turns with, by the median round: what slows a whole round cancels out. */
export function ratioOfRounds(unit: string, ours: readonly number[], peer: readonly number[]): number {
  return median(ours.map((value, round) => ahead(unit, value, peer[round]!)));
}

function ratio({ unit, ours, ratios }: Result, name: string, peer: number): number {
  return round(ratios?.[name] ?? ahead(unit, ours, peer));
}

/** Prints a variant. */
export function report(result: Result): void {
  const { bench, variant, unit, ours, peers, scaling, memory, failed, runs, notes } = result;
  console.log(`\n${bench} ${variant} (${runs} runs, medians)`);
  const line = (name: string, value: number, rest = ''): void =>
    console.log(`  ${name.padEnd(16)}${String(round(value)).padStart(12)} ${unit}${rest}`);
  line('ours', ours);
  for (const [name, value] of Object.entries(peers))
    line(name, value, `   ratio ${ratio(result, name, value)}`);
  for (const [name, reason] of Object.entries(failed ?? {})) {
    console.log(`  ${name.padEnd(16)}${'failed'.padStart(12)} ${reason}`);
  }
  if (scaling !== undefined) console.log(`  at ten times the size: ${round(scaling)} times`);
  if (memory !== undefined) {
    const sizes = Object.entries(memory).map(([name, size]) => `${name} ${size} MiB`);
    console.log(`  memory: ${sizes.join(', ')}`);
  }
  const rounded = Object.fromEntries(Object.entries(peers).map(([name, value]) => [name, round(value)]));
  const ratios = Object.fromEntries(
    Object.entries(peers).map(([name, value]) => [name, ratio(result, name, value)]),
  );
  console.log(
    `RESULT ${JSON.stringify({
      bench,
      variant,
      unit,
      ours: round(ours),
      peers: rounded,
      ratio: ratios,
      ...(memory === undefined ? {} : { memory }),
      ...(failed === undefined ? {} : { failed }),
      ...(scaling === undefined ? {} : { scaling: round(scaling) }),
      runs,
      notes,
    })}`,
  );
}

/** Whole numbers given as `--name N`; what is not given is as in `defaults`. Ends the process on anything else. */
export function numberFlags<Names extends string>(
  defaults: Readonly<Record<Names, number>>,
): Record<Names, number> {
  const flags: Record<Names, number> = { ...defaults };
  const words = process.argv.slice(2);
  for (let index = 0; index < words.length; index += 2) {
    const name = words[index]!.replace(/^--/, '') as Names;
    const value = Number(words[index + 1]);
    if (!(name in defaults) || !Number.isInteger(value) || value < 1) {
      const known = Object.entries(defaults).map(([flag, number]) => `--${flag} ${String(number)}`);
      console.error(`unknown or bad flag ${words[index]}; flags and their defaults: ${known.join(' ')}`);
      process.exit(2);
    }
    flags[name] = value;
  }
  return flags;
}
