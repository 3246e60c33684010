/**
 * What an attempt has used up, as it is put into the books.
 *
 * Pure. The rule: an attempt of which nothing reached the client is not counted, because nobody can say what it
 * cost. An answer that came to its end counts as its provider counted it. One that broke off, or that the client
 * left, counts with what was seen of it, and is marked as estimated; so is one whose provider does not count.
 */
import { NO_TOKENS, type Tokens } from '#contracts/usage/tokens.ts'
import type { Usage } from '../dialects/canonical/reply.ts'
import { weighRequest } from '../dialects/native/meter.ts'
import { piecesOf, type RequestBody } from './request-body.ts'

/** What is known of an answer when nothing more comes of it. */
export type Told = Readonly<{
  /** As the upstream counted so far; null: it has not said. */
  usage: Usage | null
  /** Tokens, about, of what was seen. Asked only where the upstream's own count does not do. */
  seen: () => number
}>

export type Spent = Readonly<{ tokens: Tokens; isEstimated: boolean }>

/** @param isWhole the answer came to its end. @param request the body that was sent. */
export function spentOf({ usage, seen }: Told, isWhole: boolean, request: RequestBody | null): Spent {
  const tokens = usage === null ? NO_TOKENS : tokensOf(usage)
  if (usage !== null && isWhole) return { tokens, isEstimated: false }
  const input = tokens.input > 0 ? tokens.input : weighPieces(request)
  const output = Math.max(tokens.output, Math.ceil(seen()))
  return { tokens: { ...tokens, input, output }, isEstimated: true }
}

/** What a provider says that is no count is none: a record with it would be refused as a whole. */
const counted = (tokens: number): number => (tokens > 0 && tokens < Infinity ? tokens : 0)

/** Member by member: a copy "of all but one" is made by name, at run time, and costs as much as the whole pick. */
const tokensOf = (usage: Usage): Tokens => ({
  input: counted(usage.input),
  output: counted(usage.output),
  cacheRead: counted(usage.cacheRead),
  cacheWrite: counted(usage.cacheWrite),
  cacheWriteLong: counted(usage.cacheWriteLong),
  reasoning: counted(usage.reasoning),
  inputAudio: counted(usage.inputAudio),
  outputAudio: counted(usage.outputAudio),
})

const weighPieces = (request: RequestBody | null): number =>
  request === null ? 0 : piecesOf(request).reduce((sum, piece) => sum + weighRequest(piece), 0)
