/**
 * An Anthropic message into the form in the middle.
 *
 * Pure.
 */
import { err, ok, type Result } from '#contracts/result.ts'
import { isArray, isObject, objectOf, stringOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply } from '../canonical/reply.ts'
import type { AnswerOrigin } from '../dialect.ts'
import { readAnswerBlock } from './read-blocks.ts'
import { DIALECT, readFinish, readTier, readUsage } from './terms.ts'

export function readReply(body: JsonObject, origin: AnswerOrigin): Result<CanonicalReply, string> {
  const content = body['content']
  if (!isArray(content)) return err('the answer has no content')
  const parts = content.flatMap((block): AnswerPart[] => {
    const part = isObject(block) ? readAnswerBlock(block, origin.provider, origin.toolNames) : null
    return part === null ? [] : [part]
  })
  const usage = objectOf(body['usage'])
  return ok({
    dialect: DIALECT,
    id: stringOf(body['id']) ?? null,
    model: stringOf(body['model']) ?? null,
    created: null,
    candidates: [{ index: 0, parts, finish: readFinish(body), logprobs: null }],
    usage: isObject(body['usage']) ? readUsage(usage) : null,
    serviceTier: readTier(usage),
  })
}
