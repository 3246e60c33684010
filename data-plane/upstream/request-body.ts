/**
 * A request's body on its way to an upstream: whole, or in pieces that stand for the whole.
 *
 * Pure. Pieces are how a large body gets another model's name without being copied.
 */
export type RequestBody = Buffer | readonly Buffer[]

/** The part of undici's options that a body needs. @param body null: none. */
export function bodyOptions(
  headers: string[],
  body: RequestBody | null,
): Readonly<{ headers: string[]; body: Buffer | null }> {
  if (body === null || !isPieces(body)) return { headers, body }
  const length = piecesOf(body).reduce((sum, piece) => sum + piece.length, 0)
  const pieces: unknown = body
  const sized = [...headers, 'content-length', String(length)]
  return { headers: sized, body: isDispatchable(pieces) ? pieces : null }
}

/** undici writes what can be iterated, piece by piece; only its types do not say so. */
function isDispatchable(body: unknown): body is Buffer {
  return typeof body === 'object' && body !== null && Symbol.iterator in body
}

export const piecesOf = (body: RequestBody): readonly Buffer[] => (isPieces(body) ? body : [body])

export const wholeOf = (body: RequestBody): Buffer => (isPieces(body) ? Buffer.concat(body) : body)

const isPieces = (body: RequestBody): body is readonly Buffer[] => Array.isArray(body)
