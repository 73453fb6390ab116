/** Splits a pool into smaller ones: `margayctl ipam split`. Pure. */
import type { IPPool } from '../model/kinds/ip-pool.ts';
import { addressBits, addressFromInteger, familyOf } from '../net/address.ts';
import { type Prefix, prefixLength, prefixRange } from '../net/prefix.ts';

/** Why a pool cannot be split so. */
export interface SplitRefusal {
  readonly problem: string;
  readonly fix: string;
}

/** The pools that take the place of one; `number` is a power of two. */
export function splitPool(pool: IPPool, number: number): readonly IPPool[] | SplitRefusal {
  const bits = Math.log2(number);
  if (number < 2 || !Number.isInteger(bits)) {
    return {
      problem: `number to split CIDR into is not a valid power of 2: ${number}`,
      fix: 'use 2, 4, 8, …',
    };
  }
  const { cidr, blockSize } = pool.spec;
  const length = prefixLength(cidr) + bits;
  if (length > blockSize) {
    return {
      problem: `pools of /${length} are smaller than one block (/${blockSize}) of ${cidr}`,
      fix: `split into at most ${2 ** Math.max(0, blockSize - prefixLength(cidr))}`,
    };
  }
  const family = familyOf(cidr);
  const { first } = prefixRange(cidr);
  const step = 1n << BigInt(addressBits(family) - length);
  const { labels, annotations } = pool.metadata;
  return Array.from({ length: number }, (_, index) => ({
    ...pool,
    metadata: {
      name: `split-${pool.metadata.name}-${index}`,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      ...pool.spec,
      cidr: `${addressFromInteger(family, first + BigInt(index) * step)}/${length}` as Prefix,
    },
  }));
}
