/** Columns of numbers that grow with the table that they belong to. */
type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** Rows that a column has at first. */
export const FIRST_ROWS = 1 << 10;
/** Up to here, a full IPv4 table, a column grows by leaps: memory that nobody has written to takes no room. */
const FULL_TABLE = 1 << 20;

/** The column with at least `rows` rows, which may be a larger copy; new rows are zero. */
export function grown<Type extends Column>(column: Type, rows: number): Type {
  if (rows <= column.length) return column;
  const Constructor = column.constructor as new (length: number) => Type;
  const leap = column.length < FULL_TABLE ? Math.min(FULL_TABLE, column.length * 32) : column.length * 1.5;
  const larger = new Constructor(Math.max(rows, Math.ceil(leap)));
  larger.set(column);
  return larger;
}
