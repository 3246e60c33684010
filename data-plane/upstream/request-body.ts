/**
 * A request's body on its way to an upstream: whole, or in pieces that stand for the whole.
 *
 * Pure. Pieces are how a large body gets another model's name without being copied.
 */
import type { Dispatcher } from './pools.ts'

export type RequestBody = Buffer | readonly Buffer[]

/** The part of undici's options that a body needs. @param body null: none. */
export function bodyOptions(
  headers: string[],
  body: RequestBody | null,
): Pick<Dispatcher.DispatchOptions, 'headers' | 'body'> {
  if (body === null || !isPieces(body)) return { headers, body }
  const length = piecesOf(body).reduce((sum, piece) => sum + piece.length, 0)
  // undici writes what can be iterated, piece by piece, but for its types.
  const iterable: unknown = body
  return { headers: [...headers, 'content-length', String(length)], body: iterable as Buffer }
}

export const piecesOf = (body: RequestBody): readonly Buffer[] => (isPieces(body) ? body : [body])

const isPieces = (body: RequestBody): body is readonly Buffer[] => Array.isArray(body)
