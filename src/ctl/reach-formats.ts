/** The matrix of who reaches whom as text, CSV, a graph for Graphviz, and a picture. */
import type { Verdict } from '../explain/evaluate.ts';
import type { Reach } from '../explain/reach.ts';
import { plainTable } from './table.ts';

const marks: Readonly<Record<Verdict, string>> = { allow: '.', deny: 'X', unknown: '?' };
const colours: Readonly<Record<Verdict, string>> = { allow: '#2e7d32', deny: '#c62828', unknown: '#f9a825' };
const words: Readonly<Record<Verdict, string>> = {
  allow: 'reaches',
  deny: 'does not reach',
  unknown: 'may reach',
};

export const reachFormats: Readonly<Record<'text' | 'csv' | 'dot' | 'svg', (reach: Reach) => string>> = {
  text,
  csv,
  dot,
  svg,
};

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly verdict: Verdict;
}

/** Every pair of different workloads. */
function pairs({ sources, destinations, verdicts }: Reach): Pair[] {
  return verdicts.flatMap((row, index) =>
    row.flatMap((verdict, column) => {
      const [from, to] = [sources[index]!, destinations[column]!];
      return from === to ? [] : [{ from, to, verdict }];
    }),
  );
}

function text(reach: Reach): string {
  const { sources, destinations, verdicts } = reach;
  const numbered = sources.join() === destinations.join();
  const table = plainTable(
    ['FROM \\ TO', ...destinations.map((name, index) => (numbered ? String(index + 1) : name))],
    verdicts.map((row, index) => [
      numbered ? `${index + 1} ${sources[index]!}` : sources[index]!,
      ...row.map((verdict, column) => (sources[index] === destinations[column] ? '-' : marks[verdict])),
    ]),
  );
  return `${table}. reaches   X does not   ? depends on what was not told\n`;
}

function csv(reach: Reach): string {
  const rows = pairs(reach).map(({ from, to, verdict }) => [from, to, verdict]);
  return [['from', 'to', 'verdict'], ...rows].map((cells) => `${cells.join(',')}\n`).join('');
}

/** What reaches is an arrow; workloads that reach each other share one. */
function dot(reach: Reach): string {
  const open = pairs(reach).filter(({ verdict }) => verdict !== 'deny');
  const style = (verdict: Verdict): string => (verdict === 'unknown' ? ' [style=dashed]' : '');
  const mutual = new Set(
    open
      .filter(({ from, to }) => open.some((back) => back.from === to && back.to === from && from < to))
      .map(({ from, to }) => `${from} ${to}`),
  );
  const edges = open.flatMap(({ from, to, verdict }) => {
    if (mutual.has(`${from} ${to}`)) return [`  "${from}" -> "${to}" [dir=both];`];
    return mutual.has(`${to} ${from}`) ? [] : [`  "${from}" -> "${to}"${style(verdict)};`];
  });
  const nodes = [...new Set([...reach.sources, ...reach.destinations])].map((name) => `  "${name}";`);
  return `digraph reach {\n${[...nodes, ...edges].join('\n')}\n}\n`;
}

const cell = 22;
const letter = 7.2;

function svg(reach: Reach): string {
  const { sources, destinations, verdicts } = reach;
  const space = (names: readonly string[]): number =>
    Math.ceil(Math.max(0, ...names.map((name) => name.length)) * letter) + 12;
  const [left, top] = [space(sources), space(destinations)];
  const [width, height] = [left + destinations.length * cell + 8, top + sources.length * cell + 8];
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="12">`,
    ...destinations.map((name, index) => {
      const x = left + index * cell + cell / 2 + 4;
      return `<text transform="translate(${x},${top - 6}) rotate(-90)">${escaped(name)}</text>`;
    }),
    ...sources.map(
      (name, index) =>
        `<text x="${left - 6}" y="${top + index * cell + cell / 2 + 4}" text-anchor="end">${escaped(name)}</text>`,
    ),
    ...verdicts.flatMap((row, index) =>
      row.map((verdict, column) => {
        const [from, to] = [sources[index]!, destinations[column]!];
        const fill = from === to ? '#cccccc' : colours[verdict];
        const title = from === to ? from : `${from} ${words[verdict]} ${to}`;
        const place = `x="${left + column * cell}" y="${top + index * cell}"`;
        return `<rect ${place} width="${cell - 2}" height="${cell - 2}" fill="${fill}"><title>${escaped(title)}</title></rect>`;
      }),
    ),
    '</svg>',
  ];
  return `${lines.join('\n')}\n`;
}

function escaped(name: string): string {
  return name.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
