/**
 * From start to a clean stop: SIGTERM or SIGINT disposes of what was started, a second signal does not wait.
 *
 * With `env.ts`'s callers, the mains, the only code that touches the process.
 */
import { flushCompileCache } from 'node:module'
import { EXIT_CONFIG } from './env.ts'
import type { Logger } from './logger.ts'
import type { Result } from '../result.ts'

/** Longest wait for streams to finish and buffers to empty, in milliseconds. Kubernetes kills after 30 s. */
const STOP_DEADLINE_MS = 25_000

/** @returns the configuration, or prints every problem and ends the process before a port is open. */
export function orExit<Value>(name: string, config: Result<Value, readonly string[]>): Value {
  if (config.ok) return config.value
  process.stderr.write(`${name} cannot start:\n${config.error.map((line) => `  ${line}\n`).join('')}`)
  process.exit(EXIT_CONFIG)
}

/**
 * A terminal, npm and service managers all signal a whole group, so one wish to stop can arrive several
 * times: within this time, in milliseconds, it is the same one.
 */
const SAME_SIGNAL_MS = 1_000

/** Starts, then runs until a signal. The process's exit code is 0 after a clean stop. */
export async function runUntilSignal(logger: Logger, start: () => Promise<AsyncDisposable>): Promise<void> {
  let firstAt: number | null = null
  let started = false
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        const isRepeated = firstAt !== null && performance.now() - firstAt > SAME_SIGNAL_MS
        firstAt ??= performance.now()
        if (isRepeated) process.exit(130)
        // Still waiting for a dependency: there is nothing to lose.
        if (!started) process.exit(0)
        resolve(signal)
      })
    }
  })
  // Nearly all code is loaded and no port is open. Node itself writes what it compiled at a clean end, which a process
  // that is killed never has: it would take half a second longer to come back. Writing blocks, for more than a
  // second the first time, so it comes before anybody is answered. Does nothing where the cache is off.
  flushCompileCache()
  let running: AsyncDisposable
  try {
    running = await start()
    started = true
  } catch (error) {
    logger.error({ error }, 'cannot start')
    process.exit(1)
  }
  const signal = await signalled
  logger.info({ signal }, 'stopping')
  setTimeout(() => {
    logger.error({ deadlineMs: STOP_DEADLINE_MS }, 'did not stop in time')
    process.exit(1)
  }, STOP_DEADLINE_MS).unref()
  await running[Symbol.asyncDispose]()
  logger.info({}, 'stopped')
  process.exit(0)
}
