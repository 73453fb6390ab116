/** Probes between all of a lab's workloads at once. */
import { type Family, familyOf } from '../net/address.ts';
import type { LabEndpoint } from './lab.ts';
import type { Cell, Matrix } from './matrix.ts';
import { type ProbeResult, type ProbeService, SILENCE, hasFamily, probe } from './probe.ts';

/** What came of one probe, and whose it was. */
export interface PairResult {
  readonly source: string;
  readonly destination: string;
  readonly family: Family;
  readonly service: ProbeService;
  readonly result: ProbeResult;
}

export interface PairOptions {
  readonly service: ProbeService;
  /** Those that the service does not have are left out. */
  readonly families: readonly Family[];
  /** Milliseconds of silence that count as dropped, from the one to the other. */
  readonly timeout?: (source: string, destination: string) => number;
}

/**
 * Probes every ordered pair of different endpoints that both have an address of the family, all at the same time and
 * each once.
 */
export async function probePairs(
  sources: readonly LabEndpoint[],
  destinations: readonly LabEndpoint[],
  options: PairOptions,
): Promise<PairResult[]> {
  const { service, timeout = () => SILENCE } = options;
  const families = options.families.filter((family) => hasFamily(service, family));
  const probes = sources.flatMap((source) =>
    destinations
      .filter((destination) => destination.name !== source.name)
      .flatMap((destination) =>
        families.flatMap((family) => {
          const address = destination.addresses.find((candidate) => familyOf(candidate) === family);
          const reachable = source.addresses.some((candidate) => familyOf(candidate) === family);
          return address === undefined || !reachable ? [] : [{ source, destination, family, address }];
        }),
      ),
  );
  return Promise.all(
    probes.map(async ({ source, destination, family, address }) => ({
      source: source.name,
      destination: destination.name,
      family,
      service,
      result: await probe(
        { namespace: source.namespace, address, ...service },
        timeout(source.name, destination.name),
      ),
    })),
  );
}

/** How a rejecting rule reaches the sender, beside a reset or an unreachable port (icmp(7), RFC 4443 §3.1). */
const REJECTIONS: ReadonlySet<string> = new Set(['EHOSTUNREACH', 'EACCES']);

/** What a probe shows. An answer by another than was meant, or a failure of our own side, is no verdict at all. */
export function seen({ destination, result }: PairResult): Cell['seen'] {
  switch (result.verdict) {
    case 'OPEN':
      return (result.name ?? destination) === destination ? 'open' : 'error';
    case 'REFUSED':
      return 'refused';
    case 'TIMEOUT':
      return 'closed';
    case 'ERROR':
      return REJECTIONS.has(result.error) ? 'refused' : 'error';
  }
}

/** Results as a table without expectations. */
export function matrixOf(results: readonly PairResult[]): Matrix {
  const matrix = new Map<string, Map<string, Cell>>();
  for (const result of results) {
    const row = matrix.get(result.source) ?? new Map<string, Cell>();
    matrix.set(result.source, row);
    row.set(result.destination, { seen: seen(result) });
  }
  return matrix;
}
