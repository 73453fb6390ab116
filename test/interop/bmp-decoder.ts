/** BMP read as RFC 7854 puts it, without a line of ours: what the exporter is held to. */

export interface BmpMessage {
  readonly type: 'route-monitoring' | 'statistics' | 'peer-down' | 'peer-up' | 'initiation' | 'termination';
  /** Of the per-peer header. */
  readonly peer?: {
    readonly address: string;
    readonly as: number;
    readonly id: string;
    readonly seconds: number;
    readonly ipv6: boolean;
    readonly postPolicy: boolean;
    readonly twoOctetAs: boolean;
  };
  /** Information of an initiation or termination by type. */
  readonly information?: ReadonlyMap<number, string>;
  /** The whole BGP messages within: the UPDATE, both OPENs, the NOTIFICATION. */
  readonly bgp: readonly Buffer[];
  readonly local?: { readonly address: string; readonly port: number; readonly remotePort: number };
  readonly downReason?: number;
  /** Counters by type; of one family by `type/afi/safi`. */
  readonly statistics?: ReadonlyMap<string, bigint>;
}

const TYPES = [
  'route-monitoring',
  'statistics',
  'peer-down',
  'peer-up',
  'initiation',
  'termination',
] as const;

/** All whole messages of a stream, and how many octets they take. Throws where something is not as it must be. */
export function readBmp(stream: Buffer): { messages: BmpMessage[]; used: number } {
  const messages: BmpMessage[] = [];
  let used = 0;
  while (stream.length - used >= 6) {
    if (stream[used] !== 3) throw new Error(`version ${stream[used]} at ${used}`);
    const length = stream.readUInt32BE(used + 1);
    if (length < 6) throw new Error(`length ${length} at ${used}`);
    if (used + length > stream.length) break;
    messages.push(readMessage(stream.subarray(used, used + length)));
    used += length;
  }
  return { messages, used };
}

function readMessage(bytes: Buffer): BmpMessage {
  const type = TYPES[bytes[5]!];
  if (type === undefined) throw new Error(`message type ${bytes[5]}`);
  if (type === 'initiation' || type === 'termination') {
    const information = new Map<number, string>();
    for (let at = 6; at < bytes.length;) {
      const size = bytes.readUInt16BE(at + 2);
      const value = bytes.subarray(at + 4, at + 4 + size);
      if (value.length !== size) throw new Error('a TLV runs past the message');
      information.set(
        bytes.readUInt16BE(at),
        type === 'initiation' ? value.toString('utf8') : value.toString('hex'),
      );
      at += 4 + size;
    }
    return { type, information, bgp: [] };
  }
  if (bytes[6] !== 0) throw new Error(`peer type ${bytes[6]}`);
  const flags = bytes[7]!;
  const ipv6 = (flags & 0x80) !== 0;
  const peer = {
    address: addressText(bytes.subarray(16, 32), ipv6),
    as: bytes.readUInt32BE(32),
    id: [...bytes.subarray(36, 40)].join('.'),
    seconds: bytes.readUInt32BE(40),
    ipv6,
    postPolicy: (flags & 0x40) !== 0,
    twoOctetAs: (flags & 0x20) !== 0,
  };
  const body = bytes.subarray(48);
  switch (type) {
    case 'route-monitoring':
      return { type, peer, bgp: bgpMessages(body, 1) };
    case 'peer-up':
      return {
        type,
        peer,
        local: {
          address: addressText(body.subarray(0, 16), ipv6),
          port: body.readUInt16BE(16),
          remotePort: body.readUInt16BE(18),
        },
        bgp: bgpMessages(body.subarray(20), 2),
      };
    case 'peer-down': {
      const downReason = body[0]!;
      const bgp = downReason === 1 || downReason === 3 ? bgpMessages(body.subarray(1), 1) : [];
      if (downReason === 2 && body.length !== 3) throw new Error('reason 2 has an FSM event');
      return { type, peer, downReason, bgp };
    }
    case 'statistics': {
      const statistics = new Map<string, bigint>();
      let at = 4;
      for (let left = body.readUInt32BE(0); left > 0; left--) {
        const code = body.readUInt16BE(at);
        const size = body.readUInt16BE(at + 2);
        const value = body.subarray(at + 4, at + 4 + size);
        if (size === 11)
          statistics.set(`${code}/${value.readUInt16BE(0)}/${value[2]}`, value.readBigUInt64BE(3));
        else
          statistics.set(String(code), size === 8 ? value.readBigUInt64BE(0) : BigInt(value.readUInt32BE(0)));
        at += 4 + size;
      }
      if (at !== body.length) throw new Error('octets behind the statistics');
      return { type, peer, statistics, bgp: [] };
    }
  }
}

function bgpMessages(bytes: Buffer, count: number): Buffer[] {
  const messages: Buffer[] = [];
  let at = 0;
  for (let left = count; left > 0; left--) {
    if (!bytes.subarray(at, at + 16).every((octet) => octet === 0xff)) throw new Error('no BGP marker');
    const length = bytes.readUInt16BE(at + 16);
    messages.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at !== bytes.length) throw new Error('octets behind the BGP message');
  return messages;
}

function addressText(bytes: Buffer, ipv6: boolean): string {
  if (!ipv6) {
    if (!bytes.subarray(0, 12).every((octet) => octet === 0))
      throw new Error('an IPv4 address is not padded');
    return [...bytes.subarray(12)].join('.');
  }
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}
