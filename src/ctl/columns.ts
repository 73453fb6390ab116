/** What `margayctl get` prints of each kind, in calicoctl's own columns (reference: calicoctl resourcemgr). */
import { convertLabelSelector } from '../model/convert/label-selector.ts';
import type { LabelSelector } from '../model/kinds/label-selector.ts';
import { kindDefinition } from '../model/registry.ts';
import type { KnownKind, KnownResource } from '../model/registry.ts';
import { formatSelector } from '../model/selector/selector.ts';

/** What a column may need besides the resource itself. */
export interface ColumnContext {
  /** AS number of nodes that name none. */
  readonly defaultAsNumber: number;
}

type Cell = string | number | boolean | null | undefined;

interface Column<R> {
  readonly heading: string;
  readonly value: (resource: R, context: ColumnContext) => Cell;
}

interface Columns<R> {
  readonly ps: readonly Column<R>[];
  /** Instead of `ps`, with `-o wide`. */
  readonly wide?: readonly Column<R>[];
}

type Of<Kind extends KnownKind> = Extract<KnownResource, { kind: Kind }>;

const NETS_LIMIT = 80;

function column<R>(heading: string, value: (resource: R, context: ColumnContext) => Cell): Column<R> {
  return { heading, value };
}

function name<R extends KnownResource>(): Column<R> {
  return column('NAME', (resource) => resource.metadata.name);
}

type Policy =
  | Of<'NetworkPolicy'>
  | Of<'GlobalNetworkPolicy'>
  | Of<'StagedNetworkPolicy'>
  | Of<'StagedGlobalNetworkPolicy'>;

function policyColumns<R extends Policy>(): Columns<R> {
  const ps = [name<R>(), column<R>('TIER', ({ spec }) => spec.tier)];
  return {
    ps,
    wide: [
      ...ps,
      column<R>('ORDER', ({ spec }) => spec.order),
      column<R>('SELECTOR', ({ spec }) => spec.selector),
    ],
  };
}

function netsColumns<R extends Of<'NetworkSet'> | Of<'GlobalNetworkSet'>>(): Columns<R> {
  return { ps: [name()], wide: [name(), column('NETS', ({ spec }) => shorten(list(spec.nets)))] };
}

/** For kinds of which there is nothing else to say in a table. */
function nameOnly<R extends KnownResource>(): Columns<R> {
  return { ps: [name()] };
}

const COLUMNS: { readonly [Kind in KnownKind]: Columns<Of<Kind>> } = {
  BGPConfiguration: {
    ps: [
      name(),
      column('LOGSEVERITY', ({ spec }) => spec.logSeverityScreen),
      column('MESHENABLED', ({ spec }) => spec.nodeToNodeMeshEnabled),
      column('ASNUMBER', ({ spec }) => spec.asNumber),
    ],
  },
  BGPFilter: {
    ps: [
      name(),
      column('NUMEXPORTV4', ({ spec }) => spec.exportV4?.length ?? 0),
      column('NUMIMPORTV4', ({ spec }) => spec.importV4?.length ?? 0),
      column('NUMEXPORTV6', ({ spec }) => spec.exportV6?.length ?? 0),
      column('NUMIMPORTV6', ({ spec }) => spec.importV6?.length ?? 0),
    ],
  },
  BGPPeer: {
    ps: [
      name(),
      column('PEERIP', ({ spec }) => spec.peerIP),
      column('NODE', ({ spec }) => spec.node ?? spec.nodeSelector ?? '(global)'),
      column('ASN', ({ spec }) => spec.asNumber),
    ],
  },
  BlockAffinity: {
    ps: [
      name(),
      column('NODE', ({ spec }) => spec.node),
      column('CIDR', ({ spec }) => spec.cidr),
      column('STATE', ({ spec }) => spec.state),
    ],
  },
  CalicoNodeStatus: {
    ps: [name(), column('NODE', ({ spec }) => spec.node)],
    wide: [
      name(),
      column('NODE', ({ spec }) => spec.node),
      column('CLASSES', ({ spec }) => list(spec.classes)),
    ],
  },
  ClusterInformation: {
    ps: [
      name(),
      column('CLUSTERGUID', ({ spec }) => spec.clusterGUID),
      column('CLUSTERTYPE', ({ spec }) => spec.clusterType),
      column('CALICOVERSION', ({ spec }) => spec.calicoVersion),
      column('DATASTOREREADY', ({ spec }) => spec.datastoreReady),
    ],
  },
  FelixConfiguration: nameOnly(),
  GlobalNetworkPolicy: policyColumns(),
  GlobalNetworkSet: netsColumns(),
  HostEndpoint: {
    ps: [name(), column('NODE', ({ spec }) => spec.node)],
    wide: [
      name(),
      column('NODE', ({ spec }) => spec.node),
      column('INTERFACE', ({ spec }) => spec.interfaceName),
      column('IPS', ({ spec }) => list(spec.expectedIPs)),
      column('PROFILES', ({ spec }) => list(spec.profiles)),
    ],
  },
  IPAMBlock: {
    ps: [
      name(),
      column('CIDR', ({ spec }) => spec.cidr),
      column('AFFINITY', ({ spec }) => spec.affinity),
      column('FREE', ({ spec }) => spec.unallocated?.length ?? 0),
    ],
  },
  IPAMConfiguration: {
    ps: [
      name(),
      column('STRICTAFFINITY', ({ spec }) => spec.strictAffinity),
      column('AUTOALLOCATEBLOCKS', ({ spec }) => spec.autoAllocateBlocks),
    ],
    wide: [
      name(),
      column('STRICTAFFINITY', ({ spec }) => spec.strictAffinity),
      column('AUTOALLOCATEBLOCKS', ({ spec }) => spec.autoAllocateBlocks),
      column('MAXBLOCKSPERHOST', ({ spec }) => spec.maxBlocksPerHost ?? 0),
    ],
  },
  IPAMHandle: {
    ps: [name(), column('BLOCKS', ({ spec }) => list(Object.keys(spec.block)))],
  },
  IPPool: {
    ps: [
      name(),
      column('CIDR', ({ spec }) => spec.cidr),
      column('SELECTOR', ({ spec }) => spec.nodeSelector),
    ],
    wide: [
      name(),
      column('CIDR', ({ spec }) => spec.cidr),
      column('NAT', ({ spec }) => spec.natOutgoing),
      column('IPIPMODE', ({ spec }) => spec.ipipMode),
      column('VXLANMODE', ({ spec }) => spec.vxlanMode),
      column('DISABLED', ({ spec }) => spec.disabled),
      column('DISABLEBGPEXPORT', ({ spec }) => spec.disableBGPExport),
      column('SELECTOR', ({ spec }) => spec.nodeSelector),
      column('ASSIGNMENTMODE', ({ spec }) => spec.assignmentMode),
    ],
  },
  IPReservation: {
    ps: [name()],
    wide: [name(), column('CIDRS', ({ spec }) => shorten(list(spec.reservedCIDRs)))],
  },
  KubeControllersConfiguration: nameOnly(),
  KubernetesClusterNetworkPolicy: {
    ps: [name(), column('TIER', ({ spec }) => spec.tier), column('PRIORITY', ({ spec }) => spec.priority)],
  },
  KubernetesEndpointSlice: {
    ps: [
      name(),
      column('ADDRESSTYPE', ({ spec }) => spec.addressType),
      column('ENDPOINTS', ({ spec }) => shorten(list(spec.endpoints.flatMap(({ addresses }) => addresses)))),
    ],
  },
  KubernetesNetworkPolicy: nameOnly(),
  KubernetesNode: nameOnly(),
  KubernetesService: {
    ps: [
      name(),
      column('TYPE', ({ spec }) => spec.type),
      column('CLUSTERIPS', ({ spec }) =>
        list(spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])),
      ),
    ],
  },
  LiveMigration: nameOnly(),
  Namespace: nameOnly(),
  NetworkPolicy: policyColumns(),
  NetworkSet: netsColumns(),
  Node: {
    ps: [name()],
    wide: [
      name(),
      column('ASN', ({ spec }, { defaultAsNumber }) => spec.bgp?.asNumber ?? `(${defaultAsNumber})`),
      column('IPV4', ({ spec }) => spec.bgp?.ipv4Address),
      column('IPV6', ({ spec }) => spec.bgp?.ipv6Address),
    ],
  },
  Pod: { ps: [name(), column('NODE', ({ spec }) => spec.nodeName)] },
  Profile: {
    ps: [name()],
    wide: [
      name(),
      column('LABELS', ({ spec }) =>
        list(Object.entries(spec.labelsToApply ?? {}).map(([key, value]) => `${key}=${value}`)),
      ),
    ],
  },
  ServiceAccount: nameOnly(),
  StagedGlobalNetworkPolicy: policyColumns(),
  StagedKubernetesNetworkPolicy: {
    ps: [name()],
    wide: [name(), column('PODSELECTOR', ({ spec }) => labelSelectorText(spec.podSelector))],
  },
  StagedNetworkPolicy: policyColumns(),
  Tier: { ps: [name(), column('ORDER', ({ spec }) => spec.order)] },
  WorkloadEndpoint: {
    ps: [
      column('WORKLOAD', ({ spec }) => spec.pod ?? spec.workload),
      column('NODE', ({ spec }) => spec.node),
      column('NETWORKS', ({ spec }) => list(spec.ipNetworks)),
      column('INTERFACE', ({ spec }) => spec.interfaceName),
    ],
    wide: [
      name(),
      column('WORKLOAD', ({ spec }) => spec.pod ?? spec.workload),
      column('NODE', ({ spec }) => spec.node),
      column('NETWORKS', ({ spec }) => list(spec.ipNetworks)),
      column('INTERFACE', ({ spec }) => spec.interfaceName),
      column('PROFILES', ({ spec }) => list(spec.profiles)),
      column('NATS', ({ spec }) => list(spec.ipNATs?.map((nat) => nat.externalIP))),
    ],
  },
};

/** A label selector of Kubernetes in the selector language; as JSON where it says what the language cannot. */
function labelSelectorText(selector: LabelSelector): string {
  const converted = convertLabelSelector(selector, [], () => undefined);
  return converted === undefined ? JSON.stringify(selector) : formatSelector(converted);
}

export interface ResourceTable {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The table of resources of one kind; NAMESPACE comes first if `withNamespace` and the kind has one. */
export function resourceTable(
  kind: KnownKind,
  resources: readonly KnownResource[],
  options: { readonly wide: boolean; readonly withNamespace: boolean; readonly context: ColumnContext },
): ResourceTable {
  // The table is typed by kind; here any kind is at hand, and its own resources with it.
  const { ps, wide } = COLUMNS[kind] as Columns<KnownResource>;
  const chosen = [
    ...(options.withNamespace && kindDefinition(kind)?.namespaced === true
      ? [column<KnownResource>('NAMESPACE', ({ metadata }) => metadata.namespace)]
      : []),
    ...(options.wide ? (wide ?? ps) : ps),
  ];
  return {
    headings: chosen.map(({ heading }) => heading),
    rows: resources.map((resource) => chosen.map(({ value }) => cell(value(resource, options.context)))),
  };
}

function cell(value: Cell): string {
  return value === undefined || value === null ? '' : String(value);
}

function list(values: readonly unknown[] | undefined): string {
  return (values ?? []).map(String).join(',');
}

function shorten(text: string): string {
  return text.length <= NETS_LIMIT ? text : `${text.slice(0, NETS_LIMIT - 3)}...`;
}
