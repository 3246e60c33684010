/**
 * A Responses answer, read into canonical form.
 *
 * Pure.
 */
import { err, ok, type Result } from '#contracts/result.ts'
import type { Carrier } from '../canonical/carrier.ts'
import { arrayOf, isArray, numberOf, objectOf, stringOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, TokenLogprob } from '../canonical/reply.ts'
import type { AnswerOrigin } from '../dialect.ts'
import { readText, textsOf } from './items/read-content.ts'
import { finishOf, NAME, readLogprobs, readUsage } from './terms.ts'

const UNFINISHED = new Set(['queued', 'in_progress', 'failed', 'cancelled'])

export function readReply(body: JsonObject, origin: AnswerOrigin): Result<CanonicalReply, string> {
  const { output, status } = body
  if (!isArray(output)) return err('no output')
  if (typeof status === 'string' && UNFINISHED.has(status)) return err(`status ${status}`)
  const parts: AnswerPart[] = []
  const logprobs: TokenLogprob[] = []
  for (const item of output) readOutputItem(objectOf(item), origin, parts, logprobs)
  const refusal = parts.find((part) => part.kind === 'refusal')?.text
  const calls = parts.some((part) => part.kind === 'tool-call')
  return ok({
    dialect: NAME,
    id: stringOf(body['id']) ?? null,
    model: stringOf(body['model']) ?? null,
    created: numberOf(body['created_at']) ?? null,
    candidates: [
      {
        index: 0,
        parts,
        finish: finishOf(body, calls, refusal),
        logprobs: logprobs.length === 0 ? null : logprobs,
      },
    ],
    usage: readUsage(body['usage']),
    serviceTier: stringOf(body['service_tier']) ?? null,
  })
}

/** Adds what an item says to the parts. */
function readOutputItem(
  item: JsonObject,
  origin: AnswerOrigin,
  parts: AnswerPart[],
  logprobs: TokenLogprob[],
): void {
  switch (item['type']) {
    case 'message':
      readMessage(item, parts, logprobs)
      return
    case 'reasoning':
      parts.push(...readReasoning(item, origin))
      return
    case 'function_call':
    case 'custom_tool_call': {
      const isCustom = item['type'] === 'custom_tool_call'
      const args = stringOf(item[isCustom ? 'input' : 'arguments']) ?? ''
      parts.push({ kind: 'tool-call', ...callOf(item, origin), args, isCustom })
      return
    }
    default:
      parts.push(readOther(item))
  }
}

/** Id and name of a call, the name as the client knows it. */
export function callOf(item: JsonObject, origin: AnswerOrigin): Readonly<{ id: string; name: string }> {
  const name = stringOf(item['name']) ?? ''
  return {
    id: stringOf(item['call_id']) ?? stringOf(item['id']) ?? '',
    name: origin.toolNames.get(name) ?? name,
  }
}

function readMessage(item: JsonObject, parts: AnswerPart[], logprobs: TokenLogprob[]): void {
  const phase = stringOf(item['phase'])
  for (const entry of arrayOf(item['content'])) {
    const part = objectOf(entry)
    if (part['type'] === 'refusal') {
      parts.push({ kind: 'refusal', text: stringOf(part['refusal']) ?? '' })
    } else if (typeof part['text'] === 'string') {
      parts.push({ ...readText(part), ...(phase === undefined ? {} : { phase }) })
      logprobs.push(...readLogprobs(part['logprobs']))
    }
  }
}

function readReasoning(item: JsonObject, origin: AnswerOrigin): readonly AnswerPart[] {
  const summary = textsOf(item['summary'])
  const thought = textsOf(item['content'])
  const carrier = stateOf(item, origin)
  const own = carrier === undefined ? {} : { carrier }
  const parts: AnswerPart[] = []
  // One item may hold both; its state stands with the last of them.
  if (summary !== '') {
    const isLast = thought === ''
    parts.push({ kind: 'reasoning', text: summary, isSummary: true, ...(isLast ? own : {}) })
  }
  if (thought !== '') parts.push({ kind: 'reasoning', text: thought, isSummary: false, ...own })
  if (parts.length === 0 && carrier !== undefined) {
    parts.push({ kind: 'reasoning', text: '', isSummary: true, carrier })
  }
  return parts
}

/** @returns the state of a reasoning item that came from this provider; undefined: it has none. */
export function stateOf(item: JsonObject, origin: AnswerOrigin): Carrier | undefined {
  const data = stringOf(item['encrypted_content']) ?? ''
  if (data === '') return undefined
  const id = stringOf(item['id'])
  return {
    dialect: NAME,
    provider: origin.provider,
    data,
    form: 'encrypted',
    of: 'own',
    ...(id === undefined ? {} : { id }),
  }
}

/** Pictures are pictures everywhere; what else the service's own tools did is only its own. */
export function readOther(item: JsonObject): AnswerPart {
  const type = stringOf(item['type']) ?? ''
  const { result } = item
  if (type === 'image_generation_call' && typeof result === 'string') {
    const mimeType = `image/${stringOf(item['output_format']) ?? 'png'}`
    return { kind: 'media', media: 'image', source: { kind: 'base64', data: result }, mimeType }
  }
  return { kind: 'native', dialect: NAME, type, value: item }
}
