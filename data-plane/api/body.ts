/**
 * Reads a request's body into one buffer, up to a limit. Called after the caller is known: strangers do not
 * get to send megabytes.
 */
import { promisify } from 'node:util'
import { gunzip, type ZlibOptions } from 'node:zlib'
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { ClientExchange } from '../listener/client-exchange.ts'
import { countBody } from './collector.ts'

type Sender = Pick<ClientExchange, 'headers' | 'readBody'>

/**
 * @returns a promise only where not all of it is there. A caller that left while sending has nobody to tell a problem
 * to: the promise then stays unresolved with it.
 */
export function readBody(
  client: Sender,
  limit: number,
): Result<Buffer, Problem> | Promise<Result<Buffer, Problem>> {
  const encoding = client.headers.get('content-encoding')
  if (encoding !== undefined && encoding !== 'identity') return readEncoded(client, encoding, limit)
  const body = client.readBody(limit)
  return body instanceof Promise ? body.then((whole) => counted(whole, limit)) : counted(body, limit)
}

/** The limit counts for what was sent and again for what it grows to. */
async function readEncoded(
  client: Sender,
  encoding: string,
  limit: number,
): Promise<Result<Buffer, Problem>> {
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return err({ code: 'unsupported_encoding' })
  const packed = counted(await client.readBody(limit), limit)
  if (!packed.ok) return packed
  try {
    return ok(await inflate(packed.value, { maxOutputLength: limit }))
  } catch (error) {
    const isLong = error instanceof RangeError
    const message = 'The request body is not valid gzip.'
    return isLong ? tooLarge(limit) : err({ code: 'malformed_request', message })
  }
}

function counted(body: Buffer | null, limit: number): Result<Buffer, Problem> {
  if (body === null) return tooLarge(limit)
  countBody(body.length)
  return ok(body)
}

const inflate = promisify<Buffer, ZlibOptions, Buffer>(gunzip)

const tooLarge = (limit: number): Result<Buffer, Problem> =>
  err({ code: 'body_too_large', message: `The request body is larger than ${limit} bytes.` })
