/**
 * Entry of the control-plane process. The only file that reads the process's environment.
 */
import { readFile } from 'node:fs/promises'
import { NatsBus } from '#contracts/bus/nats.ts'
import { RedisContentStore } from '#contracts/content/content-redis.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import { orExit, runUntilSignal } from '#contracts/process/lifecycle.ts'
import { createLogger } from '#contracts/process/logger.ts'
import { startControlPlane } from './app.ts'
import { withConfigFile } from './bootstrap/with-file.ts'
import { readControlPlaneConfig } from './config.ts'
import { MemoryModelListCache } from './discovery/cache-memory.ts'
import { RedisModelListCache } from './discovery/cache-redis.ts'
import { serverPool } from './store/database.ts'

const readText = (path: string): Promise<string> => readFile(path, 'utf8')
const env = orExit('control plane', await withSecretFiles(process.env, readText))
const environment = orExit('control plane', readControlPlaneConfig(env))
const declaration = orExit(
  'control plane',
  await withConfigFile(environment.declaration, environment.configFile, env, readText),
)
const logger = createLogger('control-plane', environment.logLevel)

await runUntilSignal(logger, async () => {
  await using stack = new AsyncDisposableStack()
  const bus = stack.use(
    new NatsBus({
      url: environment.natsUrl,
      prefix: environment.prefix,
      name: 'apiproxy-control-plane',
      replicas: environment.natsReplicas,
      onProblem: (message) => logger.warn({}, message),
    }),
  )
  const pool = serverPool(environment.databaseUrl)
  const { redisUrl, prefix } = environment
  const modelLists = stack.use(
    redisUrl === null
      ? new MemoryModelListCache()
      : new RedisModelListCache({ url: redisUrl, prefix, clock: systemClock }),
  )
  const { contents: seal } = environment.masterKey
  const contents =
    redisUrl === null
      ? null
      : stack.use(new RedisContentStore({ url: redisUrl, prefix, clock: systemClock, seal }))
  const common = { clock: systemClock, random: Math.random, logger }
  const ports = { ...common, pool, bus, modelLists, contents, declare: () => declaration }
  stack.use(await startControlPlane(environment, ports))
  return stack.move()
})
