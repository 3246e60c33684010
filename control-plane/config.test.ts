import { describe, expect, test } from 'vitest'
import { readControlPlaneConfig } from './config.ts'

const ENV = {
  DATABASE_URL: 'postgres://127.0.0.1/apiproxy',
  NATS_URL: 'nats://127.0.0.1:4222',
  APIPROXY_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  APIPROXY_ADMIN_TOKEN: 'x'.repeat(24),
}

describe('the control plane’s configuration', () => {
  test('needs a database, a bus, a master key and a token, and stays on loopback unless told otherwise', () => {
    expect(readControlPlaneConfig(ENV)).toMatchObject({
      ok: true,
      value: {
        host: '127.0.0.1',
        port: 8090,
        prefix: 'apiproxy',
        natsReplicas: 1,
        applyMigrations: true,
        configFile: null,
      },
    })
    const nothing = readControlPlaneConfig({})
    expect(nothing.ok ? [] : nothing.error.map((problem) => problem.split(':')[0])).toEqual([
      'DATABASE_URL',
      'NATS_URL',
      'APIPROXY_MASTER_KEY',
      'APIPROXY_ADMIN_TOKEN',
    ])
  })

  test('says where clients go only when it was told', () => {
    const told = (APIPROXY_GATEWAY_URL: string): unknown => {
      const config = readControlPlaneConfig({ ...ENV, APIPROXY_GATEWAY_URL })
      return config.ok ? config.value.gatewayUrl : config.error
    }
    expect([told(''), told('https://llm.example')]).toEqual([null, 'https://llm.example'])
    expect(told('llm.example')).toEqual([expect.stringContaining('APIPROXY_GATEWAY_URL')])
  })

  test.each([
    ['0', false],
    ['off', false],
    ['FALSE', false],
    ['1', true],
    ['yes', true],
  ])('switches migrations with AUTO_APPLY_DB_MIGRATIONS=%s', (text, expected) => {
    const config = readControlPlaneConfig({ ...ENV, AUTO_APPLY_DB_MIGRATIONS: text })
    expect(config.ok && config.value.applyMigrations).toBe(expected)
  })

  test('tells what is wrong with it together with what is wrong with the providers', () => {
    const config = readControlPlaneConfig({
      ...ENV,
      DATABASE_URL: 'mysql://127.0.0.1',
      APIPROXY_ADMIN_TOKEN: 'x'.repeat(23),
      AUTO_APPLY_DB_MIGRATIONS: 'maybe',
      LLM_PROVIDERS: 'a',
    })
    const problems = config.ok ? [] : config.error
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'DATABASE_URL',
      'APIPROXY_ADMIN_TOKEN',
      'AUTO_APPLY_DB_MIGRATIONS',
      'LLM_PROVIDER_A_BASE_URL',
    ])
    expect(problems.join()).not.toMatch(/xxx|mysql:\/\/127/)
  })
})
