/**
 * Names of BlockAffinity resources. Calico's etcd layout gives them a path instead of a name; ours can be read back:
 * holder, address and prefix length joined by dashes, an IPv6 address as eight groups of four digits.
 */
import { formatAddress } from '../net/address.ts';
import { type Prefix, maskBytes, prefixBytes, prefixFromBytes, prefixLength } from '../net/prefix.ts';
import type { ResourceKey } from './resource.ts';

export interface BlockAffinityIdentity {
  /** `virtual` holders are no nodes: load balancers. */
  readonly type: 'host' | 'virtual';
  readonly node: string;
  readonly cidr: Prefix;
}

const virtualPrefix = 'virtual:';

/** `node1-10-65-0-0-26`, `node1-fd00-0065-0000-0000-0000-0000-0000-0000-122`. */
export function blockAffinityName({ type, node, cidr }: BlockAffinityIdentity): string {
  const bytes = prefixBytes(cidr);
  const address =
    bytes.length === 4 ? [...bytes].join('-') : Buffer.from(bytes).toString('hex').match(/.{4}/g)!.join('-');
  return `${type === 'virtual' ? virtualPrefix : ''}${node}-${address}-${prefixLength(cidr)}`;
}

/** The key of an affinity. */
export function blockAffinityKey(identity: BlockAffinityIdentity): ResourceKey {
  return { kind: 'BlockAffinity', name: blockAffinityName(identity) };
}

/** The inverse of {@link blockAffinityName}; undefined if the text is no such name. */
export function parseBlockAffinityName(name: string): BlockAffinityIdentity | undefined {
  const type = name.startsWith(virtualPrefix) ? 'virtual' : 'host';
  const rest = type === 'virtual' ? name.slice(virtualPrefix.length) : name;
  const six = /^(.+)-((?:[0-9a-f]{4}-){8})([0-9]{1,3})$/.exec(rest);
  const four = six === null ? /^(.+)-((?:[0-9]{1,3}-){4})([0-9]{1,2})$/.exec(rest) : null;
  const parts = six ?? four;
  if (parts === null) return undefined;
  const groups = parts[2]!.slice(0, -1);
  const bytes =
    six === null
      ? Uint8Array.from(groups.split('-').map(Number))
      : Uint8Array.from(Buffer.from(groups.replaceAll('-', ''), 'hex'));
  const length = Number(parts[3]);
  if (length > bytes.length * 8) return undefined;
  if (six === null && formatAddress(bytes) !== groups.replaceAll('-', '.')) return undefined;
  const masked = maskBytes(bytes, length);
  if (masked.some((byte, index) => byte !== bytes[index])) return undefined;
  return { type, node: parts[1]!, cidr: prefixFromBytes(masked, length) };
}
