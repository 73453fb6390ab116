/** Sets by their meaning: equal meaning gives equal id, so that rules share them (design D6). */
import { createHash } from 'node:crypto';
import { formatSelector, type Selector } from '../model/selector/selector.ts';
import { selectorId } from '../model/selector/unique-id.ts';
import type { NamedPortMatch } from './member-set.ts';
import { matcherOf } from './selector-matcher.ts';
import type { SetDefinition } from './set-registry.ts';

/** The addresses of what a selector selects. */
export function addressSet(selector: Selector): SetDefinition {
  return {
    id: selectorId(selector),
    kind: 'addresses',
    description: formatSelector(selector),
    port: undefined,
    matcher: matcherOf(selector),
  };
}

/** The (address, protocol, port) triples that what a selector selects knows by a name. */
export function namedPortSet(selector: Selector, port: NamedPortMatch): SetDefinition {
  const protocol = port.protocol ?? 'any';
  const canonical = formatSelector(selector);
  const digest = createHash('sha224').update(`n:${protocol},${port.name},${canonical}`).digest('base64url');
  return {
    id: `n:${digest}`,
    kind: 'named-port',
    description: `port ${port.name} (protocol ${protocol}) of ${canonical}`,
    port,
    matcher: matcherOf(selector),
  };
}
