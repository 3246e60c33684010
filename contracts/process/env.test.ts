import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Secret } from '../security/secret.ts'
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
} from './env.ts'

const Schema = z.object({
  PORT: envPort.default(8080),
  LIMIT: envInt(1, 100).default(10),
  MIGRATE: envSwitch.default(true),
  TOKEN: envSecret(16),
  NATS_URL: envUrl('nats:', 'tls:').optional(),
  LOG_LEVEL: LogLevel.default('info'),
})

const CANARY = 'canary-4711'

describe('the environment', () => {
  test('becomes a typed configuration, with defaults for what is not set', () => {
    const loaded = loadEnv(Schema, { TOKEN: 'x'.repeat(16), PORT: '0', MIGRATE: 'off', UNRELATED: 'ignored' })
    if (!loaded.ok) throw new Error(loaded.error.join())
    const { TOKEN, ...rest } = loaded.value
    expect(rest).toEqual({ PORT: 0, LIMIT: 10, MIGRATE: false, LOG_LEVEL: 'info' })
    expect(TOKEN).toBeInstanceOf(Secret)
    expect(TOKEN.reveal()).toBe('x'.repeat(16))
  })

  test('takes an empty variable for one that is not set', () => {
    const loaded = loadEnv(Schema, { TOKEN: 'x'.repeat(16), PORT: '', NATS_URL: '', LOG_LEVEL: undefined })
    expect(loaded.ok && loaded.value.PORT).toBe(8080)
    expect(loadEnv(Schema, { TOKEN: '' })).toMatchObject({ ok: false })
  })

  test('reports every problem at once, each with its variable, and never a value', () => {
    const loaded = loadEnv(Schema, {
      PORT: `${CANARY}1`,
      LIMIT: '4711000',
      MIGRATE: CANARY,
      TOKEN: CANARY,
      NATS_URL: `http://user:${CANARY}@host`,
      LOG_LEVEL: CANARY,
    })
    if (loaded.ok) throw new Error('accepted')
    expect(loaded.error.map((line) => line.split(':')[0])).toEqual([
      'PORT',
      'LIMIT',
      'MIGRATE',
      'TOKEN',
      'NATS_URL',
      'LOG_LEVEL',
    ])
    expect(loaded.error.join('\n')).not.toMatch(/canary|4711/)
    expect(loaded.error).toContain('LIMIT: must be at most 100')
    expect(loaded.error).toContain('TOKEN: must be at least 16 characters')
    expect(loaded.error).toContain('NATS_URL: must be a URL starting with nats:// or tls://')
  })

  test.each(['-1', '65536', '80.5', '0x50', '1e3', ' 80', '８０', 'NaN'])('takes %j for no port', (PORT) => {
    expect(loadEnv(z.object({ PORT: envPort }), { PORT }).ok).toBe(false)
  })

  test.each([
    ...(['1', 'true', 'YES', 'On'] as const).map((text) => [text, true] as const),
    ...(['0', 'false', 'No', 'OFF'] as const).map((text) => [text, false] as const),
  ])('reads the switch %s as %s', (SWITCH, value) => {
    expect(loadEnv(z.object({ SWITCH: envSwitch }), { SWITCH })).toEqual({
      ok: true,
      value: { SWITCH: value },
    })
  })

  test('takes several servers in one address, each of them checked', () => {
    const read = (URLS: string) => loadEnv(z.object({ URLS: envUrl('nats:') }), { URLS }).ok
    expect(read('nats://a:4222, nats://b:4222')).toBe(true)
    expect(read('nats://a:4222,http://b')).toBe(false)
    expect(read('nats://a:4222,')).toBe(false)
    expect(read('a:4222')).toBe(false)
  })

  test('takes a master key only when it is one, and says nothing of what it is', () => {
    const read = (KEY: string) => loadEnv(z.object({ KEY: envMasterKey }), { KEY })
    expect(read(Buffer.alloc(32, 1).toString('base64')).ok).toBe(true)
    const refused = read(`${CANARY}${CANARY}`)
    if (refused.ok) throw new Error('accepted')
    expect(refused.error).toEqual([expect.stringMatching(/^KEY: must be 32 bytes in base64/)])
    expect(refused.error.join()).not.toContain(CANARY)
  })

  test('begins names on the bus with apiproxy, or with another word that is valid there', () => {
    const read = (env: Record<string, string>) => loadEnv(z.object({ PREFIX: envPrefix }), env)
    expect(read({})).toEqual({ ok: true, value: { PREFIX: 'apiproxy' } })
    expect(read({ PREFIX: 'team-1' }).ok).toBe(true)
    expect(read({ PREFIX: 'a.b' }).ok).toBe(false)
  })
})
