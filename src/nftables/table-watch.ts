/**
 * Notifications of nf_tables (NFNLGRP_NFTABLES), read on a socket of their own: the socket that owns the table joins
 * no group, since an overrun there would cost an answer. Tells changes of our table by others from our own by the
 * port that made them; every commit ends in an NFT_MSG_NEWGEN with the new generation.
 */
import type { KernelError } from '../base/errors.ts';
import { readString, readU32 } from '../netlink/attribute.ts';
import { NetlinkConnection } from '../netlink/connection.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import {
  NETLINK_NETFILTER,
  NFNLGRP_NFTABLES,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFT_MSG,
} from './codec/constants.ts';
import { readBody, readGeneration } from './codec/objects.ts';
import type { ForeignChange } from './kernel.ts';

interface TableWatchOptions {
  readonly table: string;
  readonly namespace?: string;
  /** Port of the socket that makes our own changes. */
  readonly ownPort: number;
  readonly receiveBuffer: number;
  readonly foreignChange: (change: ForeignChange) => void;
  readonly closed: (reason: KernelError | undefined) => void;
}

/** Attribute 1 names the table in every nf_tables message; these name the object in the table. */
const OBJECTS: ReadonlyMap<number, { readonly word: string; readonly attribute: number }> = new Map([
  [NFT_MSG.NEWTABLE, { word: 'table', attribute: 1 }],
  [NFT_MSG.DELTABLE, { word: 'table', attribute: 1 }],
  [NFT_MSG.NEWCHAIN, { word: 'chain', attribute: 3 }],
  [NFT_MSG.DELCHAIN, { word: 'chain', attribute: 3 }],
  [NFT_MSG.NEWRULE, { word: 'rule in chain', attribute: 2 }],
  [NFT_MSG.DELRULE, { word: 'rule in chain', attribute: 2 }],
  [NFT_MSG.NEWSET, { word: 'set', attribute: 2 }],
  [NFT_MSG.DELSET, { word: 'set', attribute: 2 }],
  [NFT_MSG.NEWSETELEM, { word: 'element of set', attribute: 2 }],
  [NFT_MSG.DELSETELEM, { word: 'element of set', attribute: 2 }],
]);
const TABLE_ATTRIBUTE = 1;
const GENERATION_PROCESS_ID = 2;
const GENERATION_PROCESS_NAME = 3;
/** A notification is in our socket before the commit returns; this only bounds a broken kernel. */
const CATCH_UP_MILLISECONDS = 2000;

interface Waiter {
  readonly generation: number;
  resolve(reached: boolean): void;
}

export class TableWatch {
  private readonly connection: NetlinkConnection;
  private generation: number | undefined;
  private readonly waiters = new Set<Waiter>();
  private foreign = false;
  /** What the commit being received touched of ours, not by us. */
  private pendingChange: Omit<ForeignChange, 'processId' | 'processName'> | undefined;

  constructor(private readonly options: TableWatchOptions) {
    const { namespace } = options;
    this.connection = new NetlinkConnection({
      protocol: NETLINK_NETFILTER,
      ...(namespace === undefined ? {} : { namespace }),
      receiveBuffer: options.receiveBuffer,
      notification: (message) => this.receive(message),
      overrun: () => this.overrun(),
      closed: (reason) => {
        this.release(false);
        options.closed(reason);
      },
    });
    this.connection.join(NFNLGRP_NFTABLES);
  }

  /** The newest generation whose notifications were all seen; undefined before the first and after an overrun. */
  get seen(): number | undefined {
    return this.generation;
  }

  /** Whether someone else changed our table since {@link forget}. */
  get touched(): boolean {
    return this.foreign;
  }

  forget(): void {
    this.foreign = false;
  }

  /** Resolves when all notifications up to a generation are seen; with false if some were lost. */
  async reached(generation: number): Promise<boolean> {
    // Nothing was committed since we joined: there is nothing to wait for.
    if (this.generation === undefined) return this.probe(generation);
    if (isAtLeast(this.generation, generation)) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiter.resolve(false), CATCH_UP_MILLISECONDS);
      const waiter: Waiter = {
        generation,
        resolve: (reached) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve(reached);
        },
      };
      this.waiters.add(waiter);
    });
  }

  close(): void {
    this.connection.close();
  }

  private receive(message: NetlinkMessage): void {
    if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES) return;
    const kind = message.type & 0xff;
    if (kind === NFT_MSG.NEWGEN) {
      this.commit(message);
      return;
    }
    if (message.portId === this.options.ownPort || message.payload[0] !== NFPROTO_INET) return;
    const attributes = readBody(message.payload);
    const table = attributes.get(TABLE_ATTRIBUTE);
    if (table === undefined || readString(table) !== this.options.table) return;
    this.foreign = true;
    const object = OBJECTS.get(kind);
    const name = object === undefined ? undefined : attributes.get(object.attribute);
    const words = `${object?.word ?? 'object'} ${name === undefined ? '' : readString(name)}`.trim();
    const deleted = kind === NFT_MSG.DELTABLE;
    if (this.pendingChange === undefined || deleted) {
      this.pendingChange = { kind: deleted ? 'table-deleted' : 'changed', object: words };
    }
  }

  private commit(message: NetlinkMessage): void {
    this.generation = readGeneration(message.payload);
    const change = this.pendingChange;
    this.pendingChange = undefined;
    for (const waiter of this.waiters) {
      if (isAtLeast(this.generation, waiter.generation)) waiter.resolve(true);
    }
    if (change === undefined) return;
    const attributes = readBody(message.payload);
    const processId = attributes.get(GENERATION_PROCESS_ID);
    const processName = attributes.get(GENERATION_PROCESS_NAME);
    this.options.foreignChange({
      ...change,
      ...(processId === undefined ? {} : { processId: readU32(processId) }),
      ...(processName === undefined ? {} : { processName: readString(processName) }),
    });
  }

  private overrun(): void {
    this.foreign = true;
    this.pendingChange = undefined;
    this.generation = undefined;
    this.release(false);
    this.options.foreignChange({ kind: 'overrun', object: `table ${this.options.table}` });
  }

  private release(reached: boolean): void {
    for (const waiter of this.waiters) waiter.resolve(reached);
  }

  /**
   * Without a known generation: notifications that are already in the socket are read when a request on the same
   * socket is answered, since it answers in order.
   */
  private async probe(generation: number): Promise<boolean> {
    await this.connection.request({
      type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.GETGEN,
      body: (writer) => writer.append(new Uint8Array(4)),
      operation: () => 'get the generation of the ruleset',
    });
    this.generation ??= generation;
    return true;
  }
}

/** Serial number comparison (RFC 1982 §3.2). */
export function isAtLeast(generation: number, wanted: number): boolean {
  return ((generation - wanted) | 0) >= 0;
}
