/**
 * The error families of the house. Every error says what failed, why (its cause), and what to do about it (`fix`).
 * Programming errors are InternalError and crash on purpose; what a user, a peer or the kernel did is one of the
 * others and is handled once per loop.
 */

export interface ErrorOptions {
  readonly cause?: unknown;
  /** One sentence that tells the reader what to do. */
  readonly fix?: string;
}

/** Base of all our errors. `code` is stable and machine-readable, e.g. `config.unknown-field`. */
export class MargayError extends Error {
  readonly code: string;
  readonly fix: string | undefined;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.fix = options.fix;
  }
}

/** A broken promise of our own code. */
export class InternalError extends MargayError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('internal', message, options);
  }
}

/** Bad configuration, command line or environment. */
export class ConfigError extends MargayError {}

/** A kernel request that failed: `errno` as a name (EPERM), `detail` the kernel's extended-ack text if any. */
export class KernelError extends MargayError {
  constructor(
    readonly operation: string,
    readonly errno: string,
    readonly detail: string | undefined,
    options: ErrorOptions = {},
  ) {
    super(`kernel.${errno}`, `${operation}: ${errno}${detail === undefined ? '' : ` (${detail})`}`, options);
  }
}

/** Renders an error, its causes and its fix on one line each, for people. */
export function describeError(error: unknown): string {
  const lines: string[] = [];
  let fix: string | undefined;
  for (let current: unknown = error; current !== undefined && current !== null;) {
    if (current instanceof Error) {
      if (!lines.includes(current.message)) lines.push(current.message);
      if (current instanceof MargayError) fix ??= current.fix;
      current = current.cause;
    } else {
      lines.push(typeof current === 'string' ? current : JSON.stringify(current));
      break;
    }
  }
  const text = lines.join(': ');
  return fix === undefined ? text : `${text}\n  fix: ${fix}`;
}
