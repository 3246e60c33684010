/**
 * The prober's configuration, read once from the environment.
 */
import { z } from 'zod'
import {
  envMasterKey,
  envPort,
  envPrefix,
  envUrl,
  loadEnv,
  LogLevel,
  type Env,
} from '#contracts/process/env.ts'
import type { Result } from '#contracts/result.ts'

const ProberEnv = z
  .object({
    NATS_URL: envUrl('nats:', 'tls:'),
    APIPROXY_NATS_PREFIX: envPrefix,
    APIPROXY_MASTER_KEY: envMasterKey,
    /** Where to learn which deployments there are. */
    APIPROXY_CONTROL_URL: envUrl('http:', 'https:'),
    APIPROXY_PROBER_PORT: envPort.default(8070),
    /** Health and metrics are for the network the process lives in, as in the other planes. */
    APIPROXY_PROBER_HOST: z.string().default('0.0.0.0'),
    LOG_LEVEL: LogLevel.default('info'),
  })
  .transform((env) => ({
    natsUrl: env.NATS_URL,
    prefix: env.APIPROXY_NATS_PREFIX,
    masterKey: env.APIPROXY_MASTER_KEY,
    controlUrl: env.APIPROXY_CONTROL_URL,
    port: env.APIPROXY_PROBER_PORT,
    host: env.APIPROXY_PROBER_HOST,
    logLevel: env.LOG_LEVEL,
  }))

export type ProberEnvironment = Readonly<z.infer<typeof ProberEnv>>

export const readProberConfig = (env: Env): Result<ProberEnvironment, readonly string[]> =>
  loadEnv(ProberEnv, env)
