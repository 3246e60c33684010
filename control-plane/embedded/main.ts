/**
 * Entry of embedded mode: one process, one folder, nothing to install.
 */
import { readFile } from 'node:fs/promises'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import { EXIT_CONFIG } from '#contracts/process/env.ts'
import { orExit, runUntilSignal } from '#contracts/process/lifecycle.ts'
import { createLogger } from '#contracts/process/logger.ts'
import { withConfigFile } from '../bootstrap/with-file.ts'
import { reachable, startEmbedded } from './app.ts'
import { banner } from './banner.ts'
import { readEmbeddedConfig } from './config.ts'
import { issueFirstKey } from './first-key.ts'
import { adminTokenText, masterKeyText } from './folder.ts'
import { lockFolder } from './lock.ts'
import { SIMULATED_MODEL } from './simulated-provider.ts'

const NAME = 'apiproxy'
const readText = (path: string): Promise<string> => readFile(path, 'utf8')
const env = orExit(NAME, await withSecretFiles(process.env, readText))
const dataDir = env['APIPROXY_DATA_DIR'] || '.apiproxy'
const lock = await lockFolder(dataDir)
if (!lock.ok) {
  process.stderr.write(`${NAME} cannot start: ${lock.error}\n`)
  process.exit(EXIT_CONFIG)
}
const [masterKey, adminToken] = [await masterKeyText(dataDir), await adminTokenText(dataDir)]
const environment = orExit(
  NAME,
  readEmbeddedConfig(env, { masterKey: masterKey.text, adminToken: adminToken.text }),
)
const { config, configFile, logLevel } = environment
const declaration = orExit(NAME, await withConfigFile(environment.declaration, configFile, env, readText))
const logger = createLogger(NAME, logLevel)

await runUntilSignal(logger, async () => {
  await using stack = new AsyncDisposableStack()
  stack.use(lock.value)
  const running = stack.use(await startEmbedded({ ...config, declaration }, logger).catch(explain))
  const { controlPlane, dataPlane, isSimulated } = running
  const clientKey = await issueFirstKey(controlPlane.ledger, config.controlPlane.masterKey)
  process.stdout.write(
    banner({
      gateway: `http://${reachable(config.dataPlane.host)}:${dataPlane.port}`,
      admin: `http://${reachable(config.controlPlane.host)}:${controlPlane.port}`,
      clientKey: clientKey?.reveal() ?? null,
      adminToken: adminToken.isNew && !env['APIPROXY_ADMIN_TOKEN'] ? adminToken.text : null,
      tokenPlace: env['APIPROXY_ADMIN_TOKEN'] ? 'APIPROXY_ADMIN_TOKEN' : `${dataDir}/admin-token`,
      simulatedModel: isSimulated ? SIMULATED_MODEL : null,
      catalog: controlPlane.ledger.catalog,
    }),
  )
  return stack.move()
})

/** Says what a person can do about a port that somebody else has; everything else is told as it is. */
function explain(error: unknown): never {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error) {
    process.stderr.write(
      `${NAME} cannot start: port ${String(error.port)} is in use. Stop what uses it, or choose others with\n` +
        'APIPROXY_PORT, APIPROXY_ADMIN_PORT, APIPROXY_OPS_PORT and APIPROXY_PROBER_PORT.\n',
    )
    process.exit(EXIT_CONFIG)
  }
  throw error
}
