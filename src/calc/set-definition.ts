/**
 * Sets by their meaning: equal meaning gives equal id, so that rules share them (design D6). The id is the meaning
 * itself, so that names in the kernel can be read.
 */
import { formatSelector, type Selector } from '../model/selector/selector.ts';
import type { Labels, Matcher } from './label-index.ts';
import type { NamedPortMatch } from './member-set.ts';
import type { SetId } from './output.ts';
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
    from: 'labelled',
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
    from: 'labelled',
    matcher: matcherOf(selector),
  };
}

/** The addresses of the nodes that a selector selects. */
export function nodeAddressSet(selector: Selector): SetDefinition {
  const description = `nodes: ${formatSelector(selector)}`;
  return {
    id: description,
    kind: 'addresses',
    description,
    port: undefined,
    from: 'nodes',
    matcher: matcherOf(selector),
  };
}

/** A Service of Kubernetes. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

/** How the sets of a service are called; no canonical selector or named port looks like that. */
const serviceSetPrefixes = {
  addresses: 'endpoints of service ',
  ports: 'endpoints and ports of service ',
} as const;

/** Whether the set is that of a service. */
export function isServiceSet(id: SetId): boolean {
  return Object.values(serviceSetPrefixes).some((prefix) => id.startsWith(prefix));
}

/** What an EndpointSlice is known by to the sets of its Service. */
const serviceLabel = 'service';
/** The name that every port of an EndpointSlice goes by: a rule about a service is about all of its ports. */
export const servicePort = '';

/** The labels by which a slice is found, by the service that it belongs to. */
export function sliceLabels(service: ServiceName): Labels {
  return new Map([[serviceLabel, serviceText(service)]]);
}

/** The addresses of a service's endpoints. */
export function serviceAddressSet(service: ServiceName): SetDefinition {
  const description = `${serviceSetPrefixes.addresses}${serviceText(service)}`;
  return {
    id: description,
    kind: 'addresses',
    description,
    port: undefined,
    from: 'slices',
    matcher: serviceMatcher(service),
  };
}

/** The (address, protocol, port) triples of a service's endpoints. */
export function servicePortSet(service: ServiceName): SetDefinition {
  const description = `${serviceSetPrefixes.ports}${serviceText(service)}`;
  return {
    id: description,
    kind: 'named-port',
    description,
    port: { name: servicePort, protocol: undefined },
    from: 'slices',
    matcher: serviceMatcher(service),
  };
}

function serviceText({ namespace, name }: ServiceName): string {
  return `${namespace}/${name}`;
}

function serviceMatcher(service: ServiceName): Matcher {
  return matcherOf({ type: '==', label: serviceLabel, value: serviceText(service) });
}
