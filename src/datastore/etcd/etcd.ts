/**
 * The datastore in etcd, with Calico's own keys and values, so that calicoctl and other Calico components can share
 * it (design D13, D16). A resourceVersion is the key's mod_revision; every write is one transaction that compares it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ICompare, IEvent, IKeyValue, IRangeResponse, IRequestOp } from 'etcd3';
import { MargayError } from '../../base/errors.ts';
import { decodeValue, encodeValue, etcdKey, parseEtcdKey } from '../../model/keys.ts';
import { type Resource, type ResourceKey, keyOf } from '../../model/resource.ts';
import type { EtcdConfig } from '../config.ts';
import {
  AlreadyExistsError,
  ClosedError,
  ConflictError,
  type Datastore,
  type InvalidEntry,
  InvalidValueError,
  type ListOptions,
  type ListResult,
  NotFoundError,
  type WatchEvent,
  type WatchOptions,
} from '../datastore.ts';
import { checkStorable, currentMetadata, isSelected, stampNew, stampUpdate } from '../stamp.ts';
import { EtcdCallError } from './etcd-error.ts';
import { type KeyRange, listRanges, watchRange } from './key-range.ts';
import { ETCD_TIMEOUTS, type EtcdTimeouts } from './connections.ts';
import { type Answer, EtcdTransport } from './transport.ts';
import { watchEtcd } from './watch.ts';

/** Keys per request of a list. */
const PAGE = 1_000;

/** Keys decoded between two turns of the event loop, so that what comes from the network is taken meanwhile. */
const SLICE = 100;

/** How often a list whose revision is compacted while it is read starts anew. */
const LIST_TRIES = 3;

export interface EtcdOptions {
  readonly timeouts?: Partial<EtcdTimeouts>;
}

export class EtcdDatastore implements Datastore {
  readonly type = 'etcdv3';
  private readonly closing = new AbortController();

  private constructor(
    private readonly transport: EtcdTransport,
    private readonly keyPrefix: string,
  ) {}

  /** Contacts nobody yet. */
  static async open(config: EtcdConfig, options: EtcdOptions = {}): Promise<EtcdDatastore> {
    const transport = await EtcdTransport.create(config, { ...ETCD_TIMEOUTS, ...options.timeouts });
    return new EtcdDatastore(transport, config.keyPrefix ?? '');
  }

  async get(key: ResourceKey): Promise<Resource> {
    const stored = await this.read(key);
    if (stored === undefined) throw new NotFoundError(key);
    const outcome = decode(key, stored);
    if (outcome instanceof MargayError) throw new InvalidValueError(key, outcome);
    return outcome;
  }

  async list(options: ListOptions = {}): Promise<ListResult> {
    this.mustBeOpen();
    for (let tried = 1; ; tried++) {
      try {
        return await this.listOnce(options);
      } catch (error) {
        if (!(error instanceof EtcdCallError)) throw error;
        if (tried >= LIST_TRIES) throw this.transport.describe(error);
      }
    }
  }

  async create(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    const path = this.pathOf(key);
    const value = Buffer.from(encodeValue(stampNew(resource)));
    const absent: ICompare = { key: path, target: 'Version', result: 'Equal', version: 0 };
    const result = await this.write(absent, { request_put: { key: path, value } }, path);
    // The value has a uid of its own: if it is there, an earlier try of this very call wrote it.
    if (result.succeeded || (result.repeated && result.stored?.value.equals(value) === true)) {
      return written(key, value, result);
    }
    throw new AlreadyExistsError(key);
  }

  async update(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    const path = this.pathOf(key);
    const { resourceVersion, uid, creationTimestamp } = resource.metadata;
    for (;;) {
      let expected = resourceVersion;
      let stamped = resource;
      if (expected === undefined || uid === undefined || creationTimestamp === undefined) {
        const current = await this.read(key);
        if (current === undefined) throw new NotFoundError(key);
        expected ??= current.mod_revision;
        if (expected !== current.mod_revision) throw new ConflictError(key);
        const outcome = decode(key, current);
        stamped = stampUpdate(resource, currentMetadata(outcome));
      }
      const value = Buffer.from(encodeValue(stamped));
      const same: ICompare = { key: path, target: 'Mod', result: 'Equal', mod_revision: expected };
      const result = await this.write(same, { request_put: { key: path, value } }, path);
      if (result.succeeded || (result.repeated && result.stored?.value.equals(value) === true)) {
        return written(key, value, result);
      }
      if (result.stored === undefined) throw new NotFoundError(key);
      // Without a version the caller takes any; somebody wrote between our read and our write.
      if (resourceVersion !== undefined) throw new ConflictError(key);
    }
  }

  async delete(key: ResourceKey, options: { readonly resourceVersion?: string } = {}): Promise<number> {
    const path = this.pathOf(key);
    const condition: ICompare =
      options.resourceVersion === undefined
        ? { key: path, target: 'Version', result: 'Greater', version: 0 }
        : { key: path, target: 'Mod', result: 'Equal', mod_revision: options.resourceVersion };
    const result = await this.write(condition, { request_delete_range: { key: path } }, path);
    if (result.succeeded || (result.repeated && result.stored === undefined)) return result.revision;
    throw result.stored === undefined ? new NotFoundError(key) : new ConflictError(key);
  }

  async *watch(options: WatchOptions): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    const signal = AbortSignal.any([options.signal, this.closing.signal]);
    const { from, onProblem } = options;
    const raw = watchEtcd(this.transport, {
      range: watchRange(options, this.keyPrefix),
      from,
      signal,
      onProblem,
    });
    for await (const batch of raw) {
      const events = batch.flatMap((event) => eventOf(this.keyOf(event.kv.key), event, options));
      if (events.length > 0) yield events;
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.transport.close();
  }

  private async read(key: ResourceKey): Promise<IKeyValue | undefined> {
    this.mustBeOpen();
    const { kvs } = await this.transport.range({ key: this.pathOf(key) });
    return kvs[0];
  }

  /** All pages at one revision. Rejects with an EtcdCallError if that is compacted meanwhile. */
  private async listOnce(options: ListOptions): Promise<ListResult> {
    const resources: Resource[] = [];
    const invalid: InvalidEntry[] = [];
    let revision: string | undefined;
    for (const range of listRanges(options, this.keyPrefix)) {
      let coming: Promise<IRangeResponse> | undefined = this.page(range, revision);
      while (coming !== undefined) {
        const page: IRangeResponse = await coming;
        revision ??= page.header.revision;
        const last = page.kvs.at(-1);
        // The next page is on its way while this one is decoded.
        coming =
          page.more && last !== undefined
            ? this.page({ start: after(last.key), end: range.end }, revision)
            : undefined;
        coming?.catch(() => {
          // Its failure shows when it is awaited.
        });
        for (const [index, stored] of page.kvs.entries()) {
          if (index % SLICE === SLICE - 1) await nextTurn();
          const key = this.keyOf(stored.key);
          if (key === undefined || !isSelected(key, options)) continue;
          const outcome = decode(key, stored);
          if (outcome instanceof MargayError) {
            invalid.push({ key, error: outcome, revision: Number(stored.mod_revision) });
          } else {
            resources.push(outcome);
          }
        }
      }
    }
    return { resources, invalid, revision: Number(revision) };
  }

  private page({ start, end }: KeyRange, revision: string | undefined): Promise<IRangeResponse> {
    return this.transport.range({
      key: start,
      range_end: end,
      limit: PAGE,
      ...(revision === undefined ? {} : { revision }),
    });
  }

  private async write(condition: ICompare, operation: IRequestOp, path: Buffer): Promise<WriteResult> {
    this.mustBeOpen();
    const { response, repeated }: Answer<Awaited<ReturnType<EtcdTransport['txn']>>['response']> =
      await this.transport.txn({
        compare: [condition],
        success: [operation],
        failure: [{ request_range: { key: path } }],
      });
    const { succeeded, header } = response;
    const stored = succeeded ? undefined : response.responses[0]?.response_range.kvs[0];
    return { succeeded, repeated, stored, revision: Number(header.revision) };
  }

  private pathOf(key: ResourceKey): Buffer {
    return Buffer.from(this.keyPrefix + etcdKey(key));
  }

  private keyOf(path: Buffer): ResourceKey | undefined {
    return parseEtcdKey(path.toString().slice(this.keyPrefix.length));
  }

  private mustBeOpen(): void {
    if (this.closing.signal.aborted) throw new ClosedError();
  }
}

interface WriteResult {
  readonly succeeded: boolean;
  readonly repeated: boolean;
  /** What lies under the key, if the condition did not hold. */
  readonly stored: IKeyValue | undefined;
  /** Of the datastore after the call. */
  readonly revision: number;
}

/** The first key that is greater. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

function written(key: ResourceKey, value: Buffer, { succeeded, stored, revision }: WriteResult): Resource {
  return decodeValue(key, value.toString(), succeeded ? revision : Number(stored!.mod_revision));
}

function decode(key: ResourceKey, { value, mod_revision: revision }: IKeyValue): Resource | MargayError {
  try {
    return decodeValue(key, value.toString(), Number(revision));
  } catch (error) {
    if (error instanceof MargayError) return error;
    throw error;
  }
}

function eventOf(key: ResourceKey | undefined, { type, kv }: IEvent, options: ListOptions): WatchEvent[] {
  if (key === undefined || !isSelected(key, options)) return [];
  const revision = Number(kv.mod_revision);
  if (type === 'Delete') return [{ type: 'delete', key, revision }];
  const outcome = decode(key, kv);
  return outcome instanceof MargayError
    ? [{ type: 'invalid', key, error: outcome, revision }]
    : [{ type: 'put', key, resource: outcome, revision }];
}
