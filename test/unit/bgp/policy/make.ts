import type { ExportFacts } from '../../../../src/bgp/policy/prefix-filter.ts';

/** A node that has nothing and knows of nothing. */
export const NO_FACTS: ExportFacts = {
  blocks: [],
  pools: [],
  services: [],
  advertisements: [],
  aggregates: [],
  reflector: false,
};
