/**
 * A data-plane node's configuration, read once from the environment.
 */
import { z } from 'zod'
import {
  envInt,
  envMasterKey,
  envPort,
  envPrefix,
  envUrl,
  loadEnv,
  LogLevel,
  type Env,
} from '#contracts/process/env.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import type { Result } from '#contracts/result.ts'

/** How much is kept of a session that a client names. */
export type ContextLimits = Readonly<{
  /** Older ones are let go. */
  turns: number
  /** Since the last turn, in milliseconds. */
  ttlMs: number
  /** Of one text, in UTF-16 code units. */
  textLength: number
}>

/** What `startDataPlane` needs to know, whatever it runs on. */
export type DataPlaneConfig = Readonly<{
  /** Client traffic. 0 picks a free port. */
  host: string
  port: number
  /** Health and metrics. */
  opsHost: string
  opsPort: number
  /** The last good configuration is kept below it. */
  dataDir: string
  /** Of subjects on the bus and keys in Redis. */
  prefix: string
  masterKey: MasterKey
  /** Largest request body, in bytes. */
  bodyLimit: number
  /** Origins whose scripts may call us; `*`: all. */
  corsOrigins: readonly string[]
  /** What is kept of named sessions; null: nothing. */
  context: ContextLimits | null
  /** Chat streams are counted by their providers also where clients do not ask; those are not told. */
  countStreams: boolean
  /** Of usage that the bus has not taken yet, in bytes; beyond it the oldest is let go. */
  usageSpoolBytes: number
  /** From a request's arrival until its answer must have begun, failovers included, in milliseconds. */
  requestTimeoutMs: number
  /** When stopping: how long answers under way may take to finish, in milliseconds. */
  drainMs: number
}>

export type DataPlaneEnvironment = DataPlaneConfig &
  Readonly<{ natsUrl: string; redisUrl: string | null; controlUrl: string; logLevel: string }>

const MIB = 1024 * 1024

export const contextEnv = {
  /** A session can be looked at by the key that named it; `off`: nothing of it is kept. */
  APIPROXY_SESSION_CONTEXT: z.enum(['on', 'off']).default('on'),
  APIPROXY_SESSION_CONTEXT_TURNS: envInt(1, 1_000).default(50),
  APIPROXY_SESSION_CONTEXT_TTL_S: envInt(60, 30 * 86_400).default(86_400),
  /** Enough to recognise what was said; whoever wants all of it keeps it. */
  APIPROXY_SESSION_CONTEXT_LENGTH: envInt(100, 100_000).default(4_000),
}

/** `keep`: as the client asks, byte by byte. */
export const envStreamUsage = z.enum(['keep', 'ask']).default('keep')

/** 1 GiB is about a million requests. */
export const envUsageSpool = envInt(16 * MIB, 1_024 * 1_024 * MIB).default(1_024 * MIB)

const DataPlaneEnv = z
  .object({
    NATS_URL: envUrl('nats:', 'tls:'),
    APIPROXY_NATS_PREFIX: envPrefix,
    /** Without it sessions are kept in this process alone. */
    REDIS_URL: envUrl('redis:', 'rediss:').optional(),
    APIPROXY_CONTROL_URL: envUrl('http:', 'https:'),
    APIPROXY_MASTER_KEY: envMasterKey,
    APIPROXY_DATA_DIR: z.string().default('.apiproxy'),
    APIPROXY_HOST: z.string().default('0.0.0.0'),
    APIPROXY_PORT: envPort.default(8080),
    APIPROXY_OPS_HOST: z.string().default('0.0.0.0'),
    APIPROXY_OPS_PORT: envPort.default(8081),
    /** Images travel as base64 inside the body; 32 MiB is what the large providers take. */
    APIPROXY_BODY_LIMIT: envInt(1_024, 1_024 * MIB).default(32 * MIB),
    /** Keys travel in headers, never in cookies: any page may ask, and needs a key. `none` refuses all. */
    APIPROXY_CORS_ORIGINS: z.string().default('*'),
    ...contextEnv,
    APIPROXY_STREAM_USAGE: envStreamUsage,
    APIPROXY_USAGE_SPOOL_BYTES: envUsageSpool,
    /** The official SDKs give up after ten minutes themselves. */
    APIPROXY_REQUEST_TIMEOUT_MS: envInt(100, 3_600_000).default(600_000),
    /** Kubernetes kills after 30 s. */
    APIPROXY_DRAIN_MS: envInt(0, 600_000).default(20_000),
    LOG_LEVEL: LogLevel.default('info'),
  })
  .transform((env) => ({
    host: env.APIPROXY_HOST,
    port: env.APIPROXY_PORT,
    opsHost: env.APIPROXY_OPS_HOST,
    opsPort: env.APIPROXY_OPS_PORT,
    dataDir: env.APIPROXY_DATA_DIR,
    prefix: env.APIPROXY_NATS_PREFIX,
    masterKey: env.APIPROXY_MASTER_KEY,
    bodyLimit: env.APIPROXY_BODY_LIMIT,
    corsOrigins: originsOf(env.APIPROXY_CORS_ORIGINS),
    context: contextOf(env),
    countStreams: env.APIPROXY_STREAM_USAGE === 'ask',
    usageSpoolBytes: env.APIPROXY_USAGE_SPOOL_BYTES,
    requestTimeoutMs: env.APIPROXY_REQUEST_TIMEOUT_MS,
    drainMs: env.APIPROXY_DRAIN_MS,
    natsUrl: env.NATS_URL,
    redisUrl: env.REDIS_URL ?? null,
    controlUrl: env.APIPROXY_CONTROL_URL,
    logLevel: env.LOG_LEVEL,
  }))

export const readDataPlaneConfig = (env: Env): Result<DataPlaneEnvironment, readonly string[]> =>
  loadEnv(DataPlaneEnv, env)

export const contextOf = (env: Readonly<z.infer<z.ZodObject<typeof contextEnv>>>): ContextLimits | null =>
  env.APIPROXY_SESSION_CONTEXT === 'off'
    ? null
    : {
        turns: env.APIPROXY_SESSION_CONTEXT_TURNS,
        ttlMs: env.APIPROXY_SESSION_CONTEXT_TTL_S * 1_000,
        textLength: env.APIPROXY_SESSION_CONTEXT_LENGTH,
      }

/** @param text a comma list of origins, `*` or `none`. */
export const originsOf = (text: string): readonly string[] =>
  text === 'none'
    ? []
    : text
        .split(',')
        .map((origin) => origin.trim())
        .filter((origin) => origin !== '')
