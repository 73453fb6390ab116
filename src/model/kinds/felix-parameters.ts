/**
 * The documented FelixConfiguration parameters that have no effect here (other dataplanes, other operating systems,
 * debugging): accepted with their type, so that existing configuration can be applied unchanged.
 */
import * as z from 'zod';
import * as field from '../fields.ts';

const flags = [
  'bpfAttachTypeTCXEnabled',
  'bpfConnectTimeLoadBalancingEnabled',
  'bpfDisableUnprivileged',
  'bpfEnabled',
  'bpfHostConntrackBypass',
  'bpfKubeProxyEndpointSlicesEnabled',
  'bpfKubeProxyIptablesCleanupEnabled',
  'bpfPolicyDebugEnabled',
  'debugDisableLogDropping',
  'endpointReportingNamesEnabled',
  'genericXDPEnabled',
  'prometheusGoMetricsEnabled',
  'prometheusProcessMetricsEnabled',
  'prometheusWireGuardMetricsEnabled',
  'sidecarAccelerationEnabled',
  'usageReportingEnabled',
  'useInternalDataplaneDriver',
  'wireguardEnabled',
  'wireguardEnabledV6',
  'wireguardHostEncryptionEnabled',
  'wireguardThreadingEnabled',
  'xdpEnabled',
] as const;

const integers = [
  'bpfExtToServiceConnmark',
  'bpfMapSizeConntrack',
  'bpfMapSizeIPSets',
  'bpfMapSizeIfState',
  'bpfMapSizeNATAffinity',
  'bpfMapSizeNATBackend',
  'bpfMapSizeNATFrontend',
  'bpfMapSizePerCpuConntrack',
  'bpfMapSizeRoute',
  'bpfMaglevMaxEndpointsPerService',
  'bpfMaglevMaxServices',
  'debugPort',
  'flowLogsFlushInterval',
  'goGCThreshold',
  'goMaxProcs',
  'goMemoryLimitMB',
  'iptablesMarkMask',
  'istioDSCPMark',
  'maxIpsetSize',
  'metadataPort',
  'wireguardListeningPort',
  'wireguardListeningPortV6',
  'wireguardMTU',
  'wireguardMTUV6',
  'wireguardRoutingRulePriority',
] as const;

const durations = [
  'bpfExportBufferSizeInterval',
  'bpfKubeProxyMinSyncPeriod',
  'dataplaneWatchdogTimeout',
  'debugSimulateCalcGraphHangAfter',
  'debugSimulateDataplaneApplyDelay',
  'debugSimulateDataplaneHangAfter',
  'ipsetsRefreshInterval',
  'iptablesLockProbeInterval',
  'iptablesLockTimeout',
  'iptablesPostWriteCheckInterval',
  'iptablesRefreshInterval',
  'liveMigrationRouteConvergenceTime',
  'localSubnetL2ReachabilityRefreshInterval',
  'netlinkTimeout',
  'usageReportingInitialDelay',
  'usageReportingInterval',
  'wireguardKeepAlive',
  'xdpRefreshInterval',
] as const;

const texts = [
  'awsSrcDstCheck',
  'bpfCTLBLogFilter',
  'bpfConnectTimeLoadBalancing',
  'bpfConntrackCleanupMode',
  'bpfConntrackLogLevel',
  'bpfConntrackMode',
  'bpfDataIfacePattern',
  'bpfDisableGROForIfaces',
  'bpfEnforceRPF',
  'bpfExternalServiceMode',
  'bpfHostNetworkedNATWithoutCTLB',
  'bpfJITHardening',
  'bpfL3IfacePattern',
  'bpfLogLevel',
  'bpfProfiling',
  'bpfRedirectToPeer',
  'bpfAttachType',
  'cgroupV2Path',
  'chainInsertMode',
  'dataplaneDriver',
  'debugHost',
  'debugMemoryProfilePath',
  'featureDetectOverride',
  'featureGates',
  'flowLogsCollectorDebugTrace',
  'flowLogsGoldmaneServer',
  'flowLogsLocalReporter',
  'flowLogsPolicyEvaluationMode',
  'iptablesBackend',
  'iptablesFilterAllowAction',
  'iptablesFilterDenyAction',
  'iptablesLockFilePath',
  'iptablesMangleAllowAction',
  'iptablesNATOutgoingInterfaceFilter',
  'istioAmbientMode',
  'localSubnetL2Reachability',
  'logDebugFilenameRegex',
  'logFilePath',
  'logSeverityFile',
  'logSeveritySys',
  'metadataAddr',
  'nftablesFlowTableDataIfacePattern',
  'nftablesFlowTableOffload',
  'openstackRegion',
  'policySyncPathPrefix',
  'requireMTUFile',
  'windowsManageFirewallRules',
  'wireguardInterfaceName',
  'wireguardInterfaceNameV6',
] as const;

const textLists = ['bpfDSROptoutCIDRs', 'bpfExcludeCIDRsFromNAT', 'bpfForceTrackPacketsFromIfaces'] as const;

function each<const Name extends string, Schema extends z.ZodType>(
  names: readonly Name[],
  schema: () => Schema,
): Record<Name, z.ZodExactOptional<Schema>> {
  const description = 'Accepted for compatibility; has no effect here.';
  return Object.fromEntries(
    names.map((name) => [name, z.exactOptional(schema()).describe(description)]),
  ) as Record<Name, z.ZodExactOptional<Schema>>;
}

export const acceptedParameters = () => ({
  ...each(flags, () => z.boolean()),
  ...each(integers, () => z.int()),
  ...each(durations, () => field.duration()),
  ...each(texts, () => z.string()),
  ...each(textLists, () => z.array(z.string())),
  ...each(['bpfLogFilters'], () => z.record(z.string(), z.string())),
  ...each(['bpfPSNATPorts'], () => field.port()),
  ...each(['healthTimeoutOverrides'], () =>
    z.array(
      z.strictObject({
        name: z.string().describe('The component.'),
        timeout: field.duration().describe('Its time limit.'),
      }),
    ),
  ),
});
