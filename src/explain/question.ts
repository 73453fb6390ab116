/** Questions as people write them: `shop/web:80/tcp`, `10.0.0.1:443`, `[fd00::1]:53/udp`, `shop/web:8/icmp`. */
import { ConfigError } from '../base/errors.ts';
import { protocolNumbers } from '../model/fields.ts';
import { type Address, parseAddress } from '../net/address.ts';
import { type Prefix, isHostPrefix, parsePrefix, prefixAddress } from '../net/prefix.ts';
import { portProtocols } from './packet.ts';

/** Who sends or receives. */
export type Party =
  | { readonly kind: 'workload'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'node'; readonly name: string }
  | { readonly kind: 'host-endpoint'; readonly name: string }
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'cidr'; readonly cidr: Prefix };

/** What is sent. ICMP is that of the family; a port may be the name that the destination gives one. */
export interface Service {
  readonly protocol: number | 'icmp';
  readonly port?: number | string;
  readonly icmp?: { readonly type: number; readonly code: number };
}

export interface PartyOptions {
  /** Of workloads that state none. */
  readonly namespace: string;
}

/** What the first word of `WORD/NAME` says the rest is. */
const kindWords = {
  pod: 'workload',
  workload: 'workload',
  node: 'node',
  hep: 'host-endpoint',
  hostendpoint: 'host-endpoint',
  svc: 'service',
  service: 'service',
} as const;

/**
 * Reads `[NAMESPACE/]POD`, `node/NAME`, `hep/NAME`, `svc/[NAMESPACE/]NAME`, an address or a CIDR. A pod of a namespace
 * called `node` is `pod/node/NAME`. Throws a ConfigError.
 */
export function parseParty(text: string, { namespace }: PartyOptions): Party {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  const address = parseAddress(bare);
  if (address !== undefined) return { kind: 'address', address };
  const cidr = parsePrefix(bare);
  if (cidr !== undefined) {
    return isHostPrefix(cidr) ? { kind: 'address', address: prefixAddress(cidr) } : { kind: 'cidr', cidr };
  }
  const [word = '', ...names] = text.split('/');
  if (names.length > 0 && Object.hasOwn(kindWords, word) && names.every((name) => /^[^/:[\]]+$/.test(name))) {
    const kind = kindWords[word as keyof typeof kindWords];
    const name = names.at(-1)!;
    if (kind === 'node' || kind === 'host-endpoint') {
      if (names.length === 1) return { kind, name };
    } else if (names.length <= 2) {
      return { kind, namespace: names.length === 2 ? names[0]! : namespace, name };
    }
    throw unreadable(text);
  }
  const match = /^(?:([^/:[\]]+)\/)?([^/:[\]]+)$/.exec(text);
  if (match === null) throw unreadable(text);
  return { kind: 'workload', namespace: match[1] ?? namespace, name: match[2]! };
}

/** Reads `PARTY[:PORT[/PROTOCOL]]`; without a protocol it is TCP. Throws a ConfigError. */
export function parseDestination(text: string, options: PartyOptions): { party: Party; service: Service } {
  if (parseAddress(text) !== undefined || parsePrefix(text) !== undefined) {
    return { party: parseParty(text, options), service: { protocol: protocolNumbers.TCP } };
  }
  const match = /^(\[[^\]]*\]|.*?)(?::([^:/]+)(?:\/([^:/]+))?)?$/.exec(text);
  if (match === null) throw unreadable(text);
  return {
    party: parseParty(match[1]!, options),
    service: parseService(match[2], match[3] ?? 'tcp'),
  };
}

function parseService(port: string | undefined, protocolName: string): Service {
  const protocol = parseProtocol(protocolName);
  if (protocol === 'icmp') {
    const match = port === undefined ? null : /^([0-9]{1,3})(?:\.([0-9]{1,3}))?$/.exec(port);
    if (port !== undefined && match === null) {
      throw new ConfigError('explain.question', `${JSON.stringify(port)} is not an ICMP type`, {
        fix: 'write TYPE/icmp or TYPE.CODE/icmp, such as 8/icmp',
      });
    }
    const icmp = match === null ? undefined : { type: Number(match[1]), code: Number(match[2] ?? 0) };
    return { protocol, ...(icmp && { icmp }) };
  }
  if (port === undefined) return { protocol };
  if (!portProtocols.has(protocol)) {
    throw new ConfigError('explain.question', `protocol ${protocolName} has no ports`, {
      fix: 'leave the port away, or name tcp, udp, sctp or udplite',
    });
  }
  if (!/^[0-9]+$/.test(port)) return { protocol, port };
  if (Number(port) > 65535) {
    throw new ConfigError('explain.question', `${port} is not a port`, { fix: 'give 0 to 65535' });
  }
  return { protocol, port: Number(port) };
}

function parseProtocol(text: string): number | 'icmp' {
  const name = text.toLowerCase();
  if (name === 'icmp' || name === 'icmpv6') return 'icmp';
  for (const [known, number] of Object.entries(protocolNumbers)) {
    if (known.toLowerCase() === name) return number;
  }
  if (/^[0-9]{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
  throw new ConfigError('explain.question', `unknown protocol ${JSON.stringify(text)}`, {
    fix: 'name tcp, udp, sctp, udplite, icmp or a number',
  });
}

function unreadable(text: string): ConfigError {
  return new ConfigError('explain.question', `cannot read ${JSON.stringify(text)}`, {
    fix: 'write NAMESPACE/POD, node/NAME, hep/NAME, svc/NAMESPACE/NAME, an address or a CIDR, and for the destination :PORT/PROTOCOL behind it',
  });
}
