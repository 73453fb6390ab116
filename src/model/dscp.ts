/** Differentiated-services code points by name (RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622). */

/** The value of each name; `AFxy` are the assured-forwarding classes, `CSx` the class selectors. */
export const dscpValues: Readonly<Record<string, number>> = {
  DF: 0,
  CS0: 0,
  LE: 1,
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((selector) => [`CS${selector}`, selector * 8])),
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((group) => [1, 2, 3].map((drop) => [`AF${group}${drop}`, group * 8 + drop * 2])),
  ),
  VA: 44,
  EF: 46,
};

/** Whether the value names a code point, or is the number of one. */
export function isDscp(value: number | string): boolean {
  if (typeof value === 'string') return Object.hasOwn(dscpValues, value);
  return Number.isInteger(value) && value >= 0 && value <= 63;
}
