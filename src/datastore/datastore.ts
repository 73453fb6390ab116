/**
 * The one interface to every datastore. Revisions are numbers that grow with each write anywhere in the datastore;
 * a resource's `metadata.resourceVersion` is the revision of its last write, in decimal.
 */
import { MargayError } from '../base/errors.ts';
import type { Resource, ResourceKey } from '../model/resource.ts';

export interface ListResult {
  readonly resources: readonly Resource[];
  /**
   * Stored values that could not be decoded or validated; each reported on its own, never fatal to the list. Where
   * the datastore remembers the last good state of such a key (directory), that is among `resources` too.
   */
  readonly invalid: readonly InvalidEntry[];
  /** A watch from this revision misses nothing and repeats nothing. */
  readonly revision: number;
}

export interface InvalidEntry {
  readonly key: ResourceKey;
  readonly error: MargayError;
  readonly revision: number;
}

export type WatchEvent =
  | {
      readonly type: 'put';
      readonly key: ResourceKey;
      readonly resource: Resource;
      readonly revision: number;
    }
  | { readonly type: 'delete'; readonly key: ResourceKey; readonly revision: number }
  | ({ readonly type: 'invalid' } & InvalidEntry);

export interface ListOptions {
  /** Every kind when absent. */
  readonly kind?: string;
  readonly namespace?: string;
}

export interface WatchOptions extends ListOptions {
  readonly from: number;
  readonly signal: AbortSignal;
  /**
   * Told when the datastore cannot be reached while the watch keeps trying, and with undefined when it can again.
   * For status only; the watch itself misses nothing.
   */
  readonly onProblem?: (problem: DatastoreError | undefined) => void;
}

/**
 * Every call may reject with a {@link DatastoreError}; writes also with a ValidationError of the model, when the
 * resource would be refused on reading. `close` ends running watches.
 */
export interface Datastore {
  readonly type: 'memory' | 'directory' | 'etcdv3';
  /** Rejects with {@link NotFoundError}, or {@link InvalidValueError} when what is stored cannot be decoded. */
  get(key: ResourceKey): Promise<Resource>;
  list(options?: ListOptions): Promise<ListResult>;
  /** Rejects with {@link AlreadyExistsError}. Returns the resource with uid, creationTimestamp, resourceVersion. */
  create(resource: Resource): Promise<Resource>;
  /** Compare-and-swap on `metadata.resourceVersion` if it is set; rejects with {@link ConflictError}. */
  update(resource: Resource): Promise<Resource>;
  /** Deletes, if `resourceVersion` is given only that revision. Returns the revision of the deletion. */
  delete(key: ResourceKey, options?: { readonly resourceVersion?: string }): Promise<number>;
  /**
   * Changes after revision `from`, in order, in batches of what had arrived; ends when `signal` aborts. Throws
   * {@link CompactedError} when `from` is no longer known: then list again. A lost connection is resumed inside.
   */
  watch(options: WatchOptions): AsyncIterable<readonly WatchEvent[]>;
  close(): Promise<void>;
}

/** Base of what a datastore call rejects with. `retryable`: the same call may succeed later. */
export class DatastoreError extends MargayError {
  constructor(
    code: string,
    message: string,
    readonly retryable: boolean,
    options: { readonly cause?: unknown; readonly fix?: string } = {},
  ) {
    super(code, message, options);
  }
}

/** Message shapes are Calico's (libcalico-go errors), as its users know them. */
export class NotFoundError extends DatastoreError {
  constructor(readonly key: ResourceKey) {
    super('datastore.not-found', `resource does not exist: ${describeKey(key)}`, false);
  }
}

export class AlreadyExistsError extends DatastoreError {
  constructor(readonly key: ResourceKey) {
    super('datastore.already-exists', `resource already exists: ${describeKey(key)}`, false);
  }
}

export class ConflictError extends DatastoreError {
  constructor(readonly key: ResourceKey) {
    super('datastore.conflict', `update conflict: ${describeKey(key)}`, false, {
      fix: 'read the resource again and repeat the change on what it says now',
    });
  }
}

/** What is stored under the key is no valid resource; the cause says why. Writing over it or deleting it works. */
export class InvalidValueError extends DatastoreError {
  constructor(
    readonly key: ResourceKey,
    cause: MargayError,
  ) {
    super('datastore.invalid', `stored value is invalid: ${describeKey(key)}`, false, {
      cause,
      ...(cause.fix === undefined ? {} : { fix: cause.fix }),
    });
  }
}

export class CompactedError extends DatastoreError {
  constructor(readonly from: number) {
    super('datastore.compacted', `revision ${from} is no longer known`, true);
  }
}

export class ClosedError extends DatastoreError {
  constructor() {
    super('datastore.closed', 'the datastore is closed', false);
  }
}

function describeKey(key: ResourceKey): string {
  return key.namespace === undefined
    ? `${key.kind}(${key.name})`
    : `${key.kind}(${key.namespace}/${key.name})`;
}
