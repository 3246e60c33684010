import { describe, expect, test } from 'vitest'
import { readProberConfig } from './config.ts'

const MASTER_KEY = Buffer.alloc(32, 7).toString('base64')
const ENV = {
  NATS_URL: 'nats://127.0.0.1:4222',
  APIPROXY_MASTER_KEY: MASTER_KEY,
  APIPROXY_CONTROL_URL: 'http://127.0.0.1:8090',
}

describe('the prober’s configuration', () => {
  test('needs a bus and the master key, and has defaults for the rest', () => {
    const config = readProberConfig(ENV)
    expect(config).toMatchObject({
      ok: true,
      value: {
        prefix: 'apiproxy',
        port: 8070,
        host: '0.0.0.0',
        logLevel: 'info',
        controlUrl: 'http://127.0.0.1:8090',
      },
    })
  })

  test('names every problem at once and repeats no value', () => {
    const config = readProberConfig({
      APIPROXY_MASTER_KEY: 'short',
      APIPROXY_PROBER_PORT: '70000',
      APIPROXY_NATS_PREFIX: 'A B',
    })
    const problems = config.ok ? [] : config.error
    expect(problems).toHaveLength(5)
    for (const name of [
      'NATS_URL',
      'APIPROXY_CONTROL_URL',
      'APIPROXY_MASTER_KEY',
      'APIPROXY_PROBER_PORT',
      'APIPROXY_NATS_PREFIX',
    ]) {
      expect(problems.some((problem) => problem.startsWith(`${name}: `))).toBe(true)
    }
    expect(problems.join()).not.toContain('short')
  })
})
