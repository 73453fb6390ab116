/** `margayctl explain`: what policy does with a packet, from a datastore or from files alone. */
import { ConfigError } from '../base/errors.ts';
import { inventPod } from '../explain/cluster.ts';
import { type Explanation, type Question, explain } from '../explain/explanation.ts';
import { formatExplanation } from '../explain/format.ts';
import { type Remedy, smallestChange } from '../explain/remedy.ts';
import { type Party, parseDestination, parseParty } from '../explain/question.ts';
import { parsePort } from '../model/fields.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { type Address, type Family, parseAddress } from '../net/address.ts';
import type { Inventory } from './inventory.ts';
import type { Outcome } from './outcome.ts';
import { type NodeInForce, describeNodes } from './nodes-in-force.ts';
import { kindNamed } from './target.ts';

export interface ExplainFlags {
  readonly namespace: string;
  readonly all: boolean;
  readonly json: boolean;
  readonly family: Family | undefined;
  readonly sourcePort: string | undefined;
  /** Of pods that do not exist, by end. */
  readonly invented: Readonly<Record<'source' | 'destination', InventedFlags>>;
  /** Resources as they would be. */
  readonly changed: readonly KnownResource[];
  /** Agents that were asked what they have in force; undefined for files. */
  readonly nodes: readonly NodeInForce[] | undefined;
  /** `KIND/NAME` or `KIND/NAMESPACE/NAME` of resources that would be gone. */
  readonly without: readonly string[];
}

export interface InventedFlags {
  /** `app=web,tier=front`; undefined if the end is no invented pod. */
  readonly labels: string | undefined;
  readonly namespace: string | undefined;
  readonly serviceAccount: string | undefined;
  readonly address: string | undefined;
}

const exitCodes = { allow: 0, deny: 1, unknown: 2 } as const;

/** Answers; the exit code is 0 for allow, 1 for deny, 2 for unknown. */
export function explainCommand(
  source: string,
  destination: string,
  inventory: Inventory,
  flags: ExplainFlags,
): Outcome {
  const from = parseParty(source, flags);
  const { party: to, service } = parseDestination(destination, flags);
  const invented = [
    ...inventedPod(from, flags.invented.source, { 4: '192.0.0.8', 6: '100::8' }),
    ...inventedPod(to, flags.invented.destination, { 4: '192.0.0.10', 6: '100::a' }),
  ];
  const named = (party: Party, { namespace }: InventedFlags): Party =>
    party.kind === 'workload' && namespace !== undefined ? { ...party, namespace } : party;
  const question: Question = {
    source: named(from, flags.invented.source),
    destination: named(to, flags.invented.destination),
    service,
    ...(flags.family === undefined ? {} : { family: flags.family }),
    ...(flags.sourcePort === undefined ? {} : { sourcePort: portNumber(flags.sourcePort) }),
  };
  const now = (resources: readonly KnownResource[]): Explanation => {
    const answer = explain([...resources, ...invented], question);
    return { ...answer, notes: [...answer.notes, ...inventory.problems] };
  };
  const isWhatIf = flags.changed.length > 0 || flags.without.length > 0;
  const before = now(inventory.resources);
  const after = isWhatIf ? now(changedResources(inventory.resources, flags)) : before;
  const remedy =
    after.verdict === 'deny'
      ? smallestChange(
          [...(isWhatIf ? changedResources(inventory.resources, flags) : inventory.resources), ...invented],
          question,
          after,
        )
      : undefined;
  const revision = {
    ...(inventory.revision === undefined ? {} : { revision: inventory.revision }),
    ...(flags.nodes === undefined ? {} : { nodes: flags.nodes }),
  };
  const output = flags.json
    ? `${JSON.stringify({ ...revision, ...after, ...(remedy === undefined ? {} : { remedy }), ...(isWhatIf ? { before } : {}) }, undefined, 2)}\n`
    : text(before, after, remedy, isWhatIf, flags, inventory.revision);
  return { output, errors: '', exitCode: exitCodes[after.verdict] };
}

function text(
  before: Explanation,
  after: Explanation,
  remedy: Remedy | undefined,
  isWhatIf: boolean,
  { all, nodes }: ExplainFlags,
  revision: number | undefined,
): string {
  const lines = formatExplanation(after, { all, remedy });
  const where = nodes === undefined ? '' : `, ${describeNodes(nodes)}`;
  const at = revision === undefined ? '' : `datastore revision: ${revision}${where}\n`;
  if (!isWhatIf) return lines + at;
  const change = before.verdict === after.verdict ? 'no change' : 'changed';
  return `${lines}before the change: ${before.verdict} (${change})\n${at}`;
}

/** The resources as they would be after a change. Throws a ConfigError for one that is not there to be removed. */
function changedResources(
  resources: readonly KnownResource[],
  { changed, without, namespace }: ExplainFlags,
): KnownResource[] {
  const byKey = new Map(resources.map((one) => [keyText(keyOf(one)), one]));
  for (const one of changed) byKey.set(keyText(keyOf(one)), one);
  for (const target of without) {
    const [kind = '', ...rest] = target.split('/');
    const definition = kindNamed(kind);
    const name = rest.at(-1) ?? '';
    const key = definition.namespaced
      ? { kind: definition.kind, namespace: rest.length > 1 ? rest[0]! : namespace, name }
      : { kind: definition.kind, name };
    if (byKey.delete(keyText(key))) continue;
    throw new ConfigError('ctl.usage', `--without ${target}: there is no ${keyText(key)}`, {
      fix: 'write KIND/NAME or KIND/NAMESPACE/NAME',
    });
  }
  return [...byKey.values()];
}

/** The pod that flags describe, if they do; its addresses are of ranges that nobody has (RFC 7600, RFC 6666). */
function inventedPod(
  party: Party,
  flags: InventedFlags,
  addresses: Readonly<Record<Family, string>>,
): KnownResource[] {
  const { labels, namespace, serviceAccount, address } = flags;
  if ([labels, serviceAccount, address].every((one) => one === undefined)) return [];
  if (party.kind !== 'workload') {
    throw new ConfigError('ctl.usage', 'an invented pod needs a name, not an address', {
      fix: 'write NAMESPACE/NAME, any name that no pod has, and its address with --src-ip or --dst-ip',
    });
  }
  const own = address === undefined ? Object.values(addresses) : [address];
  return [
    inventPod({
      namespace: namespace ?? party.namespace,
      name: party.name,
      labels: parseLabels(labels ?? ''),
      addresses: own.map(requireAddress),
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
    }),
  ];
}

function requireAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new ConfigError('ctl.usage', `${text} is not an address`);
  return address;
}

function parseLabels(text: string): Record<string, string> {
  const pairs = text.split(',').filter((part) => part !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const sign = pair.indexOf('=');
      if (sign > 0) return [pair.slice(0, sign), pair.slice(sign + 1)];
      throw new ConfigError('ctl.usage', `${JSON.stringify(pair)} is not a label`, {
        fix: 'write KEY=VALUE, with commas between several',
      });
    }),
  );
}

function portNumber(text: string): number {
  const port = parsePort(text);
  if (port !== undefined && 'first' in port && port.first === port.last) return port.first;
  throw new ConfigError('ctl.usage', `${text} is not a port number`);
}
