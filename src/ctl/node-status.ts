/** `margayctl node status`: the state of the agent on this host, printed as calicoctl prints that of BIRD. */
import type { AgentStatus, BgpPeerStatus } from '../model/agent-status.ts';
import { type Family, familyOf } from '../net/address.ts';
import { boxedTable } from './table.ts';

const HEADINGS = ['PEER ADDRESS', 'PEER TYPE', 'STATE', 'SINCE', 'INFO'] as const;
const DAY = 86_400_000;

/** `now` in milliseconds since the epoch decides whether SINCE is a time of day or a date. */
export function formatNodeStatus(status: AgentStatus, now: number): string {
  const lines = [
    `Margay process is running (node ${status.node}, pid ${status.pid}, version ${status.version}).`,
    '',
  ];
  const { datastore, dataplane, bgp } = status;
  lines.push(
    datastore.error === undefined
      ? `Datastore ${datastore.type}: ${datastore.inSync ? 'in sync' : 'not yet in sync'}, revision ${datastore.revision}`
      : `Datastore ${datastore.type}: cannot be read (${datastore.error}); the last good state stays in force`,
    `Dataplane: revision ${dataplane.revisionInForce} in force, ${dataplane.endpoints} endpoints, ` +
      `${dataplane.policies} policies, table ${dataplane.ownsTable ? 'protected by the kernel' : 'shared'}`,
  );
  for (const { resource, error } of datastore.invalid) lines.push(`Invalid: ${resource}: ${error}`);
  for (const { resource, problem } of datastore.problems)
    lines.push(`Not as written: ${resource}: ${problem}`);
  for (const problem of dataplane.problems) lines.push(`Problem: ${problem}`);
  if (bgp.state === 'disabled') lines.push('', 'BGP is not running: this node has no BGP address.');
  else if (bgp.state === 'failed') lines.push('', `BGP has failed: ${bgp.problem ?? 'no reason given'}`);
  else if (bgp.problem !== undefined) lines.push('', `BGP: ${bgp.problem}`);
  if (bgp.drain === 'draining')
    lines.push('', 'BGP drains: peers know that the routes of this node are about to go.');
  if (bgp.drain === 'drained')
    lines.push('', 'BGP is drained: `margayctl node undrain` opens the sessions again.');
  if (bgp.restarting === true)
    lines.push('', 'BGP has restarted: the routes in the kernel stay until its peers have told theirs.');
  for (const { template, prefixes, peers, limit, refused } of bgp.dynamic ?? []) {
    lines.push(
      '',
      `Dynamic peers of ${template} (${prefixes.join(', ')}): ${peers} of ${limit}` +
        (refused === 0 ? '' : `; ${refused} connections refused for the limit`),
    );
  }
  for (const family of [4, 6] as const) lines.push('', ...peerSection(family, bgp.peers, now));
  return `${lines.join('\n')}\n`;
}

function peerSection(family: Family, all: readonly BgpPeerStatus[], now: number): string[] {
  const peers = all.filter((peer) => familyOf(peer.address) === family);
  const title = `IPv${family} BGP status`;
  if (peers.length === 0) return [title, `No IPv${family} peers found.`];
  return [
    title,
    boxedTable(
      HEADINGS,
      peers.map((peer) => peerRow(peer, now)),
    ).trimEnd(),
  ];
}

function peerRow(peer: BgpPeerStatus, now: number): string[] {
  const info = [
    peer.state,
    ...(peer.state === 'Established' ? [`${peer.received} received, ${peer.advertised} advertised`] : []),
    ...(peer.stale > 0 ? [`${peer.stale} stale`] : []),
    ...(peer.info === '' || peer.state === 'Established' ? [] : [peer.info]),
  ];
  const type = peer.template === undefined ? peer.type : `${peer.type} (${peer.template})`;
  return [peer.address, type, stateWord(peer), since(peer.since, now), info.join('; ')];
}

/** BIRD's words for the state of a protocol, which Calico's users know. */
function stateWord(peer: BgpPeerStatus): string {
  return peer.state === 'Established' ? 'up' : 'start';
}

function since(iso: string, now: number): string {
  const time = Date.parse(iso);
  if (Number.isNaN(time)) return '';
  const local = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  return now - time < DAY
    ? `${two(local.getHours())}:${two(local.getMinutes())}:${two(local.getSeconds())}`
    : `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
}
