/**
 * The control plane's configuration, read once from the environment.
 */
import { z } from 'zod'
import {
  envInt,
  envMasterKey,
  envPort,
  envPrefix,
  envSecret,
  envSwitch,
  envUrl,
  loadEnv,
  LogLevel,
  type Env,
} from '#contracts/process/env.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import type { Secret } from '#contracts/security/secret.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Declaration } from './bootstrap/declaration.ts'
import { readEnvironment } from './bootstrap/environment.ts'

/** What `startControlPlane` needs to know, whatever it runs on. */
export type ControlPlaneConfig = Readonly<{
  /** Admin API, nodes' API, health and metrics. 0 picks a free port. */
  host: string
  port: number
  /** Of subjects and buckets on the bus. */
  prefix: string
  masterKey: MasterKey
  adminToken: Secret
  applyMigrations: boolean
  /** How old a provider's model list may become before it is fetched again, in milliseconds. */
  modelsTtlMs: number
  /** How long single requests are kept, in days. */
  usageRetentionDays: number
  /** Where clients reach the gateway, for people to read; absent or null: not known. */
  gatewayUrl?: string | null
}>

export type ControlPlaneEnvironment = ControlPlaneConfig &
  Readonly<{
    declaration: Declaration
    databaseUrl: string
    natsUrl: string
    natsReplicas: number
    redisUrl: string | null
    configFile: string | null
    logLevel: string
  }>

/** Nodes are behind whatever is in front of them: only the operator knows the address that clients use. */
export const envGatewayUrl = envUrl('http:', 'https:').optional()

/** In seconds. Providers add models a few times a month; five minutes is what clients of the list expect. */
export const envModelsTtl = envInt(1, 86_400).default(300)

/** Sums by day are kept for ever; a quarter of single requests covers the questions about an invoice. */
export const envUsageRetention = envInt(1, 3_660).default(90)

const ControlPlaneEnv = z.object({
  DATABASE_URL: envUrl('postgres:', 'postgresql:'),
  NATS_URL: envUrl('nats:', 'tls:'),
  APIPROXY_NATS_PREFIX: envPrefix,
  /** Copies of each stream: 3 in a cluster. */
  APIPROXY_NATS_REPLICAS: envInt(1, 5).default(1),
  /** Shared model lists; without it each control plane asks providers by itself, and sees no contents. */
  REDIS_URL: envUrl('redis:', 'rediss:').optional(),
  MODELS_CACHE_TTL: envModelsTtl,
  APIPROXY_USAGE_RETENTION_DAYS: envUsageRetention,
  APIPROXY_GATEWAY_URL: envGatewayUrl,
  APIPROXY_MASTER_KEY: envMasterKey,
  APIPROXY_ADMIN_TOKEN: envSecret(24),
  /** Loopback: whoever reaches this port and has the token rules the fleet. */
  APIPROXY_ADMIN_HOST: z.string().default('127.0.0.1'),
  APIPROXY_ADMIN_PORT: envPort.default(8090),
  AUTO_APPLY_DB_MIGRATIONS: envSwitch.default(true),
  APIPROXY_CONFIG: z.string().optional(),
  LOG_LEVEL: LogLevel.default('info'),
})

/** Reads everything but the file that `APIPROXY_CONFIG` names: reading files is the main's business. */
export function readControlPlaneConfig(env: Env): Result<ControlPlaneEnvironment, readonly string[]> {
  const parsed = loadEnv(ControlPlaneEnv, env)
  const declaration = readEnvironment(env)
  if (!parsed.ok || !declaration.ok) {
    return err([...(parsed.ok ? [] : parsed.error), ...(declaration.ok ? [] : declaration.error)])
  }
  const { value } = parsed
  return ok({
    host: value.APIPROXY_ADMIN_HOST,
    port: value.APIPROXY_ADMIN_PORT,
    prefix: value.APIPROXY_NATS_PREFIX,
    masterKey: value.APIPROXY_MASTER_KEY,
    adminToken: value.APIPROXY_ADMIN_TOKEN,
    applyMigrations: value.AUTO_APPLY_DB_MIGRATIONS,
    modelsTtlMs: value.MODELS_CACHE_TTL * 1_000,
    usageRetentionDays: value.APIPROXY_USAGE_RETENTION_DAYS,
    gatewayUrl: value.APIPROXY_GATEWAY_URL ?? null,
    redisUrl: value.REDIS_URL ?? null,
    declaration: declaration.value,
    databaseUrl: value.DATABASE_URL,
    natsUrl: value.NATS_URL,
    natsReplicas: value.APIPROXY_NATS_REPLICAS,
    configFile: value.APIPROXY_CONFIG ?? null,
    logLevel: value.LOG_LEVEL,
  })
}
