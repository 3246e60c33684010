/**
 * Logs: one JSON object a line on standard output, the same field names in every process.
 *
 * The only file that knows pino. Secrets are a type that cannot be printed (`Secret`); the redaction below
 * is the second net, for what a library might hand us.
 */
import { pino } from 'pino'

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  child(fields: LogFields): Logger
}

const REDACT = [
  'authorization',
  'headers.authorization',
  '*.authorization',
  '*["x-api-key"]',
  '*.apiKey',
  '*.token',
]

/** Characters that wait for a slow reader of the log; pino's own default is to keep everything. */
const MAX_WAITING = 1024 * 1024

export function createLogger(process: string, level: string): Logger {
  const options = {
    level,
    base: { process },
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACT, censor: '[secret]' },
    serializers: { error: pino.stdSerializers.err },
  }
  // A reader of our logs that stalls must not stop us: a thread writes, and what it cannot write is dropped.
  return pino(options, pino.destination({ dest: 1, sync: false, maxLength: MAX_WAITING }))
}

/** Says nothing; for tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}
