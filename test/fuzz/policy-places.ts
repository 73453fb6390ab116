/** Where packets come from and go to in random clusters, and which interface of the node leads there. */
import type { Topology } from '../oracle/oracle.ts';

/** The node whose policy is tested. */
export const thisNode = 'one';

/** An address of each family. */
export interface Place {
  readonly 4: string;
  readonly 6: string;
}

export const localPods: readonly (Place & { readonly interfaceName: string })[] = Array.from(
  { length: 8 },
  (_, index) => ({
    4: `10.65.0.${index + 2}`,
    6: `fd65::${index + 2}`,
    interfaceName: `cali${index}`,
  }),
);

/** Pods of another node. */
export const remotePods: readonly Place[] = [
  { 4: '10.66.0.2', 6: 'fd66::2' },
  { 4: '10.66.0.3', 6: 'fd66::3' },
];
/** Beyond the cluster. */
export const strangers: readonly Place[] = [
  { 4: '192.0.2.1', 6: '2001:db8::1' },
  { 4: '192.0.2.9', 6: '2001:db8::9' },
  { 4: '198.51.100.7', 6: '2001:db8:1::7' },
];

/** An interface of the node itself: its own address, the gateway behind it, and who is reached by it. */
export interface Uplink {
  readonly name: string;
  readonly own: Place;
  readonly gateway: Place;
  readonly places: readonly Place[];
}

export const uplinks: readonly Uplink[] = [
  {
    name: 'outside',
    own: { 4: '203.0.113.1', 6: '2001:db8:f::1' },
    gateway: { 4: '203.0.113.2', 6: 'fe80::2' },
    places: strangers,
  },
  {
    name: 'fabric',
    own: { 4: '198.18.0.1', 6: '2001:db8:e::1' },
    gateway: { 4: '198.18.0.2', 6: 'fe80::3' },
    places: remotePods,
  },
];

/** The node's own addresses. */
export const hostPlaces: readonly Place[] = uplinks.map(({ own }) => own);

const has = (places: readonly Place[], address: string): boolean =>
  places.some((place) => place[4] === address || place[6] === address);

export const topology: Topology = {
  isHost: (address) => has(hostPlaces, address),
  interfaceTo: (address) => (uplinks.find(({ places }) => has(places, address)) ?? uplinks[0]!).name,
  addressesOf: (interfaceName) =>
    uplinks.filter(({ name }) => name === interfaceName).flatMap(({ own }) => [own[4], own[6]]),
};
