import { describe, expect, test } from 'vitest'
import { withSecretFiles } from './env-files.ts'

const FILES: Readonly<Record<string, string>> = { '/secrets/key': ' canary-4711\n', '/secrets/none': '\n' }

const readText = (path: string): Promise<string> => {
  const text = FILES[path]
  return text === undefined ? Promise.reject(new Error('ENOENT')) : Promise.resolve(text)
}

const read = (env: Readonly<Record<string, string | undefined>>) => withSecretFiles(env, readText)

describe('secrets from files', () => {
  test.each([
    'APIPROXY_MASTER_KEY',
    'APIPROXY_ADMIN_TOKEN',
    'APIPROXY_AUTH_TOKEN',
    'DATABASE_URL',
    'NATS_URL',
    'REDIS_URL',
    'OPENAI_API_KEY',
    'ANTHROPIC_API_KEY',
    'GEMINI_API_KEY',
    'LLM_PROVIDER_MY_VLLM_API_KEY',
    'LLM_PROVIDER_A_API_KEYS',
  ])('stand for %s, without the space around them', async (name) => {
    const env = { OTHER: 'stays', [`${name}_FILE`]: '/secrets/key' }
    expect(await read(env)).toEqual({ ok: true, value: { OTHER: 'stays', [name]: 'canary-4711' } })
  })

  test('are not read when the variable itself is set', async () => {
    const env = { NATS_URL: 'nats://here', NATS_URL_FILE: '/secrets/missing' }
    expect(await read(env)).toEqual({ ok: true, value: { NATS_URL: 'nats://here' } })
  })

  test('are read when the variable is set to nothing', async () => {
    const answer = await read({ NATS_URL: '', NATS_URL_FILE: '/secrets/key' })
    expect(answer).toEqual({ ok: true, value: { NATS_URL: 'canary-4711' } })
  })

  test.each(['', undefined])('are none when their own variable is %j', async (path) => {
    expect(await read({ NATS_URL_FILE: path })).toEqual({ ok: true, value: {} })
  })

  test('leave the files of other programs alone', async () => {
    const env = {
      SSL_CERT_FILE: '/secrets/key',
      APIPROXY_CONFIG_FILE: '/secrets/key',
      DATADOG_API_KEY_FILE: '/secrets/key',
    }
    expect(await read(env)).toEqual({ ok: true, value: env })
  })

  test('are all named when they cannot be used, and their content is not', async () => {
    const env = {
      DATABASE_URL_FILE: '/secrets/missing',
      APIPROXY_MASTER_KEY_FILE: '/secrets/none',
      APIPROXY_ADMIN_TOKEN_FILE: '/secrets/key',
    }
    const answer = await read(env)
    expect(answer).toEqual({
      ok: false,
      error: [
        'DATABASE_URL_FILE: cannot read /secrets/missing: ENOENT',
        'APIPROXY_MASTER_KEY_FILE: /secrets/none is empty',
      ],
    })
    expect(JSON.stringify(answer)).not.toContain('canary-4711')
  })
})
