/**
 * Reads a request's body into one buffer, up to a limit. Called after the caller is known: strangers do not
 * get to send megabytes.
 */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, type ZlibOptions } from 'node:zlib'
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { countBody } from './collector.ts'

/** A caller that left while sending has nobody to tell a problem to: the promise then stays unresolved with it. */
export function readBody(request: IncomingMessage, limit: number): Promise<Result<Buffer, Problem>> {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') return readEncoded(request, encoding, limit)
  const length = Number(request.headers['content-length'] ?? 0)
  if (length > limit) return Promise.resolve(tooLarge(limit))
  return length >= LARGE_BYTES ? fill(request, length) : collect(request, limit)
}

/** The limit counts for what was sent and again for what it grows to. */
async function readEncoded(
  request: IncomingMessage,
  encoding: string,
  limit: number,
): Promise<Result<Buffer, Problem>> {
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return err({ code: 'unsupported_encoding' })
  const packed = await collect(request, limit)
  if (!packed.ok) return packed
  try {
    return ok(await inflate(packed.value, { maxOutputLength: limit }))
  } catch (error) {
    const isLong = error instanceof RangeError
    const message = 'The request body is not valid gzip.'
    return isLong ? tooLarge(limit) : err({ code: 'malformed_request', message })
  }
}

function collect(request: IncomingMessage, limit: number): Promise<Result<Buffer, Problem>> {
  return new Promise((resolve) => {
    let first: Buffer | null = null
    let chunks: Buffer[] | null = null
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limit) {
        // What still comes is read and dropped, so that the answer can be heard.
        chunks = null
        resolve(tooLarge(limit))
      } else if (first === null) first = chunk
      else (chunks ??= [first]).push(chunk)
    })
    // Not `once`, which wraps its listener: a request ends once.
    request.on('end', () => {
      countBody(bytes)
      resolve(ok(chunks === null ? (first ?? EMPTY) : Buffer.concat(chunks, bytes)))
    })
  })
}

/** From here on a body is not collected in pieces first. */
const LARGE_BYTES = 64 * 1024

/**
 * A large body of a known length goes straight to where it will stand. Its pieces are let go as they are copied:
 * left to the collector, they would be half of the memory that makes it mark the whole heap.
 *
 * @param length as announced; Node's parser cuts a body there, and fails one that ends before.
 */
function fill(request: IncomingMessage, length: number): Promise<Result<Buffer, Problem>> {
  return new Promise((resolve) => {
    // Not pooled and not cleared: what was not sent yet takes no memory.
    const body = Buffer.allocUnsafeSlow(length)
    let filled = 0
    request.on('data', (chunk: Buffer) => {
      filled += chunk.copy(body, filled)
      letGo(chunk)
    })
    request.on('end', () => {
      countBody(length)
      resolve(ok(body.subarray(0, filled)))
    })
  })
}

/** Frees a piece's bytes at once. Node's parser gives each piece bytes of its own. */
function letGo({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

const EMPTY = Buffer.alloc(0)
const inflate = promisify<Buffer, ZlibOptions, Buffer>(gunzip)

const tooLarge = (limit: number): Result<Buffer, Problem> =>
  err({ code: 'body_too_large', message: `The request body is larger than ${limit} bytes.` })
