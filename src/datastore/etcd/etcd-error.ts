/** gRPC statuses of etcd in the words of a datastore. */
import { DatastoreError } from '../datastore.ts';

/** gRPC status codes that etcd or the transport gives (grpc `statuscodes.md`). */
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** A call, or a watch, that failed. */
export class EtcdCallError extends Error {
  constructor(
    readonly code: number,
    /** The server's or the transport's text. */
    readonly details: string,
    readonly endpoint: string,
  ) {
    super(details);
    this.name = 'EtcdCallError';
  }

  /** Whether trying again, perhaps with another member, may help. */
  get isTransient(): boolean {
    // What etcd itself says with this code is a refusal; the transport's own trouble has it too.
    if (this.code === UNKNOWN) return !this.details.startsWith('etcdserver:');
    if (this.code === RESOURCE_EXHAUSTED) return this.details.includes('too many requests');
    return [CANCELLED, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE].includes(this.code);
  }

  /** Whether the request may have been executed although no answer came. */
  get isAmbiguous(): boolean {
    return (
      this.isTransient &&
      !/^(No connection established|Name resolution failed|Channel closed)/.test(this.details)
    );
  }

  /** Whether another token would help: ours expired, or users and roles have changed since it was made. */
  get wantsToken(): boolean {
    return this.code === UNAUTHENTICATED || /invalid auth token|auth store is old/.test(this.details);
  }

  /** Whether nothing came back in time, which tells of no cause. */
  get isSilence(): boolean {
    return this.code === DEADLINE_EXCEEDED;
  }

  get isCompacted(): boolean {
    return this.details.includes('required revision has been compacted');
  }
}

/** An EtcdCallError from what gRPC reports. */
export function callErrorOf(error: unknown, endpoint: string): EtcdCallError {
  if (error instanceof EtcdCallError) return error;
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  const text = typeof details === 'string' && details !== '' ? details : String(message ?? error);
  return new EtcdCallError(typeof code === 'number' ? code : UNKNOWN, text, endpoint);
}

/** One rule per refusal that an operator can mend. */
const REFUSALS: readonly {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}[] = [
  {
    pattern: /user name is empty/,
    code: 'datastore.unauthenticated',
    message: 'etcd wants a user name and password',
    fix: 'set ETCD_USERNAME and ETCD_PASSWORD',
  },
  {
    pattern: /authentication failed, invalid user ID or password/,
    code: 'datastore.unauthenticated',
    message: 'etcd refuses the user name or password',
    fix: 'check ETCD_USERNAME and ETCD_PASSWORD',
  },
  {
    pattern: /authentication is not enabled/,
    code: 'datastore.unauthenticated',
    message: 'etcd knows no users, but a user name and password are given',
    fix: 'leave ETCD_USERNAME and ETCD_PASSWORD out, or enable authentication in etcd',
  },
  {
    pattern: /permission denied/,
    code: 'datastore.unauthorized',
    message: 'connection is unauthorized: etcd denies permission',
    fix: 'grant the user readwrite to the prefix /calico/ (etcdctl role grant-permission ROLE --prefix=true readwrite /calico/)',
  },
  {
    pattern: /database space exceeded/,
    code: 'datastore.full',
    message: 'etcd is full and takes no writes',
    fix: 'compact and defragment etcd, then etcdctl alarm disarm',
  },
];

const TLS_TROUBLE = /certificate|self.signed|CERT_|SSL|TLS|wrong version number|unable to (get|verify)/i;

/** What a caller of the datastore is told. */
export function datastoreErrorOf(
  error: EtcdCallError,
  endpoints: readonly string[],
  username: string | undefined,
): DatastoreError {
  const refusal = REFUSALS.find(({ pattern }) => pattern.test(error.details));
  if (refusal !== undefined) {
    const user = username === undefined ? '' : ` (user ${username})`;
    const { code, message, fix } = refusal;
    return new DatastoreError(code, `${message}${user}`, false, { cause: error, fix });
  }
  if (error.code === PERMISSION_DENIED || error.code === INVALID_ARGUMENT || !error.isTransient) {
    return new DatastoreError('datastore.etcd', `etcd refuses the request: ${error.details}`, false, {
      cause: error,
    });
  }
  const reason = reasonOf(error);
  const fix = TLS_TROUBLE.test(reason)
    ? 'check that the endpoints are https, and ETCD_CA_CERT_FILE, ETCD_CERT_FILE and ETCD_KEY_FILE'
    : 'check that etcd runs and that ETCD_ENDPOINTS (or --datastore) names its client addresses';
  const message = `cannot reach etcd at ${endpoints.join(', ')}: ${reason}`;
  return new DatastoreError('datastore.unreachable', message, true, { fix });
}

function reasonOf({ isSilence, details }: EtcdCallError): string {
  if (isSilence) return 'no answer in time';
  const inner = /Last error: (?:Error: )?(.*?)(?:\. Resolution note: .*)?$/s.exec(details)?.[1] ?? details;
  if (inner.includes('ECONNREFUSED')) return 'connection refused';
  return inner.replace(/^14 UNAVAILABLE: /, '').trim();
}
