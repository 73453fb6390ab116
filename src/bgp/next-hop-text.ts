/** Next hops of the kernel as text, equal exactly if they are. */
import type { NextHop } from '../netlink/kernel.ts';

export function nextHopText({ gateway, interface: index, onlink, weight = 1 }: NextHop): string {
  return `${gateway ?? ''}%${index ?? ''}${onlink === true ? '!' : ''}${weight === 1 ? '' : `*${weight}`}`;
}

/** Whatever their order. */
export function nextHopsText(nextHops: readonly NextHop[]): string {
  return nextHops.map(nextHopText).toSorted().join(' ');
}
