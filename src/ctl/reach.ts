/** `margayctl reach`, `margayctl assert` and `margayctl lint`: questions about all of a cluster's policy. */
import * as z from 'zod';
import { parseDocument } from 'yaml';
import { ConfigError } from '../base/errors.ts';
import type { Verdict } from '../explain/evaluate.ts';
import { explain } from '../explain/explanation.ts';
import { lint } from '../explain/lint.ts';
import { parseDestination, parseParty } from '../explain/question.ts';
import { type Reach, reach } from '../explain/reach.ts';
import { icmpProtocols } from '../explain/packet.ts';
import type { Family } from '../net/address.ts';
import type { Inventory } from './inventory.ts';
import type { Outcome } from './outcome.ts';
import { plainTable } from './table.ts';

export type ReachFormat = 'text' | 'json' | 'csv';

const marks: Readonly<Record<Verdict, string>> = { allow: '.', deny: 'X', unknown: '?' };

/** The matrix of who reaches whom; `service` is `PORT[/PROTOCOL]`. */
export function reachCommand(
  service: string,
  { resources, revision }: Inventory,
  family: Family,
  format: ReachFormat,
): Outcome {
  const asked = parseDestination(`any:${service}`, { namespace: 'any' }).service;
  const { port } = asked;
  if (typeof port === 'string') {
    throw new ConfigError('ctl.usage', `${port} is not a port number`, {
      fix: 'names of ports differ between pods: give a number',
    });
  }
  const protocol = asked.protocol === 'icmp' ? icmpProtocols[family] : asked.protocol;
  const result = reach(resources, { protocol, family, ...(port === undefined ? {} : { port }) });
  const at = revision === undefined ? {} : { revision };
  const output =
    format === 'json'
      ? `${JSON.stringify({ ...at, ...result }, undefined, 2)}\n`
      : format === 'csv'
        ? csv(result)
        : matrix(result);
  return { output, errors: '', exitCode: 0 };
}

function matrix({ workloads, verdicts }: Reach): string {
  const table = plainTable(
    ['FROM \\ TO', ...workloads.map((_, index) => String(index + 1))],
    verdicts.map((row, index) => [
      `${index + 1} ${workloads[index]!}`,
      ...row.map((verdict, column) => (column === index ? '-' : marks[verdict])),
    ]),
  );
  return `${table}. reaches   X does not   ? depends on what was not told\n`;
}

function csv({ workloads, verdicts }: Reach): string {
  const pairs = verdicts.flatMap((row, from) =>
    row.flatMap((verdict, to) => (from === to ? [] : [[workloads[from]!, workloads[to]!, verdict]])),
  );
  return [['from', 'to', 'verdict'], ...pairs].map((cells) => `${cells.join(',')}\n`).join('');
}

const intents = () =>
  z.array(
    z.strictObject({
      from: z.string(),
      to: z.string(),
      expect: z.enum(['allow', 'deny']),
    }),
  );

/** Checks intents (`- {from: SRC, to: DST:PORT/PROTOCOL, expect: allow|deny}`); exit code 1 if one does not hold. */
export function assertCommand(
  file: string,
  text: string,
  { resources }: Inventory,
  namespace: string,
): Outcome {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault !== undefined) throw new ConfigError('ctl.file', `${file}: ${fault.message}`);
  const parsed = intents().safeParse(document.toJS());
  if (!parsed.success) {
    const places = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError('ctl.file', `${file}: ${places.join('; ')}`, {
      fix: 'write a list of {from: SRC, to: DST:PORT/PROTOCOL, expect: allow|deny}',
    });
  }
  let failed = 0;
  const lines = parsed.data.map(({ from, to, expect }) => {
    const { party, service } = parseDestination(to, { namespace });
    const question = { source: parseParty(from, { namespace }), destination: party, service };
    const { verdict, paths } = explain(resources, question);
    if (verdict === expect) return `ok    ${from} -> ${to}: ${verdict}`;
    failed++;
    const by = [...new Set(paths.flatMap(({ decidedBy }) => decidedBy))].join(', ');
    return `FAIL  ${from} -> ${to}: ${verdict}, not ${expect}, by ${by}`;
  });
  const summary = `${parsed.data.length - failed} hold, ${failed} do not`;
  return { output: `${[...lines, summary].join('\n')}\n`, errors: '', exitCode: failed === 0 ? 0 : 1 };
}

/** Findings about policy; exit code 1 if there are any. */
export function lintCommand({ resources }: Inventory, json: boolean): Outcome {
  const findings = lint(resources);
  const lines = findings.map(({ check, subject, message }) => `${check.padEnd(15)} ${subject}: ${message}\n`);
  const output = json
    ? `${JSON.stringify({ format: 'margay-lint/v1', findings }, undefined, 2)}\n`
    : findings.length === 0
      ? 'nothing found\n'
      : lines.join('');
  return { output, errors: '', exitCode: findings.length === 0 ? 0 : 1 };
}
