/** What the oracle is asked about, and what a list of rules may say. */

export interface OraclePacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

export type Direction = 'ingress' | 'egress';
export type Outcome = 'allow' | 'deny' | 'pass' | 'none';
