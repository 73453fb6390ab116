/**
 * The documented FelixConfiguration parameters that have no effect here (other dataplanes, other operating systems,
 * debugging): accepted with their type, so that existing configuration can be applied unchanged.
 */
import * as z from 'zod';
import * as field from '../fields.ts';

const flags = [
  'bpfConnectTimeLoadBalancingEnabled',
  'bpfDisableUnprivileged',
  'bpfEnabled',
  'bpfHostConntrackBypass',
  'bpfKubeProxyEndpointSlicesEnabled',
  'bpfKubeProxyIptablesCleanupEnabled',
  'bpfPolicyDebugEnabled',
  'debugDisableLogDropping',
  'flowLogsCollectorDebugTrace',
  'genericXDPEnabled',
  'prometheusGoMetricsEnabled',
  'prometheusProcessMetricsEnabled',
  'prometheusWireGuardMetricsEnabled',
  'requireMTUFile',
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
  'bpfExportBufferSizeMB',
  'bpfMapSizeConntrack',
  'bpfMapSizeConntrackCleanupQueue',
  'bpfMapSizeIPSets',
  'bpfMapSizeIfState',
  'bpfMapSizeNATAffinity',
  'bpfMapSizeNATBackend',
  'bpfMapSizeNATFrontend',
  'bpfMapSizePerCpuConntrack',
  'bpfMapSizeRoute',
  'debugPort',
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
  'bpfKubeProxyMinSyncPeriod',
  'dataplaneWatchdogTimeout',
  'debugSimulateCalcGraphHangAfter',
  'debugSimulateDataplaneApplyDelay',
  'debugSimulateDataplaneHangAfter',
  'flowLogsFlushInterval',
  'ipsetsRefreshInterval',
  'iptablesLockProbeInterval',
  'iptablesLockTimeout',
  'iptablesPostWriteCheckInterval',
  'iptablesRefreshInterval',
  'liveMigrationRouteConvergenceTime',
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
  'bpfConntrackLogLevel',
  'bpfConntrackMode',
  'bpfDataIfacePattern',
  'bpfDisableGROForIfaces',
  'bpfEnforceRPF',
  'bpfExternalServiceMode',
  'bpfHostNetworkedNATWithoutCTLB',
  'bpfL3IfacePattern',
  'bpfLogLevel',
  'bpfMapSizeConntrackScaling',
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
  ...each(['bpfLogFilters', 'bpfConntrackTimeouts'], () => z.record(z.string(), z.string())),
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
