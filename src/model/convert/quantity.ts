/** Kubernetes quantities (apimachinery `resource.Quantity`): `100M`, `4Gi`, `1.5k`, `2e6`. */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The value, rounded up to a whole number as Kubernetes does; undefined if the text is no quantity. */
export function parseQuantity(text: string): number | undefined {
  const parts =
    /^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (parts === null) return undefined;
  const factor = parts[2] === undefined ? suffixes[parts[3] ?? '']! : 10 ** Number(parts[2]);
  const value = Number(parts[1]) * factor;
  // Decimal fractions such as 1.01k must not gain a unit by their binary error.
  const nearest = Math.round(value);
  return Math.abs(value - nearest) <= Math.abs(value) * 1e-12 ? nearest : Math.ceil(value);
}
