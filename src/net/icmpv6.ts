/** Types of ICMPv6 messages that IPv6 itself needs, which no policy may keep from a host. */

/**
 * What a host must get from its workloads: multicast listener query, report and done (RFC 2710), router and neighbour
 * solicitation, neighbour advertisement (RFC 4861). Not router advertisement: a workload is no router.
 */
export const workloadDiscoveryTypes: readonly number[] = [130, 131, 132, 133, 135, 136];

/**
 * The same between a host and its network, with what makes a host's own addresses and routes, and what it tells snooping
 * switches: router advertisement (RFC 4861) and version 2 listener report (RFC 3810). BGP without addresses of its own
 * finds its neighbours by router advertisements, too.
 */
export const hostDiscoveryTypes: readonly number[] = [130, 131, 132, 133, 134, 135, 136, 143];
