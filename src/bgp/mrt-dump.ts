/** The table as it is, in a file (RFC 6396 §4.3), written in slices so that sessions are served in between. */
import { open } from 'node:fs/promises';
import type { MrtDumpView } from '../base/bgp-view.ts';
import type { Address, Family } from '../net/address.ts';
import { ByteWriter } from '../net/bytes.ts';
import { prefixBytes, prefixLength } from '../net/prefix.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { FAMILIES, type Rib } from './rib/rib.ts';
import { type MrtPath, type MrtPeer, writePeerIndex, writeRibEntry } from './wire/mrt.ts';

/** A peer of the table with when its session came up, which is what we know of the age of its routes. */
export interface DumpPeer extends MrtPeer {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export interface MrtDumpOptions {
  readonly rib: Rib;
  readonly self: { readonly routerId: Address; readonly asNumber: number };
  readonly peers: readonly DumpPeer[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Absolute; replaced if it is there. */
  readonly file: string;
}

/** Octets that are written at once, between two looks at the sockets. */
const CHUNK = 1 << 18;
const OWN_ADDRESS = '0.0.0.0' as Address;

/** Rejects with what the file system says. */
export async function dumpTable(options: MrtDumpOptions): Promise<MrtDumpView> {
  const { rib, self, peers, now, file } = options;
  const writer = new ByteWriter(CHUNK * 2);
  // Our own routes come from a peer, too, as other speakers write them: ourselves, at no address.
  const own: DumpPeer = {
    name: '',
    identifier: self.routerId,
    address: OWN_ADDRESS,
    asNumber: self.asNumber,
    since: now,
  };
  const index = [own, ...peers];
  const places = new Map(index.map(({ name }, place) => [name, place]));
  writePeerIndex(writer, now, self.routerId, '', index);
  const handle = await open(file, 'w', 0o640);
  let prefixes = 0;
  let paths = 0;
  let octets = 0;
  const flush = async (): Promise<void> => {
    octets += writer.length;
    await handle.writeFile(writer.copy());
    writer.truncate(0);
  };
  const pathsOf = (family: Family, prefix: PrefixId): MrtPath[] => {
    const table = rib.families[family];
    const found: MrtPath[] = [];
    for (const path of table.pathsOf(prefix)) {
      const { source, route } = rib.path(family, path);
      const place = places.get(source?.name ?? '');
      // Who came after the index was written is in the next dump.
      if (place === undefined) continue;
      const originated = Math.floor(index[place]!.since / 1000);
      found.push({ peer: place, originated, pathId: table.paths.identifier(path), route });
    }
    return found;
  };
  try {
    for (const family of FAMILIES) {
      const table = rib.families[family];
      for (let prefix = 0; prefix < table.prefixes.limit; prefix++) {
        if (table.paths.first(prefix) === 0) continue;
        const found = pathsOf(family, prefix);
        if (found.length === 0) continue;
        const text = table.prefixes.text(prefix);
        const bits = prefixLength(text);
        writeRibEntry(writer, now, prefixes++, { family, octets: prefixBytes(text), bits }, found);
        paths += found.length;
        if (writer.length >= CHUNK) await flush();
      }
    }
    await flush();
  } finally {
    await handle.close();
  }
  return { file, prefixes, paths, octets };
}
