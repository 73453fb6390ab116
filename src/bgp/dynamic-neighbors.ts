/**
 * Peers that are not configured one by one: whoever connects from a prefix of a template becomes a peer made of it, up to
 * the template's limit. The most specific prefix counts. A peer stays while it has a connection, or routes of it are
 * kept for its restart (RFC 4724 §4.2), and while it is kept idle for an error or a limit (RFC 4271 §8.1.1).
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Address, isLinkLocal } from '../net/address.ts';
import { type Prefix, prefixContains, prefixLength } from '../net/prefix.ts';
import type { PeerConfig } from './config.ts';
import type { SessionState } from './fsm/session.ts';
import type { DynamicStatus } from './status.ts';

/** Milliseconds between two looks for peers that have left. One that is found so twice in a row goes. */
const LOOK_INTERVAL = 5000;

/** What is to be known of a neighbour. */
export interface DynamicMember {
  readonly name: string;
  readonly config: PeerConfig;
  /** Whether nothing is left of it that would be lost with it ({@link hasLeft}). */
  readonly isVacant: boolean;
}

export interface DynamicNeighborsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Every neighbour there is, dynamic or not. */
  readonly neighbors: () => Iterable<DynamicMember>;
  readonly remove: (name: string) => void;
}

/** What peers are made of. */
export type Template = PeerConfig & Required<Pick<PeerConfig, 'dynamicNeighbors'>>;

export class DynamicNeighbors {
  private templates: readonly Template[] = [];
  private configured: ReadonlySet<Address> = new Set();
  /** Connections refused for the limit, by template. */
  private readonly refused = new Map<string, number>();
  /** Templates at their limit, each said once until it is below it. */
  private readonly full = new Set<string>();
  private vacant = new Set<string>();
  private timer: TimerHandle | undefined;

  constructor(private readonly options: DynamicNeighborsOptions) {}

  /** Takes over the templates of a configuration, and the addresses that are not theirs. */
  follow(peers: readonly PeerConfig[]): void {
    this.templates = peers.filter(isTemplate);
    this.configured = new Set(peers.filter((peer) => !isTemplate(peer)).map(({ address }) => address));
    this.full.clear();
    for (const name of this.refused.keys()) {
      if (!this.templates.some((template) => template.name === name)) this.refused.delete(name);
    }
  }

  /** The configuration of whoever connects from one address to another; `full`: there are as many as there may be. */
  admit(remote: Address, local: Address | undefined): PeerConfig | 'full' | undefined {
    const template = this.templateOf(remote);
    if (template === undefined || template.shutdown !== undefined) return undefined;
    const { name, dynamicNeighbors } = template;
    const { limit } = dynamicNeighbors;
    if (this.membersOf(name).length >= limit) {
      this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
      if (!this.full.has(name)) {
        this.full.add(name);
        this.options.log.warn(
          { template: name, limit, address: remote },
          'bgp connections rejected: as many dynamic peers as there may be',
        );
      }
      return 'full';
    }
    this.timer ??= this.options.clock.after(LOOK_INTERVAL, () => this.look());
    return memberOf(template, remote, local);
  }

  /** What those that are there are to be under the templates of now; without those that are no longer wanted. */
  resolve(): PeerConfig[] {
    return this.members.flatMap(({ config: { address, sourceAddress } }) => {
      const template = this.configured.has(address) ? undefined : this.templateOf(address);
      return template === undefined ? [] : [memberOf(template, address, sourceAddress)];
    });
  }

  /** TCP MD5 keys by prefix (RFC 2385). */
  keys(): Map<Prefix, string> {
    const keys = new Map<Prefix, string | undefined>();
    for (const { dynamicNeighbors, password } of this.templates) {
      for (const prefix of dynamicNeighbors.prefixes) if (!keys.has(prefix)) keys.set(prefix, password);
    }
    return new Map([...keys].flatMap(([prefix, key]) => (key === undefined ? [] : [[prefix, key]])));
  }

  status(): DynamicStatus[] {
    return this.templates.map(({ name, dynamicNeighbors: { prefixes, limit } }) => ({
      template: name,
      prefixes,
      limit,
      peers: this.membersOf(name).length,
      refused: this.refused.get(name) ?? 0,
    }));
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private templateOf(address: Address): Template | undefined {
    return mostSpecific(this.templates, address);
  }

  private get members(): DynamicMember[] {
    return [...this.options.neighbors()].filter(({ config }) => config.template !== undefined);
  }

  private membersOf(template: string): DynamicMember[] {
    return this.members.filter(({ config }) => config.template === template);
  }

  private look(): void {
    const before = this.vacant;
    this.vacant = new Set();
    for (const { name, isVacant } of this.members) {
      if (!isVacant) continue;
      if (before.has(name)) this.options.remove(name);
      else this.vacant.add(name);
    }
    for (const { name, dynamicNeighbors } of this.templates) {
      if (this.membersOf(name).length < dynamicNeighbors.limit) this.full.delete(name);
    }
    this.timer =
      this.members.length === 0 ? undefined : this.options.clock.after(LOOK_INTERVAL, () => this.look());
  }
}

/**
 * Whether nothing is left of a peer: no connection, no route, and no reason to keep it idle, as there is after an error,
 * beyond its limit of prefixes, or when an operator has taken it down. All that would be forgotten with it.
 */
export function hasLeft(peer: {
  readonly connected: boolean;
  readonly state: SessionState;
  /** Prefixes held from it. */
  readonly received: number;
  readonly heldDown: boolean;
  readonly shutdown: string | undefined;
}): boolean {
  if (peer.connected || peer.received > 0 || peer.heldDown) return false;
  return peer.state !== 'Idle' || peer.shutdown !== undefined;
}

/**
 * The template of the longest prefix that holds an address. Link-local addresses mean nothing without their link, which
 * no template names.
 */
export function mostSpecific(templates: Iterable<Template>, address: Address): Template | undefined {
  if (isLinkLocal(address)) return undefined;
  let longest = -1;
  let chosen: Template | undefined;
  for (const template of templates) {
    for (const prefix of template.dynamicNeighbors.prefixes) {
      if (prefixLength(prefix) <= longest || !prefixContains(prefix, address)) continue;
      longest = prefixLength(prefix);
      chosen = template;
    }
  }
  return chosen;
}

/** The name of the peer that has connected from an address. */
export function dynamicName(address: Address): string {
  return `Dynamic_${address.replaceAll(/[.:]/g, '_')}`;
}

/** Whether peers are made of this one, which is none itself. */
export function isTemplate(peer: PeerConfig): peer is Template {
  return peer.dynamicNeighbors !== undefined;
}

/** The address that it has connected to stays that of the session, also when it is configured by itself. */
function memberOf(
  { dynamicNeighbors: _prefixes, ...template }: Template,
  address: Address,
  sourceAddress: Address | undefined,
): PeerConfig {
  return {
    ...template,
    name: dynamicName(address),
    address,
    ...(sourceAddress === undefined ? {} : { sourceAddress }),
    passive: true,
    template: template.name,
  };
}
