/**
 * What a fault of an attribute costs, whatever its value (RFC 7606 §3, §4). What a value that cannot be read costs is
 * in its row of the registry (attribute.ts: `action`); impossible next hops cost the routes (RFC 4271 §6.3).
 */

/** RFC 7606 §2: the session; the routes of the message; only the attribute. */
export type FaultCost = 'reset' | 'withdraw' | 'discard';

export interface FaultRule {
  readonly clause: string;
  readonly cost: FaultCost;
  /** Of MP_REACH_NLRI and MP_UNREACH_NLRI: the prefixes to withdraw may be in them. */
  readonly ofPrefixes: FaultCost;
}

export const FAULT_RULES = {
  /** The attribute means nothing from this peer: see `internal` and `twoOctet` in the registry. */
  foreign: {
    clause: 'RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1',
    cost: 'discard',
    ofPrefixes: 'discard',
  },
  /** The optional or the transitive bit is not as the registry says. */
  flags: { clause: 'RFC 7606 §3 c', cost: 'withdraw', ofPrefixes: 'withdraw' },
  /** The first counts. */
  twice: { clause: 'RFC 7606 §3 g', cost: 'discard', ofPrefixes: 'reset' },
  /** Its length leads past the end of the list. */
  overrun: { clause: 'RFC 7606 §4, §3 j', cost: 'withdraw', ofPrefixes: 'reset' },
  /** The list ends within the flags, code and length of an attribute. */
  cutOff: { clause: 'RFC 7606 §4', cost: 'withdraw', ofPrefixes: 'withdraw' },
  /** A route cannot do without it. */
  missing: { clause: 'RFC 7606 §3 d', cost: 'withdraw', ofPrefixes: 'withdraw' },
} as const satisfies Readonly<Record<string, FaultRule>>;

export type FaultKind = keyof typeof FAULT_RULES;
