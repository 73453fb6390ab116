/**
 * Calico's relation between the metric of a kernel route and LOCAL_PREF: a better (lower) metric is a higher
 * preference, so that the order among routes is the same in every kernel and in BGP.
 */
const LARGEST_METRIC = 2_147_483_647;

export function localPrefOfMetric(metric: number): number {
  return LARGEST_METRIC - metric;
}

/** Below zero for a LOCAL_PREF that no metric stands for. */
export function metricOfLocalPref(localPref: number): number {
  return LARGEST_METRIC - localPref;
}
