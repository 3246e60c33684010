import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Problem } from '#contracts/errors.ts'
import type { Result } from '#contracts/result.ts'
import { ClientRig, PLAIN_HEAD, plainHead, WAYS } from '#test/listener/client-rig.ts'
import { readBody } from './body.ts'

const LIMIT = 4 * 1024 * 1024

describe.each(WAYS)('by way of %s', (way) => {
  /** What the first request of a connection that says `parts` is read as; `null`: nothing yet. */
  async function readFrom(parts: readonly (string | Buffer)[], leave = false) {
    let read: Result<Buffer, Problem> | null = null
    await using rig = await ClientRig.start(way)
    const arrived = rig.next()
    const socket = rig.connect(...parts)
    const ended = new Promise((resolve) => socket.on('data', resolve).on('close', resolve))
    const { client } = await arrived
    void Promise.resolve(readBody(client, LIMIT)).then((body) => {
      read = body
      client.begin(200, ['content-length', '0'])
      client.end(null)
    })
    if (leave) setTimeout(() => socket.destroy(), 20)
    await ended
    socket.destroy()
    return read as Result<Buffer, Problem> | null
  }

  const headOf = plainHead

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
    const head = `${PLAIN_HEAD}transfer-encoding: chunked\r\n\r\n`
    const read = await readFrom([head, `${bytes.length.toString(16)}\r\n`, bytes, '\r\n0\r\n\r\n'])
    expect(read?.ok === true && read.value.equals(bytes)).toBe(true)
  })

  test('what comes behind a large body is not part of it', async () => {
    const bytes = randomBytes(100_000)
    const read = await readFrom([headOf(bytes.length), bytes, headOf(0)])
    expect(read?.ok === true && read.value.equals(bytes)).toBe(true)
  })

  test('a body above the limit is refused by its length alone', async () => {
    expect(await readFrom([headOf(LIMIT + 1)])).toMatchObject({
      ok: false,
      error: { code: 'body_too_large' },
    })
  })

  test('a large body that breaks off is read by nobody', async () => {
    expect(await readFrom([headOf(200_000), Buffer.alloc(100_000)], true)).toBeNull()
  })
})
