import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startOpsServer, type OpsServer, type Readiness } from './health.ts'
import { Metrics } from './metrics.ts'

const metrics = new Metrics()
let readiness: Readiness = { ready: true }
let server: OpsServer

beforeAll(async () => {
  server = await startOpsServer('127.0.0.1', 0, { readiness: () => readiness, metrics })
})
afterAll(() => server[Symbol.asyncDispose]())

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}${path}`)

describe('the health endpoints', () => {
  test('say alive as long as the process turns, ready or not', async () => {
    readiness = { ready: false, reason: 'no snapshot' }
    const answer = await get('/livez')
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }])
  })

  test.each(['/readyz', '/health'])('%s says ready, or 503 with the reason', async (path) => {
    readiness = { ready: true, detail: { commit: 7 } }
    const ready = await get(path)
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ok', detail: { commit: 7 } }])
    readiness = { ready: false, reason: 'no snapshot', detail: { link: 'none' } }
    const unready = await get(path)
    expect(unready.status).toBe(503)
    expect(await unready.json()).toEqual({
      status: 'unavailable',
      reason: 'no snapshot',
      detail: { link: 'none' },
    })
  })

  test('give metrics as Prometheus reads them', async () => {
    const answer = await get('/metrics')
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain.*version=/)
    expect(await answer.text()).toMatch(/^apiproxy_process_cpu_seconds_total \d/m)
  })

  test('know no other address', async () => {
    expect((await get('/')).status).toBe(404)
    expect((await fetch(`http://127.0.0.1:${server.port}/livez`, { method: 'POST' })).status).toBe(404)
  })

  test('stop answering when disposed of', async () => {
    const other = await startOpsServer('127.0.0.1', 0, { readiness: () => readiness, metrics })
    await other[Symbol.asyncDispose]()
    await expect(fetch(`http://127.0.0.1:${other.port}/livez`)).rejects.toThrow()
  })
})
