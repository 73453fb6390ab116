/** Reads a topology from YAML; whatever is wrong with it is told with its line and column. */
import { type Document, LineCounter, type Node as YamlNode, isMap, isScalar, parseDocument } from 'yaml';
import { type Fault, faultsOf } from '../model/fault-report.ts';
import { type Path, type Problem, ValidationError } from '../model/problem.ts';
import { topologyFaults } from './topology-checks.ts';
import { type Topology, topologySchema } from './topology.ts';

/** The topology that a text describes. Throws a {@link ValidationError} with every problem; `file` names the text. */
export function parseTopology(text: string, file?: string): Topology {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): Pick<Problem, 'file' | 'line' | 'column'> => {
    const { line, col } = lines.linePos(offset);
    return { ...(file === undefined ? {} : { file }), line, column: col };
  };
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    throw new ValidationError(
      syntax.map((error) => ({ ...place(error.pos[0]), path: [], message: error.message.split('\n')[0]! })),
    );
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  const parsed = topologySchema().safeParse(value);
  const faults = parsed.success
    ? topologyFaults(parsed.data)
    : faultsOf(parsed.error.issues, topologySchema(), value, []);
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new ValidationError(
    faults.map(({ at, path, message, found, allowed, suggestion }: Fault) => ({
      ...place(offsetOf(document, path, at === 'key')),
      path,
      message,
      ...(found === undefined ? {} : { found }),
      ...(allowed === undefined ? {} : { allowed }),
      ...(suggestion === undefined ? {} : { suggestion }),
    })),
  );
}

/** Where the node at a path begins, or as much of the path as the text has. A map's faults are shown at its key. */
function offsetOf(document: Document.Parsed, path: Path, key: boolean): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const node = document.getIn(path.slice(0, length), true) as YamlNode | undefined;
    const name = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(path[length - 1]))
          ?.key
      : undefined;
    const wanted = isScalar(node) && !key ? node : ((name as YamlNode | undefined) ?? node);
    if (wanted?.range) return wanted.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
