import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { RedisLink } from '#contracts/redis/link-redis.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { eventually } from '../eventually.ts'
import { PATIENT_MS } from '../order.ts'
import { freshRedis } from '../services/services.ts'

const MIB = 1024 * 1024

/** A way to Redis on which it stops reading. */
async function startWay(url: string): Promise<AsyncDisposable & Readonly<{ url: string; stop: () => void }>> {
  const { hostname, port } = new URL(url)
  const sockets: Socket[] = []
  const server = createServer((client) => {
    const redis = connect(Number(port), hostname)
    for (const socket of [client, redis]) sockets.push(socket.on('error', () => undefined))
    client.pipe(redis).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('what Redis does not take is dropped and counted, not piled up', async () => {
  const { url, prefix } = await freshRedis()
  await using way = await startWay(url)
  const clock = new ManualClock()
  await using link = new RedisLink({ url: way.url, clock, answerMs: PATIENT_MS })
  await eventually(async () => {
    clock.advance(1_000)
    return (await link.ask((redis) => redis.ping())) === 'PONG'
  })
  const before = link.failures
  way.stop()
  let told = 0
  for (let count = 0; count < 100; count++) {
    link.tell((redis) => {
      told += 1
      return redis.set(`${prefix}:${count}`, 'x'.repeat(MIB))
    }, MIB)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(told).toBe(15)
  expect(link.failures - before).toBe(100 - told)
})
