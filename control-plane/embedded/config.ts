/**
 * Embedded mode's configuration: the environment, and what the data folder keeps where the environment says
 * nothing.
 */
import { z } from 'zod'
import {
  envInt,
  envMasterKey,
  envPort,
  envSecret,
  loadEnv,
  LogLevel,
  type Env,
} from '#contracts/process/env.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { contextEnv, contextOf, envStreamUsage, envUsageSpool, originsOf } from '#data-plane/config.ts'
import type { Declaration } from '../bootstrap/declaration.ts'
import { readEnvironment } from '../bootstrap/environment.ts'
import { envGatewayUrl, envModelsTtl, envUsageRetention } from '../config.ts'
import type { EmbeddedConfig } from './app.ts'

const MIB = 1024 * 1024
/** Everything listens on this machine alone unless told otherwise. */
const LOOPBACK = '127.0.0.1'

const EmbeddedEnv = z.object({
  APIPROXY_DATA_DIR: z.string().default('.apiproxy'),
  APIPROXY_MASTER_KEY: envMasterKey,
  APIPROXY_ADMIN_TOKEN: envSecret(24),
  APIPROXY_HOST: z.string().default(LOOPBACK),
  APIPROXY_PORT: envPort.default(8080),
  APIPROXY_OPS_PORT: envPort.default(8081),
  APIPROXY_ADMIN_HOST: z.string().default(LOOPBACK),
  APIPROXY_ADMIN_PORT: envPort.default(8090),
  APIPROXY_PROBER_PORT: envPort.default(8070),
  APIPROXY_SIMULATED_PORT: envPort.default(8071),
  APIPROXY_BODY_LIMIT: envInt(1_024, 1_024 * MIB).default(32 * MIB),
  APIPROXY_CORS_ORIGINS: z.string().default('*'),
  ...contextEnv,
  APIPROXY_STREAM_USAGE: envStreamUsage,
  APIPROXY_USAGE_SPOOL_BYTES: envUsageSpool,
  APIPROXY_REQUEST_TIMEOUT_MS: envInt(100, 3_600_000).default(600_000),
  APIPROXY_DRAIN_MS: envInt(0, 600_000).default(10_000),
  MODELS_CACHE_TTL: envModelsTtl,
  APIPROXY_USAGE_RETENTION_DAYS: envUsageRetention,
  APIPROXY_GATEWAY_URL: envGatewayUrl,
  APIPROXY_CONFIG: z.string().optional(),
  /** Quiet: the banner is what a person at the terminal came for. */
  LOG_LEVEL: LogLevel.default('warn'),
})

export type EmbeddedEnvironment = Readonly<{
  config: Omit<EmbeddedConfig, 'declaration'>
  declaration: Declaration
  configFile: string | null
  logLevel: string
}>

/** @param kept texts of the data folder, for what the environment leaves out. */
export function readEmbeddedConfig(
  env: Env,
  kept: Readonly<{ masterKey: string; adminToken: string }>,
): Result<EmbeddedEnvironment, readonly string[]> {
  const parsed = loadEnv(EmbeddedEnv, {
    ...env,
    APIPROXY_MASTER_KEY: env['APIPROXY_MASTER_KEY'] || kept.masterKey,
    APIPROXY_ADMIN_TOKEN: env['APIPROXY_ADMIN_TOKEN'] || kept.adminToken,
  })
  const declaration = readEnvironment(env)
  if (!parsed.ok || !declaration.ok) {
    return err([...(parsed.ok ? [] : parsed.error), ...(declaration.ok ? [] : declaration.error)])
  }
  const { value } = parsed
  const masterKey = value.APIPROXY_MASTER_KEY
  const prefix = 'apiproxy'
  const config = {
    dataPlane: {
      host: value.APIPROXY_HOST,
      port: value.APIPROXY_PORT,
      opsHost: LOOPBACK,
      opsPort: value.APIPROXY_OPS_PORT,
      dataDir: value.APIPROXY_DATA_DIR,
      prefix,
      masterKey,
      bodyLimit: value.APIPROXY_BODY_LIMIT,
      corsOrigins: originsOf(value.APIPROXY_CORS_ORIGINS),
      context: contextOf(value),
      countStreams: value.APIPROXY_STREAM_USAGE === 'ask',
      usageSpoolBytes: value.APIPROXY_USAGE_SPOOL_BYTES,
      requestTimeoutMs: value.APIPROXY_REQUEST_TIMEOUT_MS,
      drainMs: value.APIPROXY_DRAIN_MS,
    },
    controlPlane: {
      host: value.APIPROXY_ADMIN_HOST,
      port: value.APIPROXY_ADMIN_PORT,
      prefix,
      masterKey,
      adminToken: value.APIPROXY_ADMIN_TOKEN,
      applyMigrations: true,
      modelsTtlMs: value.MODELS_CACHE_TTL * 1_000,
      usageRetentionDays: value.APIPROXY_USAGE_RETENTION_DAYS,
      gatewayUrl: value.APIPROXY_GATEWAY_URL ?? null,
    },
    prober: { host: LOOPBACK, port: value.APIPROXY_PROBER_PORT },
    simulatedPort: value.APIPROXY_SIMULATED_PORT,
  }
  return ok({
    config,
    declaration: declaration.value,
    configFile: value.APIPROXY_CONFIG ?? null,
    logLevel: value.LOG_LEVEL,
  })
}
