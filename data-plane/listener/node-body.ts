/**
 * Bodies of requests that Node's own server reads, in one buffer, up to a limit.
 */
import type { IncomingMessage } from 'node:http'
import { letGo } from './pieces.ts'

/** A caller that left while sending has nobody to tell a problem to: the promise then stays unresolved with it. */
export function readNodeBody(request: IncomingMessage, limit: number): Promise<Buffer | null> | null {
  const length = Number(request.headers['content-length'] ?? 0)
  if (length > limit) return null
  return length >= LARGE_BYTES ? fill(request, length) : collect(request, limit)
}

function collect(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    let first: Buffer | null = null
    let chunks: Buffer[] | null = null
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limit) {
        // What still comes is read and dropped, so that the answer can be heard.
        chunks = null
        resolve(null)
      } else if (first === null) first = chunk
      else (chunks ??= [first]).push(chunk)
    })
    // Not `once`, which wraps its listener: a request ends once.
    request.on('end', () => resolve(chunks === null ? (first ?? EMPTY) : Buffer.concat(chunks, bytes)))
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
function fill(request: IncomingMessage, length: number): Promise<Buffer> {
  return new Promise((resolve) => {
    // Not pooled and not cleared: what was not sent yet takes no memory.
    const body = Buffer.allocUnsafeSlow(length)
    let filled = 0
    request.on('data', (chunk: Buffer) => {
      filled += chunk.copy(body, filled)
      letGo(chunk)
    })
    request.on('end', () => resolve(body.subarray(0, filled)))
  })
}

const EMPTY = Buffer.alloc(0)
