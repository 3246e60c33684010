import { describe, expect, test } from 'vitest'
import { readDataPlaneConfig } from './config.ts'

const ENV = {
  NATS_URL: 'nats://127.0.0.1:4222',
  APIPROXY_CONTROL_URL: 'http://127.0.0.1:8090',
  APIPROXY_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
}
const problems = (more: Readonly<Record<string, string>>): readonly string[] => {
  const config = readDataPlaneConfig({ ...ENV, ...more })
  return config.ok ? [] : config.error
}

describe('a node’s configuration', () => {
  test('needs a bus, a control plane and the master key, and has defaults for the rest', () => {
    expect(readDataPlaneConfig(ENV)).toMatchObject({
      ok: true,
      value: {
        host: '0.0.0.0',
        port: 8080,
        opsHost: '0.0.0.0',
        opsPort: 8081,
        dataDir: '.apiproxy',
        prefix: 'apiproxy',
        bodyLimit: 33_554_432,
        requestTimeoutMs: 600_000,
        countStreams: false,
        usageSpoolBytes: 1_024 * 1_024 * 1_024,
        drainMs: 20_000,
        redisUrl: null,
        logLevel: 'info',
      },
    })
    const nothing = readDataPlaneConfig({})
    expect(nothing.ok ? [] : nothing.error.map((problem) => problem.split(':')[0])).toEqual([
      'NATS_URL',
      'APIPROXY_CONTROL_URL',
      'APIPROXY_MASTER_KEY',
    ])
  })

  test('may name several servers', () => {
    const several = {
      NATS_URL: 'nats://a:4222,tls://b:4222',
      APIPROXY_CONTROL_URL: 'http://a:8090,https://b',
    }
    expect(readDataPlaneConfig({ ...ENV, ...several })).toMatchObject({
      ok: true,
      value: { natsUrl: several.NATS_URL, controlUrl: several.APIPROXY_CONTROL_URL },
    })
  })

  test.each([
    ['NATS_URL', 'http://127.0.0.1'],
    ['NATS_URL', 'nats://a:4222,nonsense'],
    ['REDIS_URL', 'http://127.0.0.1'],
    ['APIPROXY_CONTROL_URL', 'nats://127.0.0.1'],
    ['APIPROXY_MASTER_KEY', 'c2hvcnQ='],
    ['APIPROXY_PORT', '65536'],
    ['APIPROXY_PORT', '80.5'],
    ['APIPROXY_OPS_PORT', '-1'],
    ['APIPROXY_BODY_LIMIT', '1023'],
    ['APIPROXY_BODY_LIMIT', '32MiB'],
    ['APIPROXY_REQUEST_TIMEOUT_MS', '99'],
    ['APIPROXY_DRAIN_MS', '600001'],
    ['APIPROXY_NATS_PREFIX', 'a.b'],
    ['LOG_LEVEL', 'loud'],
  ])('refuses %s=%s, by its name alone', (name, value) => {
    const told = problems({ [name]: value })
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(new RegExp(`^${name}: `))
  })
})
