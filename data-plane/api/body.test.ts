import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { readBody } from './body.ts'

const LIMIT = 4 * 1024 * 1024

/** What one connection that says `parts` is read as; `null`: nothing yet. */
async function readFrom(parts: readonly (string | Buffer)[], leave = false) {
  let read: Awaited<ReturnType<typeof readBody>> | null = null
  const server = createServer((request, response) => {
    void readBody(request, LIMIT).then((body) => {
      read ??= body // of the first request
      response.end('done')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const ended = new Promise((resolve) => socket.on('data', resolve).on('close', resolve))
  for (const part of parts) socket.write(part)
  if (leave) setTimeout(() => socket.destroy(), 20)
  await ended
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  return read as Awaited<ReturnType<typeof readBody>> | null
}

const headOf = (length: number): string => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`

test.each([0, 1, 65_535, 65_536, 65_537, 300_000, LIMIT])(
  'a body of %i bytes is read as it was sent',
  async (length) => {
    const bytes = randomBytes(length)
    const half = bytes.subarray(0, length / 2)
    const read = await readFrom([headOf(length), half, bytes.subarray(half.length)])
    expect(read?.ok === true && read.value.equals(bytes)).toBe(true)
  },
)

test('a large body without a length is read, too', async () => {
  const bytes = randomBytes(200_000)
  const head = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'
  const read = await readFrom([head, `${bytes.length.toString(16)}\r\n`, bytes, '\r\n0\r\n\r\n'])
  expect(read?.ok === true && read.value.equals(bytes)).toBe(true)
})

test('what comes behind a large body is not part of it', async () => {
  const bytes = randomBytes(100_000)
  const read = await readFrom([headOf(bytes.length), bytes, headOf(0)])
  expect(read?.ok === true && read.value.equals(bytes)).toBe(true)
})

test('a body above the limit is refused by its length alone', async () => {
  expect(await readFrom([headOf(LIMIT + 1)])).toMatchObject({ ok: false, error: { code: 'body_too_large' } })
})

test('a large body that breaks off is read by nobody', async () => {
  expect(await readFrom([headOf(200_000), Buffer.alloc(100_000)], true)).toBeNull()
})
