/** Names of IPAMBlock resources: Calico's etcd layout gives blocks a path instead of a name. */
import { type Prefix, prefixBytes, prefixLength } from '../net/prefix.ts';
import { parseBlockAffinityName } from './block-affinity-name.ts';

/** `10-65-0-0-26`, `fd00-0065-0000-0000-0000-0000-0000-0000-122`. */
export function blockName(cidr: Prefix): string {
  const bytes = prefixBytes(cidr);
  const address =
    bytes.length === 4 ? [...bytes].join('-') : Buffer.from(bytes).toString('hex').match(/.{4}/g)!.join('-');
  return `${address}-${prefixLength(cidr)}`;
}

/** The inverse of {@link blockName}; undefined if the text is no such name. */
export function parseBlockName(name: string): Prefix | undefined {
  const cidr = parseBlockAffinityName(`any-${name}`)?.cidr;
  return cidr !== undefined && blockName(cidr) === name ? cidr : undefined;
}
