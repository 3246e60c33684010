/**
 * Entry of the prober process. The only file that reads the process's environment.
 */
import { readFile } from 'node:fs/promises'
import { NatsBus } from '#contracts/bus/nats.ts'
import { HttpControlLink } from '#contracts/fleet/control-http.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import { orExit, runUntilSignal } from '#contracts/process/lifecycle.ts'
import { createLogger } from '#contracts/process/logger.ts'
import { startProber } from './app.ts'
import { readProberConfig } from './config.ts'
import { ProbeSender } from './probe/send.ts'
import { CatalogRoster } from './roster.ts'

const env = orExit('prober', await withSecretFiles(process.env, (path) => readFile(path, 'utf8')))
const config = orExit('prober', readProberConfig(env))
const logger = createLogger('prober', config.logLevel)

await runUntilSignal(logger, async () => {
  await using stack = new AsyncDisposableStack()
  const bus = stack.use(
    new NatsBus({
      url: config.natsUrl,
      prefix: config.prefix,
      name: 'apiproxy-prober',
      replicas: 1,
      onProblem: (message) => logger.warn({}, message),
    }),
  )
  const { controlUrl, masterKey } = config
  const link = stack.use(new HttpControlLink({ url: controlUrl, token: masterKey.nodeToken }))
  const roster = stack.use(new CatalogRoster({ link, vaultKey: masterKey.vault, logger }))
  const sender = stack.use(new ProbeSender(systemClock))
  stack.use(
    await startProber(config, {
      bus,
      roster,
      send: (entry, timeoutMs) => sender.send(entry, timeoutMs),
      clock: systemClock,
      random: Math.random,
      logger,
    }),
  )
  return stack.move()
})
