/**
 * A request's body on its way to an upstream: whole, or in pieces that stand for the whole.
 *
 * Pure. Pieces are how a large body gets another model's name without being copied.
 */
export type RequestBody = Buffer | readonly Buffer[]

export const piecesOf = (body: RequestBody): readonly Buffer[] => (isPieces(body) ? body : [body])

/** In bytes. */
export const lengthOf = (body: RequestBody): number =>
  Buffer.isBuffer(body) ? body.length : piecesOf(body).reduce((sum, piece) => sum + piece.length, 0)

export const wholeOf = (body: RequestBody): Buffer => (isPieces(body) ? Buffer.concat(body) : body)

const isPieces = (body: RequestBody): body is readonly Buffer[] => Array.isArray(body)
