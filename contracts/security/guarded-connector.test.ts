import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EgressRefused, guardedConnector } from './guarded-connector.ts'

let server: Server
let port: number
let accepted = 0

beforeAll(async () => {
  server = createServer((socket) => {
    accepted += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

const connectTo = (hostname: string, allowPrivate: boolean): Promise<Socket> =>
  new Promise((resolve, reject) => {
    guardedConnector(allowPrivate, 2_000)(
      { hostname, protocol: 'http:', port: String(port) },
      (error, socket) => {
        if (error === null) resolve(socket)
        else reject(error)
      },
    )
  })

describe('the guarded connector', () => {
  // The last five are names to us and addresses to the resolver: what the look-up says is checked too.
  test.each([
    '127.0.0.1',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '0.0.0.0',
    'localhost',
    'LOCALHOST',
    'app.localhost',
    '',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0x7f000001',
    '017700000001',
  ])('opens no socket to %s', async (hostname) => {
    const before = accepted
    await expect(connectTo(hostname, false)).rejects.toThrow(EgressRefused)
    expect(accepted).toBe(before)
  })

  test('opens one where the provider may be private', async () => {
    const socket = await connectTo('127.0.0.1', true)
    expect(socket.remotePort).toBe(port)
    socket.destroy()
  })

  test('says nothing of the address in its error', async () => {
    const refused = await connectTo('127.0.0.1', false).catch((error: unknown) => error)
    expect(String(refused)).not.toMatch(/127/)
    expect(refused).toMatchObject({ code: 'APIPROXY_EGRESS' })
  })
})
