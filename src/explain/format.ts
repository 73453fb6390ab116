/** Explanations as text for people. */
import { familyOf } from '../net/address.ts';
import type { EndpointWalk, PolicyStep, RuleStep } from './evaluate.ts';
import type { Explanation, PathAnswer } from './explanation.ts';
import { protocolText } from './match.ts';
import type { Packet } from './packet.ts';
import type { Remedy } from './remedy.ts';

export interface FormatOptions {
  /** Policies that do not apply as well. */
  readonly all: boolean;
  /** What would let the packet through. */
  readonly remedy?: Remedy | undefined;
}

/** The walk of every path, the verdict, and where denied the nearest misses. */
export function formatExplanation(explanation: Explanation, { all, remedy }: FormatOptions): string {
  const { source, destination, paths, verdict, nearest, bystanders, notes } = explanation;
  const decided = [...new Set(paths.flatMap(decidedText))];
  return [
    `${source.name} -> ${destination.name}`,
    ...paths.flatMap((path) => ['', ...pathLines(path)]),
    ...(all && bystanders.length > 0
      ? [
          '',
          'policies that do not apply',
          ...bystanders.map(
            ({ policy, workload, direction, reason }) =>
              `  ${policy}  (${direction} of ${workload}: ${reason})`,
          ),
        ]
      : []),
    ...(nearest.length === 0 ? [] : ['', 'nearest rules that would allow it']),
    ...nearest.flatMap(({ rule, suggestions }) => [
      `  ${rule}`,
      ...suggestions.map((text) => `    - ${text}`),
    ]),
    ...(remedy === undefined ? [] : remedyLines(remedy, explanation)),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `note: ${note}`)]),
    '',
    `verdict: ${verdict}${decided.length === 0 ? '' : ` by ${decided.join(', ')}`}`,
    '',
  ].join('\n');
}

/** More than these are only counted. */
const shownEffects = 5;

/** The change, and what it does beyond the connection that was asked about. */
function remedyLines({ change, rule, effects }: Remedy, { source, destination }: Explanation): string[] {
  const others = effects
    .filter(({ from, to }) => from !== source.name || to !== destination.name)
    .map(
      ({ from, to, family, after }) =>
        `    ${after === 'allow' ? 'also opens' : 'closes'} ${from} -> ${to} (IPv${family})`,
    );
  const rest = others.length - shownEffects;
  return [
    '',
    'smallest change that lets it match',
    `  ${change}, for ${rule}`,
    ...(others.length === 0 ? ['    opens and closes nothing else between workloads on this port'] : []),
    ...others.slice(0, shownEffects),
    ...(rest > 0 ? [`    and ${rest} more`] : []),
  ];
}

/** What decides a path, with the setting of each that has one. */
function decidedText({ decidedBy, walks }: PathAnswer): string[] {
  return decidedBy.map((id) => {
    const { setting } = walks.find((walk) => walk.decidedBy.includes(id)) ?? {};
    return `${id}${settingText(setting)}`;
  });
}

function settingText(setting: string | undefined): string {
  return setting === undefined ? '' : ` (FelixConfiguration ${setting})`;
}

function pathLines({ packet, verdict, walks }: PathAnswer): string[] {
  return [`${packetText(packet)}: ${verdict}`, ...walks.flatMap(walkLines)];
}

function packetText(packet: Packet): string {
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = packet;
  const host = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${familyOf(address) === 6 ? `[${address}]` : address}:${port}`;
  const type = icmp === undefined ? '' : ` type ${icmp.type} code ${icmp.code}`;
  return `${host(source, sourcePort)} -> ${host(destination, destinationPort)} ${protocolText(protocol)}${type}`;
}

function walkLines({
  direction,
  workload,
  stage,
  tiers,
  profiles,
  verdict,
  decidedBy,
  setting,
}: EndpointWalk): string[] {
  const lines = [`  ${direction} of ${workload}${stage === undefined ? '' : `, ${stage}`}`];
  if (tiers.length === 0 && stage === undefined) lines.push('    no policy applies: profiles decide');
  for (const { name, policies, ended, defaultAction } of tiers) {
    lines.push(`    tier ${name}`, ...policies.flatMap(policyLines));
    if (ended) lines.push(`      end of tier: ${defaultAction}`);
  }
  if (profiles.length > 0) lines.push('    profiles', ...profiles.flatMap(policyLines));
  lines.push(
    `    => ${verdict}${decidedBy.length === 0 ? ', as no rule decides' : ` by ${decidedBy.join(' or ')}`}${settingText(setting)}`,
  );
  return lines;
}

function policyLines({ id, rules, failClosed }: PolicyStep): string[] {
  if (failClosed !== undefined) return [`      ${id}`, `        denies everything: ${failClosed}`];
  return [`      ${id}`, ...(rules.length === 0 ? ['        no rules'] : rules.map(ruleLine))];
}

function ruleLine({ id, action, outcome, checks }: RuleStep): string {
  const first = checks.find((check) => check.outcome === outcome && outcome !== 'hit');
  const reason =
    first === undefined ? '' : `  ${first.field}: wants ${first.wanted}, packet has ${first.found}`;
  const place = id.split('/').slice(-2).join('/');
  return `        ${outcome.padEnd(7)} ${action.padEnd(5)} ${place}${reason}`;
}
