/**
 * What a request may cost, before anybody has counted it: what is reserved of its budgets.
 *
 * Pure. Its body's size for what goes in, the length of the answer it allows for what comes out, at the dearest
 * price among those who may serve it. What it costs beyond that is what can be spent without a lease.
 */
import { costOf } from '#contracts/catalog/price.ts'
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import { isObject, parseJson } from '../dialects/canonical/json.ts'
import { scanTopLevel } from '../dialects/json-scan.ts'
import { weighRequest } from '../dialects/native/meter.ts'

/** Of a request that does not say how long its answer may be. */
export const UNSAID_OUTPUT_TOKENS = 1_024
/** No model answers longer: who asks for more gets no more. */
const MOST_OUTPUT_TOKENS = 131_072
const MOST_CHOICES = 128

/** How the dialects say how long an answer, and how many of them there, may be. */
const WANTED = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'n', 'generationConfig']

/** @returns billionths of a US dollar; 0 where nothing is generated or no price is known. */
export function reservationFor(
  body: Buffer,
  endpoint: ClientEndpoint,
  prices: readonly ModelPrice[],
): number {
  if (endpoint === 'count_tokens' || body.length === 0 || prices.length === 0) return 0
  const input = weighRequest(body)
  const output = endpoint === 'embeddings' ? 0 : outputTokens(body)
  return Math.max(
    ...prices.map((price) =>
      // All of it may be written to the provider's cache, which costs more with some.
      costOf(
        { input: Math.max(price.input, price.cacheWrite ?? 0), output: price.output },
        { input, output, cacheRead: 0, cacheWrite: 0 },
      ),
    ),
  )
}

/** @returns the most tokens the answers may have, by the request's own word. */
export function outputTokens(body: Buffer): number {
  const spans = scanTopLevel(body, WANTED)
  if (typeof spans === 'string') return UNSAID_OUTPUT_TOKENS
  const at = (index: number): unknown => {
    const [start = -1, end = -1] = [spans[index * 2], spans[index * 2 + 1]]
    return start === -1 ? undefined : parseJson(body.toString('utf8', start, end))
  }
  const config = at(4)
  const [said, choices] = isObject(config)
    ? [config['maxOutputTokens'], config['candidateCount']]
    : [at(1) ?? at(0) ?? at(2), at(3)]
  const tokens = isCount(said) ? Math.min(said, MOST_OUTPUT_TOKENS) : UNSAID_OUTPUT_TOKENS
  return Math.ceil(tokens * (isCount(choices) ? Math.min(choices, MOST_CHOICES) : 1))
}

const isCount = (value: unknown): value is number => typeof value === 'number' && value > 0
