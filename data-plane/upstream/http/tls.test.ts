import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { buildConnector } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Connector } from '#contracts/security/guarded-connector.ts'
import { answerTo, CONNECT, OriginRig } from '#test/fakes/origin-rig.ts'
import { answered } from '#test/fakes/raw-upstream.ts'
import type { Origin } from './origin.ts'

/** Of nobody but this test: `localhost`, from 2020 to 2119. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg27s5kjL5KgtC54I0
//scaQSaNOcu55r0AgVP5nS31kWhRANCAAS38ekiG07sjLEjnN0BxlH1ReOxdj0+
GtLoFdJwSpr2kc1atdf7XDqVrScN63w5tEO58OGyfGGsQvaIuJAYqaN3
-----END PRIVATE KEY-----
`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBYTCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLfx6SIbTuyMsSOc
3QHGUfVF47F2PT4a0ugV0nBKmvaRzVq11/tcOpWtJw3rfDm0Q7nw4bJ8YaxC9oi4
kBipo3ejSDBGMA8GA1UdEwEB/wQFMAMBAf8wFAYDVR0RBA0wC4IJbG9jYWxob3N0
MB0GA1UdDgQWBBSnP0M7GaAVnS29fzENaojUfX6MAjAKBggqhkjOPQQDAgNIADBF
AiEA3YEEh+WibFTZwp3PnRALX/xDbT/uoFgvGkjBB9Jv7nICICYAX2Ihe9OYys4m
UaqgtcnRo8e/KyQ848ZmGfNqlMZ2
-----END CERTIFICATE-----
`

let rig: OriginRig
let server: Server
let sockets: TLSSocket[]
let answer: (socket: TLSSocket, bytes: Buffer) => void
beforeEach(async () => {
  rig = new OriginRig()
  sockets = []
  answer = (socket) => void socket.write(answered(200, {}, 'yes'))
  server = createServer({ key: KEY, cert: CERTIFICATE, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => answer(socket, bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  rig.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
})
afterEach(() => rig[Symbol.asyncDispose]())

/** As `guardedConnector` has it, but for whom it trusts. */
const TRUSTING = buildConnector({ ca: CERTIFICATE, allowH2: false, timeout: 1_000, keepAlive: true })

function origin(connect: Connector): Origin {
  const { port } = server.address() as AddressInfo
  return rig.origin({ origin: `https://localhost:${port}` }, connect)
}

describe('over TLS', () => {
  test('a host is asked by its name, in HTTP/1.1, and once more over the same connection', async () => {
    const there = origin(TRUSTING)
    expect(await answerTo(there)).toMatchObject({ text: 'yes', code: null })
    expect(await answerTo(there)).toMatchObject({ text: 'yes', code: null })
    expect(sockets).toHaveLength(1)
    expect(sockets[0]).toMatchObject({ servername: 'localhost', alpnProtocol: 'http/1.1' })
  })

  test('a large request and a large answer arrive whole', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    let xs = 0
    answer = (socket, bytes) => {
      for (const byte of bytes) if (byte === 0x78) xs += 1
      if (xs === body.length) socket.write(answered(200, {}, body))
    }
    const { code, text } = await answerTo(origin(TRUSTING), { body })
    expect(code).toBeNull()
    expect(text === body.toString()).toBe(true)
  })

  test('a host that nobody vouches for is sent nothing', async () => {
    const receiver = await answerTo(origin(CONNECT))
    expect(receiver).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT', told: ['error'] })
  })
})
