/** Makes a failing value smaller while it goes on failing. */

type Path = readonly (string | number)[];

/** Every element and field below a value, the largest parts first. */
function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? [...value.keys()].toReversed() : Object.keys(value);
  for (const key of keys) yield [...path, key];
  for (const key of keys) {
    yield* pathsOf((value as Record<string | number, unknown>)[key], [...path, key]);
  }
}

function without<Value>(value: Value, path: Path): Value {
  const copy = structuredClone(value);
  let parent = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) {
    const child = parent[key];
    if (typeof child !== 'object' || child === null) return copy;
    parent = child as Record<string | number, unknown>;
  }
  const last = path.at(-1)!;
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy;
}

/** Leaves parts out, one after another, as long as the rest fails; ends when every part is needed. */
export async function shrink<Value>(
  value: Value,
  fails: (smaller: Value) => boolean | Promise<boolean>,
): Promise<Value> {
  let smallest = value;
  for (let shrunk = true; shrunk;) {
    shrunk = false;
    for (const path of pathsOf(smallest)) {
      const smaller = without(smallest, path);
      if (!(await fails(smaller))) continue;
      smallest = smaller;
      shrunk = true;
      break;
    }
  }
  return smallest;
}
