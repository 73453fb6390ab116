/** Errors of the kernel, with what to do about them where that is known. */
import { KernelError } from '../base/errors.ts';

/** One sentence per error that an operator can mend. */
const FIXES: Readonly<Record<string, string>> = {
  EPERM: 'run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN',
  EACCES: 'run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN',
  EMFILE: 'raise the limit of open files (ulimit -n, LimitNOFILE=)',
  ENFILE: 'raise fs.file-max',
};

/** A KernelError with the fix that belongs to its errno. */
export function kernelError(operation: string, errno: string, detail?: string, cause?: unknown): KernelError {
  const fix = FIXES[errno];
  return new KernelError(operation, errno, detail, {
    ...(cause === undefined ? {} : { cause }),
    ...(fix === undefined ? {} : { fix }),
  });
}

/** The same from an error that a call here or Node threw; anything without an errno name is passed through. */
export function kernelErrorFrom(operation: string, error: unknown): Error {
  if (error instanceof KernelError) return kernelError(operation, error.errno, error.detail, error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) {
    return kernelError(operation, code, undefined, error);
  }
  return error instanceof Error ? error : new Error(String(error));
}
