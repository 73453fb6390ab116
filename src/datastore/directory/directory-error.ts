/** File system errors in the words of a datastore. */
import { DatastoreError } from '../datastore.ts';

const FIXES: Readonly<Record<string, string>> = {
  EACCES: 'run as a user who may read and write the directory, usually root',
  EPERM: 'run as a user who may read and write the directory, usually root',
  EROFS: 'mount the file system writable',
  ENOSPC: 'free space on the file system',
  EDQUOT: 'free space or raise the quota',
  ENOTDIR: 'give a directory, not a file, as DATASTORE_PATH or --datastore',
  EMFILE: 'raise the limit of open files (ulimit -n, LimitNOFILE=)',
};

/** errno's name, if the error has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A DatastoreError for an error of the file system; other errors as they are. */
export function directoryError(operation: string, path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof DatastoreError || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const fix = FIXES[code];
  return new DatastoreError(
    'datastore.directory',
    `cannot ${operation} in ${path}: ${code}`,
    code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOTDIR',
    { cause: error, ...(fix === undefined ? {} : { fix }) },
  );
}
