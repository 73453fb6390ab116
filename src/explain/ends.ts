/** Who a question is about: workloads, hosts and addresses that its words stand for. */
import { ConfigError } from '../base/errors.ts';
import { serviceOfSlice, workloadName } from '../calc/endpoint-facts.ts';
import { protocolNumbers } from '../model/fields.ts';
import type { HostEndpoint } from '../model/kinds/host-endpoint.ts';
import type { KubernetesEndpointSlice } from '../model/kinds/kubernetes-endpoint-slice.ts';
import type { KubernetesService } from '../model/kinds/kubernetes-service.ts';
import type { Node } from '../model/kinds/node.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import { nearest } from '../model/problem.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Address, parseAddress } from '../net/address.ts';
import { findWorkload, workloadAt } from './cluster.ts';
import { nodeAddresses, nodeAt } from './hosts.ts';
import type { Party, Service } from './question.ts';

/** One end of the connection. */
export interface End {
  /** `namespace/pod`, `node NAME`, `service namespace/name`, an address or a CIDR. */
  readonly name: string;
  readonly kind: Party['kind'];
  /** Absent if it is no workload that we know. */
  readonly workloadEndpoint?: string;
}

export interface ResolvedEnd extends End {
  readonly workload: WorkloadEndpoint | undefined;
  /** The node that is itself the end. */
  readonly host: string | undefined;
  /** Addresses to ask about; none if the calculation has to tell them. */
  readonly addresses: readonly Address[];
  /** What is asked for there, which behind a service is another port. */
  readonly service: Service;
}

/** What a party stands for: one end, but for a service every address behind it. Throws a ConfigError. */
export function resolveEnds(
  party: Party,
  service: Service,
  resources: readonly KnownResource[],
): ResolvedEnd[] {
  const { kind } = party;
  const nobody = { kind, workload: undefined, host: undefined, addresses: [], service };
  switch (party.kind) {
    case 'cidr':
      return [{ ...nobody, name: party.cidr }];
    case 'workload': {
      const workload = findWorkload(resources, party.namespace, party.name);
      return [{ ...nobody, ...known(workload), name: workloadName(workload) }];
    }
    case 'address':
      return [{ ...nobody, ...at(party.address, resources), addresses: [party.address] }];
    case 'node': {
      const node = named<Node>(resources, 'Node', party.name);
      return [{ ...nobody, name: `node ${party.name}`, host: party.name, addresses: nodeAddresses(node) }];
    }
    case 'host-endpoint': {
      const { spec } = named<HostEndpoint>(resources, 'HostEndpoint', party.name);
      const host = spec.node ?? '';
      const expected = (spec.expectedIPs ?? []).flatMap((text) => parseAddress(text) ?? []);
      const addresses = expected.length > 0 ? expected : nodeAddresses(named<Node>(resources, 'Node', host));
      return [{ ...nobody, name: `host endpoint ${party.name} of ${host}`, host, addresses }];
    }
    case 'service':
      return backends(party, service, resources).map(({ address, ...asked }) => ({
        ...nobody,
        ...at(address, resources),
        name: `service ${party.namespace}/${party.name}`,
        addresses: [address],
        ...asked,
      }));
    default:
      return party satisfies never;
  }
}

function known(workload: WorkloadEndpoint | undefined): Pick<ResolvedEnd, 'workload' | 'workloadEndpoint'> {
  return workload === undefined ? { workload } : { workload, workloadEndpoint: workload.metadata.name };
}

function at(
  address: Address,
  resources: readonly KnownResource[],
): Pick<ResolvedEnd, 'name' | 'workload' | 'workloadEndpoint' | 'host'> {
  const workload = workloadAt(resources, address);
  const host = workload === undefined ? nodeAt(resources, address) : undefined;
  const who = workload === undefined ? host && `node ${host}` : workloadName(workload);
  return { name: who === undefined ? address : `${who} (${address})`, ...known(workload), host };
}

function named<Resource extends KnownResource>(
  resources: readonly KnownResource[],
  kind: Resource['kind'],
  name: string,
): Resource {
  const all = resources.filter((one): one is Resource => one.kind === kind);
  const found = all.find(({ metadata }) => metadata.name === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    all.map(({ metadata }) => metadata.name),
  );
  throw new ConfigError('explain.unknown', `there is no ${kind} ${name}`, {
    fix: near === undefined ? `see "get ${kind.toLowerCase()}s"` : `did you mean ${near}?`,
  });
}

/** The addresses behind a service, with the port that they have for what was asked of the service. */
function backends(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  service: Service,
  resources: readonly KnownResource[],
): { readonly address: Address; readonly service: Service }[] {
  const slices = resources.filter((one): one is KubernetesEndpointSlice => {
    if (one.kind !== 'KubernetesEndpointSlice') return false;
    const owner = serviceOfSlice(one);
    return owner?.namespace === namespace && owner.name === name;
  });
  const definition = resources.find(
    (one): one is KubernetesService =>
      one.kind === 'KubernetesService' && one.metadata.namespace === namespace && one.metadata.name === name,
  );
  const found = slices.flatMap((slice) => {
    const asked = askedOf(slice, definition, service);
    if (asked === undefined) return [];
    return slice.spec.endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses)
      .flatMap((text) => parseAddress(text) ?? [])
      .map((address) => ({ address, service: asked }));
  });
  if (found.length > 0) return found;
  const what = slices.length === 0 ? 'has no EndpointSlice' : 'has no ready endpoint with that port';
  throw new ConfigError('explain.service', `service ${namespace}/${name} ${what}`, {
    fix: 'give a port of the service by number or name, or ask about a pod',
  });
}

function askedOf(
  { spec }: KubernetesEndpointSlice,
  definition: KubernetesService | undefined,
  service: Service,
): Service | undefined {
  const { port, protocol } = service;
  if (port === undefined) return service;
  const sameProtocol = (one: { readonly protocol?: string }): boolean =>
    protocolNumbers[(one.protocol ?? 'TCP') as keyof typeof protocolNumbers] === protocol;
  const own = definition?.spec.ports?.find(
    (one) => sameProtocol(one) && (one.port === port || one.name === port),
  );
  const there = (spec.ports ?? []).find(
    (one) =>
      sameProtocol(one) &&
      (own === undefined ? one.port === port || one.name === port : (one.name ?? '') === (own.name ?? '')),
  );
  return there?.port === undefined ? undefined : { ...service, port: there.port };
}
