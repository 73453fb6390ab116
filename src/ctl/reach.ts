/** `margayctl reach`, `margayctl assert` and `margayctl lint`: questions about all of a cluster's policy. */
import * as z from 'zod';
import { parseDocument } from 'yaml';
import { ConfigError } from '../base/errors.ts';
import { explain } from '../explain/explanation.ts';
import { lint } from '../explain/lint.ts';
import { parseDestination, parseParty } from '../explain/question.ts';
import { type ReachChange, reachChanges } from '../explain/reach-changes.ts';
import { reach } from '../explain/reach.ts';
import { icmpProtocols } from '../explain/packet.ts';
import type { Family } from '../net/address.ts';
import type { Inventory } from './inventory.ts';
import type { Outcome } from './outcome.ts';
import { reachFormats } from './reach-formats.ts';

export type ReachFormat = 'json' | keyof typeof reachFormats;

/** Whom to print: everybody, or who can reach one workload, or what one can reach. */
export interface ReachFlags {
  readonly family: Family;
  readonly format: ReachFormat;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly outside: boolean;
}

/** The matrix of who reaches whom; `service` is `PORT[/PROTOCOL]`. */
export function reachCommand(
  service: string,
  { resources, revision }: Inventory,
  { family, format, from, to, outside }: ReachFlags,
): Outcome {
  const result = reach(resources, {
    ...askedService(service, family),
    family,
    outside,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
  const at = revision === undefined ? {} : { revision };
  const output =
    format === 'json'
      ? `${JSON.stringify({ ...at, ...result }, undefined, 2)}\n`
      : reachFormats[format](result);
  return { output, errors: '', exitCode: 0 };
}

/** Reads `PORT[/PROTOCOL]`. Throws a ConfigError. */
function askedService(text: string, family: Family): { readonly protocol: number; readonly port?: number } {
  const { port, protocol } = parseDestination(`any:${text}`, { namespace: 'any' }).service;
  if (typeof port === 'string') {
    throw new ConfigError('ctl.usage', `${port} is not a port number`, {
      fix: 'names of ports differ between pods: give a number',
    });
  }
  const number = protocol === 'icmp' ? icmpProtocols[family] : protocol;
  return { protocol: number, ...(port === undefined ? {} : { port }) };
}

/** What changes for connections from one state to another; exit code 1 if anything does. */
export function policyDiffCommand(
  before: Inventory,
  after: Inventory,
  service: string | undefined,
  json: boolean,
): Outcome {
  const asked = service === undefined ? undefined : askedService(service, 4);
  const changes = reachChanges(before.resources, after.resources, {
    outside: true,
    ...(asked === undefined ? {} : { service: asked }),
  });
  const exitCode = changes.length === 0 ? 0 : 1;
  if (json) {
    const output = `${JSON.stringify({ format: 'margay-reach-diff/v1', changes }, undefined, 2)}\n`;
    return { output, errors: '', exitCode };
  }
  const signs = { allow: '+', deny: '-', unknown: '?' } as const;
  const both = new Set(changes.map((change) => `${change.family} ${changeText(change)}`));
  const lines = changes.flatMap((change) => {
    const text = changeText(change);
    // One line for what is the same in both families.
    const other = both.has(`${change.family === 4 ? 6 : 4} ${text}`);
    if (other && change.family === 6) return [];
    return [`${signs[change.after]} ${text}${other ? '' : ` (IPv${change.family})`}\n`];
  });
  const opened = changes.filter((change) => change.after === 'allow').length;
  const closed = changes.filter((change) => change.after === 'deny').length;
  const summary =
    changes.length === 0
      ? 'no connection of workloads changes\n'
      : `+ ${opened} allowed that were not, - ${closed} denied that were not\n`;
  return { output: lines.join('') + summary, errors: '', exitCode };
}

function changeText({ from, to, protocol, ports }: ReachChange): string {
  const what =
    ports === undefined ? protocol : ports === '0-65535' ? `${protocol}, any port` : `${protocol} ${ports}`;
  return `${from} -> ${to}: ${what}`;
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
