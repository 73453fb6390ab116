/** What names of objects look like. */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const subdomainPattern = new RegExp(`^${subdomain}$`);
const labelPattern = new RegExp(`^${label}$`);

/** RFC 1123 subdomain, as Kubernetes names objects. */
export function isSubdomain(name: string): boolean {
  return name.length <= 253 && subdomainPattern.test(name);
}

/** RFC 1123 label. */
export function isDnsLabel(name: string): boolean {
  return name.length <= 63 && labelPattern.test(name);
}

const networkPolicyName = new RegExp(
  `^((${label})|(${label}\\.${label})|((knp|ossg)\\.default\\.${subdomain}))$`,
);
const globalNetworkPolicyName = new RegExp(`^(${label}\\.)?${label}$`);

/** NetworkPolicy: `NAME`, `TIER.NAME`, or the name that Calico gives to a copy of a Kubernetes policy. */
export function isNetworkPolicyName(name: string): boolean {
  return name.length <= 253 && networkPolicyName.test(name);
}

/** GlobalNetworkPolicy: `NAME` or `TIER.NAME`. */
export function isGlobalNetworkPolicyName(name: string): boolean {
  return name.length <= 253 && globalNetworkPolicyName.test(name);
}

/** Names that are an object for all nodes or for one, as configuration kinds have them. */
export function nodeOfConfigurationName(name: string): string | undefined {
  return name.startsWith('node.') ? name.slice('node.'.length) : undefined;
}
