/**
 * Sets by their meaning: equal meaning gives equal id, so that rules share them (design D6). The id is the meaning
 * itself, so that names in the kernel can be read.
 */
import { formatSelector, type Selector } from '../model/selector/selector.ts';
import type { NamedPortMatch } from './member-set.ts';
import { matcherOf } from './selector-matcher.ts';
import type { SetDefinition } from './set-registry.ts';

/** The addresses of what a selector selects. */
export function addressSet(selector: Selector): SetDefinition {
  const canonical = formatSelector(selector);
  return {
    id: canonical,
    kind: 'addresses',
    description: canonical,
    port: undefined,
    matcher: matcherOf(selector),
  };
}

/** The (address, protocol, port) triples that what a selector selects knows by a name. */
export function namedPortSet(selector: Selector, port: NamedPortMatch): SetDefinition {
  const protocol = port.protocol ?? 'any';
  const canonical = formatSelector(selector);
  return {
    id: `${protocol}/${port.name} of ${canonical}`,
    kind: 'named-port',
    description: `port ${port.name} (protocol ${protocol}) of ${canonical}`,
    port,
    matcher: matcherOf(selector),
  };
}
