import { get } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { array, assert, asyncProperty, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { chunkOf } from './chunked.ts'

const framed = (text: string, isLast?: boolean): string => chunkOf(Buffer.from(text), isLast).toString()

test('a chunk stands behind its length in hexadecimal', () => {
  expect(framed('abc')).toBe('3\r\nabc\r\n')
  expect(framed('é'.repeat(100))).toBe(`c8\r\n${'é'.repeat(100)}\r\n`)
})

test('the last one has the end behind it, also where it is empty', () => {
  expect(framed('abc', true)).toBe('3\r\nabc\r\n0\r\n\r\n')
  expect(framed('', true)).toBe('0\r\n\r\n')
})

test('an empty chunk is nothing: it would be the end', () => {
  expect(framed('')).toBe('')
})

test('whatever is framed is read as it was', async () => {
  let chunks: readonly Buffer[] = []
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n')
      for (const [at, chunk] of chunks.entries()) socket.write(chunkOf(chunk, at === chunks.length - 1))
      socket.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const read = (): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      get(
        { port, host: '127.0.0.1', agent: false },
        (answer) => void buffer(answer).then(resolve, reject),
      ).once('error', reject)
    })
  const someChunks = array(uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 })
  await assert(
    asyncProperty(someChunks, async (some) => {
      chunks = some.map((chunk) => Buffer.from(chunk))
      expect(await read()).toEqual(Buffer.concat(chunks))
    }),
    { numRuns: 50 },
  )
  server.close()
})
