/**
 * Which BGP sessions this node keeps (reference §2.3): the mesh of nodes, global and node-specific BGPPeers, workloads of
 * its own that route for others, and the other side of peerings that name this node as peer. Both ends come to the same
 * result from the same resources.
 */
import { type Address, type Family, familyOf } from '../../net/address.ts';
import { type SessionOptions, reverseOptions } from '../../model/bgp-options.ts';
import { prefixAddress } from '../../net/prefix.ts';
import { type BGPPeer, parsePeerAddress } from '../../model/kinds/bgp-peer.ts';
import { matcherOfText } from '../selector-matcher.ts';
import type { PeerPlan } from '../output.ts';
import {
  type BgpSettings,
  defaultPort,
  defaultRestartTime,
  durationSeconds,
  secretReference,
} from './bgp-settings.ts';
import { type Router, families } from './router.ts';
import type { WorkloadEnd } from './workload-ends.ts';

/** A BGPPeer with its name and options. */
export type PeerSpec = BGPPeer['spec'] & { readonly name: string; readonly options: SessionOptions };

/** Everything that peers are derived from. */
export interface PeeringInputs {
  readonly own: Router;
  /** Every router, the own one too, by node name. */
  readonly routers: ReadonlyMap<string, Router>;
  readonly peers: ReadonlyMap<string, PeerSpec>;
  readonly settings: BgpSettings;
  /** The workloads of this node that a BGPPeer's localWorkloadSelector selects. */
  readonly workloadsOf: (peer: string) => readonly WorkloadEnd[];
}

/** An end that a session leads to. */
interface Target {
  readonly address: Address;
  /** Undefined: nobody configured one. */
  readonly port: number | undefined;
  readonly asNumber: number;
  /** The node that the address belongs to. */
  readonly router: Router | undefined;
  /** Key of the workload that the address belongs to. */
  readonly workload?: string;
}

/** The address of a peer that its interface is to lead to. */
const toBeFound = '::' as Address;

interface Entry {
  readonly type: PeerPlan['type'];
  readonly target: Target;
  /** Undefined for the mesh. */
  readonly spec: PeerSpec | undefined;
}

/** The sessions of this node, sorted by name. */
export function planPeers(inputs: PeeringInputs): PeerPlan[] {
  const entries = [...explicitEntries(inputs)];
  const single = entries.filter(({ type }) => type !== 'dynamic');
  const taken = new Set(single.map(({ target }) => target.address));
  for (const entry of meshEntries(inputs)) {
    if (!taken.has(entry.target.address)) entries.push(entry);
  }
  const familiesOfEnd = familiesByEnd(entries);
  return entries
    .map((entry) => planOf(inputs, entry, familiesOfEnd))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Global peers win over those of single nodes, addresses that are written over those of workloads, and all of them over
 * what follows from symmetry.
 */
function explicitEntries(inputs: PeeringInputs): Iterable<Entry> {
  const { own } = inputs;
  const entries = new Map<string, Entry>();
  const add = (type: PeerPlan['type'], target: Target, spec: PeerSpec): void => {
    const session = `${target.address} ${target.port ?? defaultPort} ${spec.options.interface ?? ''}`;
    if (target.address === own.addresses[familyOf(target.address)] || entries.has(session)) return;
    entries.set(session, { type, target, spec });
  };
  const all = [...inputs.peers].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, spec]) => spec);
  const specs = all.filter((spec) => spec.localWorkloadSelector === undefined);
  for (const type of ['global', 'node'] as const) {
    for (const spec of specs) {
      if (isGlobal(spec) !== (type === 'global') || !peersFrom(spec, own)) continue;
      const template = templateTarget(inputs, spec);
      if (template !== undefined) entries.set(spec.name, { type: 'dynamic', target: template, spec });
      else for (const target of targetsOf(inputs, spec)) add(type, target, spec);
    }
  }
  for (const spec of all) {
    if (spec.localWorkloadSelector === undefined || !peersFrom(spec, own)) continue;
    for (const target of workloadTargets(inputs, spec)) add('workload', target, spec);
  }
  for (const spec of specs) {
    if (spec.reversePeering === 'Manual') continue;
    const reversed = familiesToReverse(inputs, spec);
    if (reversed.length === 0) continue;
    // A gateway is one on the way there, not on the way back; and the AS that the other side shows is what we see.
    const { reachableBy: _gateway, localASNumber: shown, ...rest } = spec;
    const back: PeerSpec = { ...rest, options: reverseOptions(spec.options) };
    for (const router of inputs.routers.values()) {
      if (router.name === own.name || !peersFrom(spec, router)) continue;
      for (const target of targetsAt(inputs, router, reversed)) {
        add('node', shown === undefined ? target : { ...target, asNumber: shown }, back);
      }
    }
  }
  return entries.values();
}

function isGlobal(spec: PeerSpec): boolean {
  return spec.node === undefined && !spec.nodeSelector;
}

/** Whether the BGPPeer is one of this router's. */
function peersFrom(spec: PeerSpec, router: Router): boolean {
  if (spec.nodeSelector) return matcherOfText(spec.nodeSelector).matches(router.labels);
  return spec.node === undefined || spec.node === router.name;
}

/** Where a BGPPeer leads. */
function* targetsOf(inputs: PeeringInputs, spec: PeerSpec): Generator<Target> {
  if (spec.peerSelector) {
    const matcher = matcherOfText(spec.peerSelector);
    for (const router of inputs.routers.values()) {
      if (matcher.matches(router.labels)) yield* targetsAt(inputs, router, families);
    }
    return;
  }
  const peer = spec.peerIP === undefined ? onInterface(spec) : parsePeerAddress(spec.peerIP);
  if (peer === undefined) return;
  const router = routerWithAddress(inputs, peer.address);
  yield {
    address: peer.address,
    port: peer.port ?? (router === undefined ? undefined : inputs.settings.configuredPort(router.name)),
    asNumber: spec.asNumber ?? router?.asNumber ?? inputs.settings.asNumber,
    router,
  };
}

/** The workloads of this node that a BGPPeer selects, by each of their addresses. */
function* workloadTargets({ settings, workloadsOf }: PeeringInputs, spec: PeerSpec): Generator<Target> {
  const asNumber = spec.asNumber ?? settings.asNumber;
  for (const { key, addresses } of workloadsOf(spec.name)) {
    for (const address of addresses) {
      yield { address, port: undefined, asNumber, router: undefined, workload: key };
    }
  }
}

/** What stands for all that may connect from the prefixes of a BGPPeer; undefined if it has none. */
function templateTarget({ settings }: PeeringInputs, spec: PeerSpec): Target | undefined {
  const first = spec.options.dynamicNeighbors?.prefixes[0];
  if (first === undefined) return undefined;
  const asNumber = spec.asNumber ?? settings.asNumber;
  return { address: prefixAddress(first), port: undefined, asNumber, router: undefined };
}

/** A peer of which only the interface is said. */
function onInterface({ options }: PeerSpec): ReturnType<typeof parsePeerAddress> {
  return options.interface === undefined ? undefined : { address: toBeFound };
}

/** The ends that a router offers, one for each family that it has an address of. */
function* targetsAt(
  inputs: PeeringInputs,
  router: Router,
  wanted: readonly Family[],
): Generator<Target & { readonly router: Router }> {
  for (const family of wanted) {
    const address = router.addresses[family];
    if (address === undefined) continue;
    yield {
      address,
      port: inputs.settings.configuredPort(router.name),
      asNumber: router.asNumber ?? inputs.settings.asNumber,
      router,
    };
  }
}

function routerWithAddress(inputs: PeeringInputs, address: Address): Router | undefined {
  for (const router of inputs.routers.values()) {
    if (router.addresses[familyOf(address)] === address) return router;
  }
  return undefined;
}

/** In which families a BGPPeer names this node as the peer of others. */
function familiesToReverse(inputs: PeeringInputs, spec: PeerSpec): readonly Family[] {
  const { own, settings } = inputs;
  if (spec.peerSelector) return matcherOfText(spec.peerSelector).matches(own.labels) ? families : [];
  const peer = spec.peerIP === undefined ? undefined : parsePeerAddress(spec.peerIP);
  if (peer === undefined) return [];
  const family = familyOf(peer.address);
  const asNumber = own.asNumber ?? settings.asNumber;
  const port = settings.configuredPort(own.name) ?? defaultPort;
  const isOwn =
    own.addresses[family] === peer.address &&
    (spec.asNumber ?? asNumber) === asNumber &&
    (peer.port ?? port) === port;
  return isOwn ? [family] : [];
}

/** Every other node by every family that both have; route reflectors stand outside. */
function* meshEntries(inputs: PeeringInputs): Generator<Entry> {
  const { own, settings } = inputs;
  if (!settings.meshEnabled || own.clusterId !== undefined) return;
  const shared = families.filter((family) => own.addresses[family] !== undefined);
  for (const router of inputs.routers.values()) {
    if (router.name === own.name || router.clusterId !== undefined) continue;
    for (const target of targetsAt(inputs, router, shared)) {
      if (target.address === own.addresses[familyOf(target.address)]) continue;
      yield { type: 'mesh', target, spec: undefined };
    }
  }
}

/** What an address is one of several of: a node or a workload; undefined if that is not known. */
function endOf({ router, workload }: Target): string | undefined {
  if (workload !== undefined) return `workload ${workload}`;
  return router === undefined ? undefined : `node ${router.name}`;
}

/** By which families each node and workload is reached. */
function familiesByEnd(entries: readonly Entry[]): ReadonlyMap<string, ReadonlySet<Family>> {
  const reached = new Map<string, Set<Family>>();
  for (const { target } of entries) {
    const end = endOf(target);
    if (end === undefined) continue;
    let set = reached.get(end);
    if (set === undefined) reached.set(end, (set = new Set()));
    set.add(familyOf(target.address));
  }
  return reached;
}

function planOf(
  { own, settings }: PeeringInputs,
  { type, target, spec }: Entry,
  familiesOfEnd: ReadonlyMap<string, ReadonlySet<Family>>,
): PeerPlan {
  const { address, port, asNumber, router } = target;
  const family = familyOf(address);
  const ownAddress = own.addresses[family];
  const ownAsNumber = own.asNumber ?? settings.asNumber;
  const { confederation } = settings.speakerOptions(own.name);
  // RFC 5065 §4: outside, the confederation is one AS.
  const outside =
    confederation !== undefined && asNumber !== ownAsNumber && !confederation.members.includes(asNumber);
  const localAsNumber = spec?.localASNumber ?? (outside ? confederation.identifier : ownAsNumber);
  const end = endOf(target);
  const reached = end === undefined ? undefined : familiesOfEnd.get(end);
  const keepaliveTime = durationSeconds(spec?.keepaliveTime);
  const password = spec === undefined ? settings.meshPassword : secretReference(spec.password);
  return {
    name: type === 'dynamic' ? spec!.name : peerName(type, address, port, spec?.options.interface),
    type,
    address,
    port: port ?? defaultPort,
    asNumber,
    localAsNumber,
    ...(ownAddress === undefined ||
    type === 'dynamic' ||
    type === 'workload' ||
    spec?.sourceAddress === 'None' ||
    spec?.options.interface !== undefined
      ? {}
      : { sourceAddress: ownAddress }),
    ...(spec?.reachableBy === undefined || type === 'mesh' ? {} : { reachableBy: spec.reachableBy }),
    ...(password === undefined ? {} : { password }),
    // Design D10: an end that is reached by both families has a session for each.
    families: reached !== undefined && reached.size > 1 ? [family] : families,
    // Of two nodes that would connect to one another at once, the one with the lesser address text does.
    passive:
      type === 'dynamic' ||
      type === 'workload' ||
      (type !== 'node' && router !== undefined && ownAddress !== undefined && address > ownAddress),
    reflectorClient:
      spec !== undefined &&
      own.clusterId !== undefined &&
      asNumber === localAsNumber &&
      router?.clusterId !== own.clusterId,
    nextHopMode: nextHopMode(spec, asNumber !== localAsNumber),
    restartTime: spec === undefined ? settings.meshRestartTime : restartTime(spec),
    ...(keepaliveTime === undefined ? {} : { keepaliveTime }),
    ...(spec?.ttlSecurity ? { ttlSecurity: spec.ttlSecurity } : {}),
    allowedOwnAs: spec?.numAllowedLocalASNumbers ?? 0,
    filters: spec?.filters ?? [],
    ...settings.sessionOptions(own.name),
    ...spec?.options,
  };
}

function restartTime(spec: PeerSpec): number {
  return durationSeconds(spec.maxRestartTime) ?? defaultRestartTime;
}

function nextHopMode(spec: PeerSpec | undefined, external: boolean): PeerPlan['nextHopMode'] {
  if (spec?.nextHopMode === 'Self') return 'self';
  // The deprecated field speaks of external peers only.
  if (spec?.nextHopMode === 'Keep' || (spec?.keepOriginalNextHop === true && external)) return 'keep';
  return 'auto';
}

/** As Calico names BIRD's protocols; a port is part of the name where one was configured, but not in the mesh. */
function peerName(
  type: Exclude<PeerPlan['type'], 'dynamic'>,
  address: Address,
  port: number | undefined,
  device: string | undefined,
): string {
  const prefix = { mesh: 'Mesh', global: 'Global', node: 'Node', workload: 'Local_Workload' }[type];
  const suffix = type === 'mesh' || port === undefined ? '' : `_port_${port}`;
  const parts = [prefix, ...(address === toBeFound ? [] : [address.replaceAll(/[.:]/g, '_')])];
  if (device !== undefined) parts.push(device);
  return `${parts.join('_')}${suffix}`;
}
