/** What random clusters draw from: few enough that labels, ports and addresses meet often. */

export type Fields = Record<string, unknown>;

export const namespaces = ['n1', 'n2', 'n3'] as const;
export const portNames = ['http', 'dns', 'web.1'] as const;
export const portPool = [53, 80, 81, 443, 999, 1000, 1005, 1010, 1011, 8080, 65535] as const;
/** Of VXLAN, as far as FelixConfiguration does not say otherwise: its default is the first. */
export const vxlanPorts = [4789, 4790] as const;
