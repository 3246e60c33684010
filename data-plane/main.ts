/**
 * Entry of the data-plane process. The only file that reads the process's environment.
 */
import { readFile } from 'node:fs/promises'
import { NatsBus } from '#contracts/bus/nats.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import { orExit, runUntilSignal } from '#contracts/process/lifecycle.ts'
import { createLogger } from '#contracts/process/logger.ts'
import { keepHeapRoomy } from './api/collector.ts'
import { startDataPlane } from './app.ts'
import { readDataPlaneConfig } from './config.ts'
import { MemoryLimitCounters } from './admission/counters-memory.ts'
import { RedisLimitCounters } from './admission/counters-redis.ts'
import { MemoryNotes } from './notes/notes-memory.ts'
import { RedisNotes } from './notes/notes-redis.ts'
import { RedisContentStore } from '#contracts/content/content-redis.ts'
import { MemoryContextStore } from './sessions/context-memory.ts'
import { RedisContextStore } from './sessions/context-redis.ts'
import { MemorySessionStore } from './sessions/store-memory.ts'
import { RedisSessionStore } from './sessions/store-redis.ts'
import { HttpControlLink } from '#contracts/fleet/control-http.ts'

keepHeapRoomy()
const env = orExit('data plane', await withSecretFiles(process.env, (path) => readFile(path, 'utf8')))
const config = orExit('data plane', readDataPlaneConfig(env))
const logger = createLogger('data-plane', config.logLevel)
const clock = systemClock

await runUntilSignal(logger, async () => {
  await using stack = new AsyncDisposableStack()
  const { natsUrl, redisUrl, prefix, masterKey } = config
  const onProblem = (message: string): void => logger.warn({}, message)
  const bus = stack.use(
    new NatsBus({ url: natsUrl, prefix, name: 'apiproxy-data-plane', replicas: 1, onProblem }),
  )
  const link = stack.use(new HttpControlLink({ url: config.controlUrl, token: config.masterKey.nodeToken }))
  const sessions = stack.use(
    redisUrl === null ? new MemorySessionStore() : new RedisSessionStore({ url: redisUrl, prefix, clock }),
  )
  const notes = stack.use(
    redisUrl === null
      ? new MemoryNotes()
      : new RedisNotes({ url: redisUrl, prefix, clock, seal: masterKey.notes }),
  )
  const limits = stack.use(
    redisUrl === null
      ? new MemoryLimitCounters(clock)
      : new RedisLimitCounters({ url: redisUrl, prefix, clock }),
  )
  const { context: kept } = config
  const context =
    kept === null
      ? null
      : stack.use(
          redisUrl === null
            ? new MemoryContextStore(kept)
            : new RedisContextStore({ url: redisUrl, prefix, clock, limits: kept, key: masterKey.contexts }),
        )
  // In this process nobody who may read them could reach them.
  const contents =
    redisUrl === null
      ? null
      : stack.use(new RedisContentStore({ url: redisUrl, prefix, clock, seal: masterKey.contents }))
  const stores = { sessions, notes, limits, context, contents }
  stack.use(await startDataPlane(config, { bus, link, ...stores, clock, random: Math.random, logger }))
  return stack.move()
})
