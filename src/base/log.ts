/**
 * Structured logs, one JSON event per line. The message is a constant string; facts are fields. Levels: `debug` for
 * developers and retries, `info` for state changes an operator follows, `warn` for one operation that failed,
 * `error` for a subsystem that does not work. Nothing per route or per pod above `debug`.
 */
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The root logger: JSON to stderr (stdout belongs to commands). */
export function createLogger(level: LogLevel, fields: Record<string, unknown> = {}): Logger {
  return pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['password', '*.password', '*.*.password'], censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** A logger that says nothing, for pure tests. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
