/**
 * Reads a process's configuration from its environment, once, and reports every problem together.
 */
import { z } from 'zod'
import { PREFIX_PATTERN } from '../bus/subjects.ts'
import { parseMasterKey, type MasterKey } from '../security/master-key.ts'
import { Secret } from '../security/secret.ts'
import { err, ok, type Result } from '../result.ts'

/** Exit status for a configuration that cannot work (EX_USAGE of sysexits.h). */
export const EXIT_CONFIG = 64

export type Env = Readonly<Record<string, string | undefined>>

/** @returns the configuration, or one line per problem, each naming its variable. Values are never repeated. */
export function loadEnv<Schema extends z.ZodType>(
  schema: Schema,
  env: Env,
): Result<z.infer<Schema>, readonly string[]> {
  // An empty variable means "not set": that is what `FOO=` in a compose file or shell says.
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = schema.safeParse(given)
  if (parsed.success) return ok(parsed.data)
  return err(
    parsed.error.issues.map((issue) => `${issue.path.join('.') || '(environment)'}: ${issue.message}`),
  )
}

/** A whole number from an environment text. */
export const envInt = (least: number, most: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`))

/** 0 picks a free port. */
export const envPort: z.ZodType<number, string> = envInt(0, 65_535)

/** `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`. */
export const envSwitch: z.ZodType<boolean, string> = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['1', 'true', 'yes', 'on', '0', 'false', 'no', 'off'], 'must be 1 or 0'))
  .transform((text) => ['1', 'true', 'yes', 'on'].includes(text))

/** A secret of at least `least` characters: an empty or short one is an open door. */
export const envSecret = (least: number): z.ZodType<Secret, string> =>
  z
    .string()
    .min(least, `must be at least ${least} characters`)
    .transform((text) => new Secret(text))

export const envUrl = (...protocols: readonly string[]): z.ZodType<string, string> =>
  z
    .string()
    .refine(
      (text) =>
        text
          .split(',')
          .every((part) => URL.canParse(part.trim()) && protocols.includes(new URL(part.trim()).protocol)),
      `must be a URL starting with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )

/** 32 bytes in base64; see `master-key.ts`. */
export const envMasterKey: z.ZodType<MasterKey, string> = z.string().transform((text, context): MasterKey => {
  const parsed = parseMasterKey(text)
  if (parsed.ok) return parsed.value
  context.addIssue({ code: 'custom', message: parsed.error })
  return z.NEVER
})

/** Keeps installations that share a broker or a Redis apart. */
export const envPrefix = z
  .string()
  .regex(PREFIX_PATTERN, 'must be 1-32 of a-z, 0-9, - and _, starting with a letter or digit')
  .default('apiproxy')

export const LogLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
